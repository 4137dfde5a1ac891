#include "runtime/io/positional_file.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/io/file.hpp"
#include "tests/io/scratch.hpp"

using namespace weir;
using test::scratch_folder;

namespace {

std::span<const std::byte> bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s));
}
std::string read_all(const positional_file& f) {
  std::string out(*f.size(), '\0');
  auto n = f.read(0, std::as_writable_bytes(std::span(out)));
  REQUIRE(n.ok());
  out.resize(*n);
  return out;
}

}  // namespace

TEST_CASE("a positional file is written in pieces, reserved, cut and read") {
  scratch_folder dir;
  auto fs = make_posix_file_system();
  CHECK(fs->open_positional(dir / "a", false).err().code == errc::not_found);
  auto f = *fs->open_positional(dir / "a", true);
  // More pieces than one call of the system takes, some of them empty.
  std::vector<std::span<const std::byte>> pieces;
  std::string expected = "..";
  const std::string words[] = {"one ", "", "two ", "three "};
  for (int i = 0; i < 150; ++i) {
    pieces.push_back(bytes_of(words[i % 4]));
    expected += words[i % 4];
  }
  REQUIRE(f->write(0, bytes_of("..")).ok());
  REQUIRE(f->write(2, pieces).ok());
  CHECK(read_all(*f) == expected);
  REQUIRE(f->write(4, bytes_of("X")).ok());
  expected[4] = 'X';
  CHECK(read_all(*f) == expected);
  REQUIRE(f->allocate(4096).ok());
  CHECK(*f->size() == 4096);
  CHECK(read_all(*f) == expected + std::string(4096 - expected.size(), '\0'));
  REQUIRE(f->truncate(3).ok());
  CHECK(read_all(*f) == "..o");
  REQUIRE(f->sync().ok());
  REQUIRE(fs->sync_file_system(dir.path()).ok());
  CHECK(f->descriptor() >= 0);
  auto same = *fs->open_positional(dir / "a", true);
  CHECK(same->identity() == f->identity());
  CHECK(read_all(*same) == "..o");
}

TEST_CASE("faults of positional files: parts of writes, syncs that stay failed") {
  scratch_folder dir;
  auto real = make_posix_file_system();
  file_op broken = file_op::write;
  file_fault how = file_fault::none;
  auto fs = make_faulty_file_system(*real, [&](file_op op, const std::string&, uint64_t) {
    return op == broken ? how : file_fault::none;
  });
  auto f = *fs->open_positional(dir / "a", true);
  how = file_fault::enospc;
  auto s = f->write(0, bytes_of("abcdef"));
  REQUIRE(!s.ok());
  CHECK(s.err().code == errc::no_space);
  CHECK(read_all(*f) == "abc");
  how = file_fault::short_write;
  const std::array<std::span<const std::byte>, 2> two{bytes_of("xy"), bytes_of("z")};
  CHECK(f->write(0, two).err().code == errc::io);
  CHECK(read_all(*f) == "xyc");
  how = file_fault::eio;
  CHECK(!f->write(0, bytes_of("q")).ok());
  CHECK(read_all(*f) == "xyc");
  broken = file_op::allocate;
  CHECK(!f->allocate(100).ok());
  broken = file_op::sync;
  CHECK(!fs->sync_file_system(dir.path()).ok());
  CHECK(!f->sync().ok());
  how = file_fault::none;
  CHECK(!f->sync().ok());
  CHECK((*fs->open_positional(dir / "a", false))->sync().ok());
}
