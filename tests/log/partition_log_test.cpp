#include "runtime/log/partition_log.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/log/log_fixture.hpp"

using namespace weir;
using namespace weir::test;

namespace {

log_config small_segments() {
  log_config c;
  c.segment_bytes = 1024;
  c.index_interval_bytes = 128;
  return c;
}
using strings = std::vector<std::string>;

}  // namespace

TEST_CASE("what is committed is read, what is staged is not") {
  log_fixture f;
  CHECK(f.log().log_end_offset() == 0);
  CHECK(*f.append(strings{"a=1", "b=2"}) == 0);
  auto staged = f.stage({"c=3"});
  CHECK(staged.base_offset == 2);
  CHECK(f.log().staged_end_offset() == 3);
  CHECK(f.log().log_end_offset() == 2);
  CHECK(*f.records() == strings{"0:a=1", "1:b=2"});
  REQUIRE(f.commit({staged.write}).ok());
  CHECK(f.log().log_end_offset() == 3);
  CHECK(*f.records() == strings{"0:a=1", "1:b=2", "2:c=3"});
  CHECK(*f.records(1) == strings{"1:b=2", "2:c=3"});
  auto r = f.log().try_read({0, 1 << 20});
  REQUIRE(r);
  CHECK(record_batch_view(f.bytes_of_slices(*r)).leader_epoch() == 3);
  CHECK(f.log().read({3, 1000})->bytes == 0);
  CHECK(f.log().read({4, 1000}).err().code == errc::not_found);
  CHECK(f.log().size_bytes() == r->bytes);
}

TEST_CASE("several batches of one request get consecutive offsets") {
  log_fixture f;
  auto bytes = batch_of(strings{"a=1", "b=2"});
  auto second = batch_of({"c=3"});
  bytes.insert(bytes.end(), second.begin(), second.end());
  CHECK(*f.append_bytes(bytes) == 0);
  CHECK(*f.records() == strings{"0:a=1", "1:b=2", "2:c=3"});
  CHECK(f.log().stage({}, nullptr, 0, 0).err().code == errc::invalid_argument);
  std::vector<std::byte> junk(70);
  CHECK(!f.log().stage(junk, nullptr, 0, 0).ok());
}

TEST_CASE("segments roll by size and by time, and reads go over them") {
  log_fixture f(small_segments());
  strings expected;
  for (int i = 0; i < 60; ++i) {
    std::string value = "k" + std::to_string(i) + "=" + std::string(20, 'v');
    CHECK(*f.append({value}, 1000 + i) == i);
    expected.push_back(std::to_string(i) + ":" + value);
  }
  CHECK(f.log().segment_count() == 6);
  CHECK(*f.records() == expected);
  CHECK(*f.records(0, 1) == expected);  // one batch at a time
  CHECK(*f.records(0, 1 << 20) == expected);
  CHECK(f.log().read({0, 1 << 20})->slices.size() == 6);
  CHECK(f.log().read({5, 1, INT64_MAX, false})->bytes == 0);
  // Not beyond the limit.
  CHECK(f.log().read({0, 1 << 20, 17})->next_offset == 17);
  REQUIRE(f.run_chores().ok());
  CHECK(std::filesystem::exists(f.folder() + "/00000000000000000000.index"));
  CHECK(std::filesystem::file_size(f.segment(0)) <= 1024);
  CHECK(*f.records() == expected);

  log_config by_time;
  by_time.segment_ms = 100;
  f.log().set_config(by_time);
  CHECK(*f.append({"late"}, 1'000'000) == 60);
  CHECK(f.log().segment_count() == 7);
}

TEST_CASE("after a crash everything that was committed is there") {
  log_fixture f(small_segments());
  strings expected;
  auto add = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      REQUIRE(f.append({"value" + std::to_string(i)}, 1000 + i).ok());
      expected.push_back(std::to_string(i) + ":value" + std::to_string(i));
    }
  };
  add(0, 40);
  REQUIRE(f.restart().ok());
  CHECK(*f.records() == expected);
  CHECK(f.log().recovery().lost.empty());
  CHECK(f.log().recovery().cut_bytes == 0);
  CHECK(f.log().log_end_offset() == 40);
  add(40, 80);
  REQUIRE(f.run_chores().ok());
  REQUIRE(f.restart().ok());
  CHECK(*f.records() == expected);
  add(80, 90);
  REQUIRE(f.restart(0).ok());
  CHECK(*f.records() == expected);
}

TEST_CASE("after a clean stop no file is looked at") {
  log_fixture f(small_segments());
  for (int i = 0; i < 40; ++i) REQUIRE(f.append({"value" + std::to_string(i)}, 1000 + i).ok());
  auto expected = *f.records();
  REQUIRE(f.run_chores().ok());
  REQUIRE(f.committer().close().ok());
  const clean_partition mine{f.log().id(), f.log().summary(), "extra"};
  const std::string path = f.dir() + "/clean-stop";
  REQUIRE(write_clean_stop(f.files(), path, std::span(&mine, 1)).ok());
  auto found = take_clean_stop(f.files(), path);
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  CHECK(found->front().id == mine.id);
  CHECK(found->front().extra == "extra");
  CHECK(take_clean_stop(f.files(), path)->empty());

  uint64_t before = 0;
  f.fault = [&](file_op, const std::string& p) {
    if (p.find("topic-0") != std::string::npos) ++before;
    return file_fault::none;
  };
  REQUIRE(f.restart(UINT64_MAX, found->front().summary).ok());
  CHECK(before == 0);
  CHECK(f.log().recovery().clean);
  CHECK(*f.records() == expected);
  CHECK(*f.append({"more"}) == 40);
  CHECK(*f.records(40) == strings{"40:more"});
  // A damaged summary is none.
  auto text = found->front().summary;
  text[text.size() / 2] ^= 1;
  REQUIRE(f.restart(UINT64_MAX, text).ok());
  CHECK(!f.log().recovery().clean);
  CHECK(f.log().log_end_offset() == 41);
}

TEST_CASE("timestamps are found, also in closed segments and compressed batches") {
  log_fixture f(small_segments());
  for (int i = 0; i < 50; ++i) {
    record_batch_options o;
    o.compression = i % 2 ? compression_type::zstd : compression_type::none;
    record_batch_builder b(o);
    b.add(1000 + 10 * i, std::nullopt, bytes_of("first"));
    b.add(1005 + 10 * i, std::nullopt, bytes_of("second"));
    REQUIRE(f.append_bytes(*b.build(), 1000).ok());
  }
  CHECK(f.log().segment_count() > 3);
  auto at = [&](int64_t t) { return *f.log().timestamp_job(t)(); };
  CHECK(at(0) == timestamp_offset{1000, 0});
  CHECK(at(1000) == timestamp_offset{1000, 0});
  CHECK(at(1001) == timestamp_offset{1005, 1});
  CHECK(at(1233) == timestamp_offset{1235, 47});
  CHECK(at(1495) == timestamp_offset{1495, 99});
  CHECK(at(1496) == timestamp_offset{});
  CHECK(*f.log().timestamp_job(1233, 47)() == timestamp_offset{});
  CHECK(*f.log().max_timestamp_job()() == timestamp_offset{1495, 99});
  CHECK(f.log().max_timestamp() == 1495);
  REQUIRE(f.run_chores().ok());
  REQUIRE(f.restart(0).ok());
  CHECK(at(1233) == timestamp_offset{1235, 47});
  CHECK(*f.log().max_timestamp_job()() == timestamp_offset{1495, 99});
}

TEST_CASE("batches are visited by their headers") {
  log_fixture f(small_segments());
  for (int i = 0; i < 30; ++i) REQUIRE(f.append(strings{"a", "b"}).ok());
  std::vector<int64_t> seen;
  REQUIRE(f.log()
              .visit_batches(31,
                             [&](record_batch_view b) -> status {
                               seen.push_back(b.base_offset());
                               return {};
                             })
              .ok());
  REQUIRE(seen.size() == 15);
  CHECK(seen.front() == 30);
  CHECK(seen.back() == 58);
}

TEST_CASE("retention drops whole segments by size and by age") {
  log_fixture f(small_segments());
  for (int i = 0; i < 60; ++i) REQUIRE(f.append({std::string(20, 'v')}, 1000 + i).ok());
  const uint64_t size = f.log().size_bytes();
  auto c = small_segments();
  c.retention_bytes = static_cast<int64_t>(size) - 1500;
  c.retention_ms = -1;
  f.log().set_config(c);
  auto held = f.log().read({0, 1000});
  REQUIRE(held.ok());
  CHECK(f.log().apply_retention(2000) == 1);
  CHECK(f.log().log_start_offset() > 0);
  REQUIRE(f.run_chores().ok());
  CHECK(!std::filesystem::exists(f.segment(0)));
  // Whoever holds the file goes on reading.
  CHECK(records_of(f.bytes_of_slices(*held))->front() == "0:" + std::string(20, 'v'));
  CHECK(f.log().read({0, 1000}).err().code == errc::not_found);
  const int64_t start = f.log().log_start_offset();
  REQUIRE(f.restart().ok());
  CHECK(f.log().log_start_offset() == start);

  c.retention_bytes = -1;
  c.retention_ms = 30;
  f.log().set_config(c);
  f.log().apply_retention(1065);
  CHECK(f.log().log_start_offset() > start);
  CHECK(f.log().log_start_offset() <= 35);
  // All of it: the log goes on where it was, also after a crash.
  f.log().apply_retention(5000);
  CHECK(f.log().log_start_offset() == 60);
  CHECK(f.log().log_end_offset() == 60);
  REQUIRE(f.run_chores().ok());
  REQUIRE(f.restart().ok());
  CHECK(f.log().log_start_offset() == 60);
  CHECK(f.log().log_end_offset() == 60);
  CHECK(f.log().recovery().lost.empty());
  CHECK(*f.append({"new"}) == 60);
  CHECK(*f.records() == strings{"60:new"});
}

TEST_CASE("records are deleted up to an offset") {
  log_fixture f(small_segments());
  for (int i = 0; i < 60; ++i) REQUIRE(f.append({std::to_string(i)}).ok());
  CHECK(f.log().delete_records(61).err().code == errc::invalid_argument);
  REQUIRE(f.log().delete_records(25).ok());
  CHECK(f.log().log_start_offset() == 25);
  REQUIRE(f.run_chores().ok());
  CHECK(f.records()->front() == "25:25");
  REQUIRE(f.restart().ok());
  CHECK(f.log().log_start_offset() == 25);
  CHECK(f.records()->front() == "25:25");
  REQUIRE(f.log().delete_records(60).ok());
  CHECK(f.records()->empty());
  CHECK(*f.append({"on"}) == 60);
}

TEST_CASE("a log is truncated and goes on from there") {
  log_fixture f(small_segments());
  for (int i = 0; i < 60; ++i) REQUIRE(f.append(strings{std::to_string(i), "x"}).ok());
  REQUIRE(f.committer().forget(f.log().id()).ok());
  REQUIRE(f.log().truncate_to(41).ok());
  CHECK(f.log().log_end_offset() == 40);
  CHECK(*f.append({"new"}) == 40);
  CHECK(*f.records(39) == strings{"39:x", "40:new"});
  REQUIRE(f.restart().ok());
  CHECK(f.log().recovery().lost.empty());
  CHECK(*f.records(39) == strings{"39:x", "40:new"});
}

TEST_CASE("a removed log leaves nothing behind") {
  log_fixture f(small_segments());
  for (int i = 0; i < 60; ++i) REQUIRE(f.append({std::to_string(i)}).ok());
  REQUIRE(f.committer().forget(f.log().id()).ok());
  REQUIRE(f.log().remove_all().ok());
  CHECK(std::filesystem::is_empty(f.folder()));
  REQUIRE(f.restart().ok());
  CHECK(f.log().log_end_offset() == 0);
  CHECK(f.log().recovery().lost.empty());
}

TEST_CASE("an index that is missing or damaged is built anew") {
  log_fixture f(small_segments());
  for (int i = 0; i < 60; ++i) REQUIRE(f.append({std::to_string(i)}, 1000 + i).ok());
  auto expected = *f.records();
  REQUIRE(f.run_chores().ok());
  const std::string index = f.folder() + "/00000000000000000000.index";
  const auto size = std::filesystem::file_size(index);
  for (size_t at = 0; at < size; ++at) {
    CAPTURE(at);
    std::string bytes = *read_whole_file(f.files(), index);
    const std::string good = bytes;
    bytes[at] ^= 4;
    std::ofstream(index, std::ios::binary) << bytes;
    REQUIRE(f.restart(0).ok());
    CHECK(*f.records() == expected);
    CHECK(*read_whole_file(f.files(), index) == good);
  }
  std::filesystem::remove(index);
  REQUIRE(f.restart(0).ok());
  CHECK(*f.log().timestamp_job(1005)() == timestamp_offset{1005, 5});
}

TEST_CASE("open files are bounded") {
  scratch_folder dir;
  auto fs = make_posix_file_system();
  file_cache cache(*fs, 4);
  std::vector<segment_file_ptr> files;
  for (int i = 0; i < 20; ++i) {
    files.push_back(std::make_shared<segment_file>(cache, dir / std::to_string(i)));
    REQUIRE(files.back()->open(true).ok());
  }
  CHECK(cache.open_files() == 4);
  CHECK(files[0]->open().ok());
  CHECK(cache.open_files() == 4);
  files.clear();
  CHECK(cache.open_files() == 0);
}
