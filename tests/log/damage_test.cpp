// Bits that flip in segments after they were acknowledged, torn tails, files that are gone.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/log/log_fixture.hpp"

using namespace weir;
using namespace weir::test;

namespace {

using strings = std::vector<std::string>;

log_config small_segments() {
  log_config c;
  c.segment_bytes = 1024;
  c.index_interval_bytes = 128;
  return c;
}

void flip(const std::string& path, uint64_t position, char bits = 1) {
  std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(static_cast<std::streamoff>(position));
  char c = static_cast<char>(f.get());
  f.seekp(static_cast<std::streamoff>(position));
  f.put(static_cast<char>(c ^ bits));
  REQUIRE(f.good());
}

strings without(strings all, int64_t first, int64_t last) {
  std::erase_if(
      all, [&](const std::string& r) { return std::stoll(r) >= first && std::stoll(r) <= last; });
  return all;
}

}  // namespace

TEST_CASE("a flipped bit costs one batch, which is kept aside and reported") {
  // Every byte of the third batch of a segment, wherever the segment is.
  for (const int64_t base : {int64_t{0}, int64_t{-1}}) {
    for (size_t at = 0; at < 80; at += 3) {
      CAPTURE(base);
      CAPTURE(at);
      log_fixture f(small_segments());
      for (int i = 0; i < 30; ++i)
        REQUIRE(f.append(strings{"a" + std::to_string(i), "b"}, 1000).ok());
      REQUIRE(f.run_chores().ok());
      REQUIRE(f.committer().close().ok());  // the journal would heal it
      const auto all = *f.records();
      const int64_t segment = base < 0 ? f.log().committed_point().segment_base : base;
      auto third = f.log().read({segment + 4, 1, INT64_MAX, true});
      REQUIRE(third.ok());
      const auto slice = third->slices.front();
      const std::string before = text_of(byte_view(f.bytes_of_slices(*third)));
      flip(f.segment(segment), slice.position + at % slice.bytes);
      REQUIRE(f.restart().ok());
      // Outside of the checksum: the leader epoch, which is not worth a batch.
      if (at >= 12 && at < 16) {
        CHECK(f.log().recovery().lost.empty());
        continue;
      }
      REQUIRE(f.log().recovery().lost.size() == 1);
      const auto lost = f.log().recovery().lost.front();
      CHECK(lost.first_offset == segment + 4);
      CHECK(lost.last_offset == segment + 5);
      const auto aside = *read_whole_file(f.files(), lost.quarantine_path);
      CHECK(aside.size() == before.size());
      CHECK(aside != before);
      CHECK(*f.records() == without(all, segment + 4, segment + 5));
      CHECK(*f.records(segment + 4) == without(*f.records(segment + 4), 0, segment + 5));
      CHECK(f.log().log_end_offset() == 60);
      // It is reported once, and the log goes on.
      CHECK(*f.append({"more"}) == 60);
      REQUIRE(f.restart().ok());
      CHECK(f.log().recovery().lost.empty());
      CHECK(f.records()->size() == all.size() - 2 + 1);
      REQUIRE(f.restart(0).ok());
      CHECK(f.records()->size() == all.size() - 2 + 1);
    }
  }
}

TEST_CASE("damage over several batches is one hole") {
  log_fixture f;
  for (int i = 0; i < 20; ++i) REQUIRE(f.append({"value" + std::to_string(i)}).ok());
  const auto all = *f.records();
  REQUIRE(f.committer().close().ok());
  const auto first = f.log().read({5, 1})->slices.front();
  for (uint64_t p = first.position; p < first.position + 3 * first.bytes; p += 7)
    flip(f.segment(0), p, 0x55);
  REQUIRE(f.restart().ok());
  REQUIRE(f.log().recovery().lost.size() == 1);
  CHECK(f.log().recovery().lost.front().first_offset == 5);
  CHECK(f.log().recovery().lost.front().last_offset == 7);
  CHECK(*f.records() == without(all, 5, 7));
  // One answer leaves the hole out.
  auto r = f.log().read({0, 1 << 20});
  CHECK(r->slices.size() == 2);
  CHECK(*records_of(f.bytes_of_slices(*r)) == without(all, 5, 7));
}

TEST_CASE("damage at the end of what was acknowledged keeps its offsets taken") {
  log_fixture f;
  for (int i = 0; i < 10; ++i) REQUIRE(f.append({"value" + std::to_string(i)}).ok());
  REQUIRE(f.committer().close().ok());
  const auto last = f.log().read({9, 1})->slices.front();
  flip(f.segment(0), last.position + last.bytes - 1);
  REQUIRE(f.restart().ok());
  REQUIRE(f.log().recovery().lost.size() == 1);
  CHECK(f.log().recovery().lost.front().first_offset == 9);
  CHECK(f.log().recovery().lost.front().last_offset == 9);
  CHECK(f.log().log_end_offset() == 10);
  // Who reads there is sent a batch without records, or he would wait for offset 9 for ever.
  const auto end = f.log().read({9, 1 << 20});
  REQUIRE(end->bytes == record_batch_header_bytes);
  const auto bytes = f.bytes_of_slices(*end);
  const record_batch_view none{byte_view(bytes)};
  CHECK(none.base_offset() == 9);
  CHECK(none.next_offset() == 10);
  CHECK(none.record_count() == 0);
  CHECK(*f.append({"new"}) == 10);
  CHECK(f.records(8)->back() == "10:new");
  REQUIRE(f.restart().ok());
  CHECK(f.log().recovery().lost.empty());
  CHECK(f.records()->size() == 10);
}

TEST_CASE("a torn tail behind the commit point is cut off") {
  log_fixture f;
  for (int i = 0; i < 10; ++i) REQUIRE(f.append({"value" + std::to_string(i)}).ok());
  const auto all = *f.records();
  const auto end = f.log().committed_point().position;
  // Half of a batch, as a crash within a write leaves it.
  record_batch_options o;
  o.base_offset = 10;
  auto batch = batch_of({"torn"}, 1000, o);
  {
    auto file = f.files().open_positional(f.segment(0), false);
    REQUIRE((*file)->write(end, byte_view(batch).first(batch.size() - 3)).ok());
  }
  REQUIRE(f.restart().ok());
  CHECK(f.log().recovery().lost.empty());
  CHECK(f.log().recovery().cut_bytes > 0);
  CHECK(*f.records() == all);
  CHECK(std::filesystem::file_size(f.segment(0)) == end);
  // A whole one stays: it was written, only its answer is missing.
  {
    auto file = f.files().open_positional(f.segment(0), false);
    REQUIRE((*file)->write(end, byte_view(batch)).ok());
  }
  REQUIRE(f.restart().ok());
  CHECK(f.log().log_end_offset() == 11);
  CHECK(f.records()->back() == "10:torn");
}

TEST_CASE("segments that are gone are reported") {
  log_fixture f(small_segments());
  for (int i = 0; i < 60; ++i) REQUIRE(f.append({std::string(20, 'v')}).ok());
  REQUIRE(f.run_chores().ok());
  const int64_t last = f.log().committed_point().segment_base;
  std::filesystem::remove(f.segment(last));
  REQUIRE(f.restart().ok());
  REQUIRE(f.log().recovery().lost.size() == 1);
  CHECK(f.log().recovery().lost.front().first_offset == last);
  CHECK(f.log().recovery().lost.front().last_offset == 59);
  CHECK(f.log().log_end_offset() == 60);
  CHECK(static_cast<int64_t>(f.records()->size()) == last);
  CHECK(*f.append({"new"}) == 60);

  std::filesystem::remove_all(f.folder());
  REQUIRE(f.restart().ok());
  CHECK(f.log().recovery().lost.size() == 1);
  CHECK(f.log().log_start_offset() == 61);
  CHECK(*f.append({"new"}) == 61);
}
