// What recovery takes for acknowledged: logs before their first commit and logs that were cut; and
// logs that end at damage because others have the rest.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/log/log_fixture.hpp"

using namespace weir;
using namespace weir::test;

namespace {

using strings = std::vector<std::string>;
constexpr log_id id{{1, 2, 3}, 0};

log_config small_segments() {
  log_config c;
  c.segment_bytes = 1024;
  c.index_interval_bytes = 128;
  return c;
}

void flip(const std::string& path, uint64_t position) {
  std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(static_cast<std::streamoff>(position));
  const char c = static_cast<char>(f.get());
  f.seekp(static_cast<std::streamoff>(position));
  f.put(static_cast<char>(c ^ 1));
  REQUIRE(f.good());
}

std::string value(int i, size_t bytes) {
  return std::to_string(i) + std::string(bytes, '.');
}

/// As a follower does it.
void cut(log_fixture& f, int64_t offset) {
  auto left = f.log().point_at(offset);
  REQUIRE(left.ok());
  REQUIRE(f.committer().forget(id, *left).ok());
  REQUIRE(f.log().truncate_to(offset).ok());
  CHECK(f.log().committed_point() == *left);
}

bool is_segment(const std::string& path) {
  return path.ends_with(".log");
}

}  // namespace

TEST_CASE("a log's first round, torn by a crash, is nothing that was acknowledged") {
  log_fixture f(small_segments());
  std::vector<log_write> writes;
  for (int i = 10; i < 30; ++i) writes.push_back(f.stage({value(i, 80)}).write);
  REQUIRE(writes.back().segment_base > 0);
  const auto writes_bytes = writes.front().bytes.size();
  const auto second = writes.back().segment_base;
  // It is written, and then nothing more happens.
  f.fault = [](file_op op, const std::string& path) {
    const bool durable = op == file_op::sync && path.find("commit-points") == std::string::npos;
    return durable ? file_fault::eio : file_fault::none;
  };
  CHECK_FALSE(f.commit(std::move(writes)).ok());
  f.fault = nullptr;
  REQUIRE(std::filesystem::exists(f.segment(second)));
  flip(f.segment(0), 2 * writes_bytes + 70);  // in its third batch
  REQUIRE(f.restart().ok());
  CHECK(f.log().recovery().lost.empty());
  CHECK(f.log().recovery().cut_bytes > 0);
  CHECK(f.log().log_end_offset() == 2);
  CHECK(f.log().segment_count() == 1);
  CHECK_FALSE(std::filesystem::exists(f.segment(second)));
  CHECK(*f.append({"goes on"}) == 2);
}

TEST_CASE("nothing is written to a log before its commit point is durable") {
  log_fixture f;
  bool wrote = false;
  f.fault = [&wrote](file_op op, const std::string& path) {
    wrote = wrote || (op == file_op::write && is_segment(path));
    const bool point = op == file_op::sync && path.find("commit-points") != std::string::npos;
    return point ? file_fault::eio : file_fault::none;
  };
  CHECK_FALSE(f.append({"refused"}).ok());
  CHECK_FALSE(wrote);
  CHECK_FALSE(f.committer().point(id));
  f.fault = nullptr;
  // A descriptor that failed once is not trusted again: the points are written to a new one.
  CHECK(*f.append({"taken"}) == 0);
  CHECK(f.committer().point(id)->end_offset == 1);
  REQUIRE(f.restart().ok());
  CHECK(*f.records() == strings{"0:taken"});
}

TEST_CASE("a log that was cut has a commit point where it ends") {
  log_fixture f(small_segments());
  for (int i = 0; i < 30; ++i) REQUIRE(f.append({value(i, 80)}).ok());
  REQUIRE(f.run_chores().ok());
  const auto all = *f.records();
  const auto last = f.log().committed_point().segment_base;
  for (const int64_t offset : {last + 1, last, int64_t{5}, int64_t{0}}) {
    CAPTURE(offset);
    cut(f, offset);
    CHECK(f.log().log_end_offset() == offset);
    CHECK(f.committer().point(id)->end_offset == offset);
    REQUIRE(f.restart().ok());
    CHECK(f.log().recovery().lost.empty());
    CHECK(f.log().log_end_offset() == offset);
    CHECK(*f.records() == strings(all.begin(), all.begin() + offset));
    // What is written next and torn is no loss.
    std::vector<log_write> writes;
    for (int i = 0; i < 20; ++i) writes.push_back(f.stage({value(i, 80)}).write);
    f.fault = [](file_op op, const std::string&) {
      return op == file_op::sync ? file_fault::eio : file_fault::none;
    };
    CHECK_FALSE(f.commit(std::move(writes)).ok());
    f.fault = nullptr;
    REQUIRE(f.restart().ok());
    CHECK(f.log().recovery().lost.empty());
    cut(f, offset);
  }
}

TEST_CASE("what failed rounds have left does not come back when the log was cut") {
  log_fixture f(small_segments());
  for (int i = 0; i < 6; ++i) REQUIRE(f.append({value(i, 80)}).ok());
  REQUIRE(f.log().segment_count() == 1);
  // The next one begins a segment, and fails.
  auto refused = f.stage({value(6, 900)});
  REQUIRE(refused.write.segment_base == 6);
  f.fault = [](file_op op, const std::string&) {
    return op == file_op::sync ? file_fault::eio : file_fault::none;
  };
  CHECK_FALSE(f.commit({refused.write}).ok());
  f.fault = nullptr;
  REQUIRE(std::filesystem::exists(f.segment(6)));
  cut(f, 4);
  CHECK_FALSE(std::filesystem::exists(f.segment(6)));
  // Two records in one batch: a segment that begins with offset 6 would part them.
  CHECK(*f.append({value(4, 10)}) == 4);
  CHECK(*f.append({value(5, 10), value(6, 10)}) == 5);
  for (int i = 7; i < 20; ++i) REQUIRE(f.append({value(i, 80)}).ok());
  const auto all = *f.records();
  REQUIRE(all.size() == 20);
  REQUIRE(f.restart().ok());
  CHECK(f.log().recovery().lost.empty());
  CHECK(*f.records() == all);
}

TEST_CASE("a log that others have, too, ends in front of the first damage") {
  log_fixture f(small_segments());
  for (int i = 0; i < 30; ++i) REQUIRE(f.append({value(i, 80)}).ok());
  REQUIRE(f.run_chores().ok());
  REQUIRE(f.committer().close().ok());  // the journal would heal it
  const auto all = *f.records();
  const auto slice = f.log().read({3, 1})->slices.front();
  flip(f.segment(0), slice.position + slice.bytes - 1);
  f.end_at_damage = true;
  REQUIRE(f.restart().ok());
  REQUIRE(f.log().recovery().lost.size() == 1);
  const auto lost = f.log().recovery().lost.front();
  CHECK(lost.first_offset == 3);
  CHECK(lost.last_offset == 29);
  CHECK(std::filesystem::exists(lost.quarantine_path));
  CHECK(f.log().recovery().cut_bytes == 0);  // no torn end
  CHECK(f.log().log_end_offset() == 3);
  CHECK(f.log().segment_count() == 1);
  CHECK(*f.records() == strings(all.begin(), all.begin() + 3));
  // It is told again until the commit point is there, too.
  REQUIRE(f.restart().ok());
  REQUIRE(f.log().recovery().lost.size() == 1);
  CHECK(f.log().recovery().lost.front().first_offset == 3);
  cut(f, 3);
  REQUIRE(f.restart().ok());
  CHECK(f.log().recovery().lost.empty());
  CHECK(*f.append({"again"}) == 3);
}

TEST_CASE("a log that others have, too, and that has lost its folder is empty") {
  log_fixture f(small_segments());
  for (int i = 0; i < 30; ++i) REQUIRE(f.append({value(i, 80)}).ok());
  REQUIRE(f.committer().close().ok());
  std::filesystem::remove_all(f.folder());
  f.end_at_damage = true;
  REQUIRE(f.restart().ok());
  REQUIRE(f.log().recovery().lost.size() == 1);
  CHECK(f.log().recovery().lost.front().last_offset == 29);
  CHECK(f.log().log_start_offset() == 0);
  CHECK(f.log().log_end_offset() == 0);
}

TEST_CASE("a log that others have, too, and whose first segment is gone is empty") {
  log_fixture f(small_segments());
  for (int i = 0; i < 30; ++i) REQUIRE(f.append({value(i, 80)}).ok());
  REQUIRE(f.committer().close().ok());
  REQUIRE(std::filesystem::remove(f.segment(0)));
  f.end_at_damage = true;
  REQUIRE(f.restart().ok());
  REQUIRE(f.log().recovery().lost.size() == 1);
  CHECK(f.log().recovery().lost.front().first_offset == 0);
  CHECK(f.log().recovery().lost.front().last_offset == 29);
  CHECK(f.log().log_start_offset() == 0);
  CHECK(f.log().log_end_offset() == 0);
  CHECK(f.log().segment_count() == 0);
}

TEST_CASE("what was acknowledged without a sync is looked at as a whole") {
  log_config c = small_segments();
  c.segment_bytes = 1 << 20;
  c.sync = false;
  log_fixture f(c);
  for (int i = 0; i < 30; ++i) REQUIRE(f.append({value(i, 80)}).ok());
  const auto slice = f.log().read({3, 1})->slices.front();
  flip(f.segment(0), slice.position + slice.bytes - 1);
  REQUIRE(f.restart(0).ok());  // which would look at nothing
  REQUIRE(f.log().recovery().lost.size() == 1);
  CHECK(f.log().recovery().lost.front().first_offset == 3);
}
