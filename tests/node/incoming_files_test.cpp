// Files that come in parts: from several who bring the same, from some who stop in the middle.
#include "cluster/node/incoming_files.hpp"

#include <doctest/doctest.h>

#include "cluster/node/file_store.hpp"

using namespace weir;
using namespace std::chrono_literals;

namespace {

struct fixture {
  incoming_files files{{1000, 3, 2000}};
  incoming_files::time_point now{};

  /// "", or the content that is whole, or the error.
  std::string take(const std::string& content, size_t offset, size_t bytes) {
    return take_as(content_hash(content), content, offset, bytes);
  }
  std::string take_as(const std::string& hash, const std::string& content, size_t offset,
                      size_t bytes) {
    auto r = files.take(hash, offset, content.size(), content.substr(offset, bytes), now);
    if (!r) return r.err().message;
    return r->value_or("");
  }
};

const std::string missing = "a part of the file is missing: begin again";

}  // namespace

TEST_CASE_FIXTURE(fixture, "parts in order make a file, which has the hash that it is named by") {
  const std::string a(600, 'a');
  CHECK(take(a, 0, 300) == "");
  CHECK(take(a, 300, 300) == a);
  CHECK(take(std::string(), 0, 0) == "");
  const auto wrong = std::string(64, '0');
  CHECK(take_as(wrong, "abc", 0, 3) ==
        "the file that came has the hash " + content_hash("abc") + ", not " + wrong +
            ", it was changed meanwhile or damaged on its way: begin again");
  CHECK(take_as("../passwd", "abc", 0, 3) == "'../passwd' is not a file's hash");
  CHECK(take(std::string(1001, 'x'), 0, 500) == "a file of 1001 bytes; at most 1000 are taken");
  CHECK(files.take(content_hash(a), 500, 600, std::string(101, 'a'), now).err().message ==
        "a part goes beyond the end of the file: begin again");
  CHECK(files.take(content_hash(a), SIZE_MAX, 600, "a", now).err().code == errc::invalid_argument);
}

TEST_CASE_FIXTURE(fixture, "two may bring the same file at the same time") {
  std::string a;
  for (int i = 0; i < 900; ++i) a += static_cast<char>('a' + i * i % 23);
  CHECK(take(a, 0, 300) == "");
  CHECK(take(a, 0, 200) == "");
  CHECK(take(a, 300, 300) == "");
  CHECK(take(a, 200, 200) == "");
  CHECK(take(a, 600, 300) == a);
  // The slower one ends after the file was whole.
  CHECK(take(a, 400, 200) == "");
  CHECK(take(a, 600, 300) == a);
}

TEST_CASE_FIXTURE(fixture, "who brings something else under a hash spoils it for nobody for long") {
  const std::string a(600, 'a'), b(600, 'b');
  CHECK(take(a, 0, 300) == "");
  CHECK(take_as(content_hash(a), b, 300, 200) == "");
  CHECK(take(a, 300, 300) == "another file with this hash came: begin again");
  CHECK(take(a, 300, 300) == missing);
  CHECK(take_as(content_hash(a), b, 0, 300) == "");
  CHECK(take(a, 0, 300) == "");
  CHECK(take(a, 300, 300) == a);
  // A part that is ahead costs only who sent it.
  CHECK(take(b, 0, 100) == "");
  CHECK(take(b, 300, 300) == missing);
  CHECK(take(b, 100, 500) == b);
}

TEST_CASE_FIXTURE(fixture, "what is not brought to its end takes room for a while only") {
  const std::string a(900, 'a'), b(900, 'b'), c(300, 'c');
  CHECK(take(a, 0, 100) == "");
  CHECK(take(b, 0, 100) == "");
  // As large as they are going to be, two fill the room.
  CHECK(files.take(content_hash(c), 0, 300, c, now).err().code == errc::timeout);
  now += 20s;
  CHECK(take(b, 100, 800) == b);
  // One that is whole makes room for another.
  CHECK(take(c, 0, 300) == c);
  CHECK(files.bytes() == 400);
  now += 11s;
  CHECK(take(a, 100, 800) == a);
  now += 31s;
  files.forget_idle(now);
  CHECK(files.bytes() == 0);
  CHECK(take(a, 100, 800) == missing);
}
