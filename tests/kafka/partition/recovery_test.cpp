#include <doctest/doctest.h>

#include "runtime/kafka/partition/snapshot.hpp"
#include "tests/kafka/partition/shelf.hpp"

using namespace weir;
using namespace weir::kafka;
using weir::kafka::test::by;
using weir::kafka::test::shelf;
using kind = produce_outcome::kind;
using strings = std::vector<std::string>;

namespace {

// Committed and aborted transactions, an open one, a fenced producer.
void fill(shelf& s) {
  s.leader_epoch = 5;
  s.open();
  s.send({"a"}, by(1, 0));
  s.send({"b"}, by(1, 1));
  s.send({"gone"}, by(2, 0, 0, true));
  s.mark(2, 1, false, 3);
  s.send({"kept"}, by(3, 0, 0, true));
  s.mark(3, 0, true);
  s.commit();
  s.send({"open"}, by(4, 0, 0, true));
  s.send({"after"});
  s.commit();
}

void check(shelf& s) {
  CHECK(s.p->high_watermark() == 8);
  CHECK(s.p->last_stable_offset() == 6);
  CHECK(s.read(isolation::read_committed) == strings{"0:a", "1:b", "4:kept"});
  CHECK(s.p->offset_for_leader_epoch(-1, 5).second == epoch_end{5, 8});
  CHECK(s.send({"b"}, by(1, 1)).what == kind::duplicate);
  CHECK(s.send({"a"}, by(1, 0)).base_offset == 0);
  CHECK(s.send({"x"}, by(1, 7)).error == error_code::out_of_order_sequence_number);
  CHECK(s.send({"x"}, by(2, 1, 0, true)).error == error_code::invalid_producer_epoch);
  CHECK(s.mark(2, 1, false, 2).error == error_code::transaction_coordinator_fenced);
  const auto producers = s.p->describe_producers();
  REQUIRE(producers.size() == 4);
  CHECK(producers[3].transaction_first_offset == 6);
  s.mark(4, 0, false);
  s.commit();
  CHECK(s.read(isolation::read_committed) == strings{"0:a", "1:b", "4:kept", "7:after"});
}

void run_chores(shelf& s) {
  for (auto& chore : s.p->take_chores()) REQUIRE(chore().ok());
}

// A roll between: the second call of take_chores makes a snapshot.
void make_snapshot(shelf& s) {
  run_chores(s);
  s.now_ms += 1000;
  s.send({"roll"});
  s.commit();
  run_chores(s);
}

}  // namespace

TEST_CASE("after a crash the producers are rebuilt from the log") {
  shelf s;
  fill(s);
  s.send({"lost"}, by(1, 2));
  s.crash();
  CHECK_FALSE(s.p->recovery().clean);
  CHECK(s.p->recovery().snapshot_offset == -1);
  CHECK(s.p->recovery().batches_scanned == 8);
  CHECK(s.p->recovery().problems.empty());
  check(s);
}

TEST_CASE("after a clean stop nothing is read") {
  shelf s;
  fill(s);
  s.restart();
  CHECK(s.p->recovery().clean);
  CHECK(s.p->recovery().batches_scanned == 0);
  check(s);
}

TEST_CASE("a damaged record of the clean stop is made up by the log") {
  shelf s;
  fill(s);
  s.clean_summary = s.p->log().summary();
  s.clean_state = s.p->clean_state();
  s.clean_state.back() = static_cast<char>(s.clean_state.back() ^ 1);
  REQUIRE(s.committer->close().ok());
  s.crash();
  CHECK_FALSE(s.p->recovery().clean);
  CHECK(s.p->recovery().problems.size() == 1);
  CHECK(s.p->recovery().batches_scanned == 8);
  check(s);
}

TEST_CASE("a snapshot shortens the way back; a wrong one is put aside") {
  shelf s;
  s.log_options.segment_ms = 500;
  s.open();
  for (int i = 0; i < 10; ++i) s.send({"x"}, by(1, i));
  s.send({"gone"}, by(2, 0, 0, true));
  s.mark(2, 0, false);
  s.commit();
  make_snapshot(s);
  s.send({"y"}, by(1, 10));
  s.commit();
  auto found = list_snapshots(*s.files, s.dir / "orders-3");
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  CHECK((*found)[0].offset == 13);

  SUBCASE("used") {
    s.crash();
    CHECK(s.p->recovery().snapshot_offset == 13);
    CHECK(s.p->recovery().batches_scanned == 1);
  }
  SUBCASE("damaged") {
    auto bytes = read_whole_file(*s.files, (*found)[0].path);
    REQUIRE(bytes.ok());
    bytes->at(30) = static_cast<char>(bytes->at(30) ^ 4);
    REQUIRE(atomic_write_file(*s.files, (*found)[0].path, *bytes).ok());
    s.crash();
    CHECK(s.p->recovery().snapshot_offset == -1);
    CHECK(s.p->recovery().batches_scanned == 14);
    REQUIRE(s.p->recovery().problems.size() == 1);
    CHECK(s.p->recovery().problems[0].find("checksum") != std::string::npos);
    CHECK(list_snapshots(*s.files, s.dir / "orders-3")->empty());
  }
  SUBCASE("ahead of a log that lost its end") {
    REQUIRE(s.p->truncate_to(5, s.now_ms).ok());
    CHECK(list_snapshots(*s.files, s.dir / "orders-3")->empty());
    CHECK(s.p->high_watermark() == 5);
    CHECK(s.send({"x"}, by(1, 4)).what == kind::duplicate);
    CHECK(s.send({"x"}, by(1, 5)).base_offset == 5);
    return;
  }
  CHECK(s.send({"y"}, by(1, 10)).base_offset == 13);
  CHECK(s.send({"y"}, by(1, 10)).what == kind::duplicate);
  CHECK(s.send({"x"}, by(1, 6)).what == kind::duplicate);
  CHECK(s.send({"x"}, by(1, 5)).error == error_code::out_of_order_sequence_number);
  fetch_query query;
  query.level = isolation::read_committed;
  CHECK(s.fetch(query).aborted == std::vector<aborted_transaction>{{2, 10, 11, 12}});
}

TEST_CASE("a snapshot holds what is committed, not what is under way") {
  shelf s;
  s.log_options.segment_ms = 500;
  s.open();
  s.send({"x"}, by(1, 0));
  s.commit();
  run_chores(s);
  s.now_ms += 1000;
  s.send({"x"}, by(1, 1));
  s.commit();
  s.send({"lost"}, by(1, 2));
  s.send({"lost"}, by(8, 0, 0, true));
  run_chores(s);
  s.crash();
  CHECK(s.p->recovery().snapshot_offset == 2);
  CHECK(s.send({"new"}, by(1, 2)).what == kind::staged);
  CHECK(s.p->describe_producers().size() == 1);
}

TEST_CASE("only the newest snapshots are kept") {
  shelf s;
  s.log_options.segment_ms = 500;
  s.open();
  s.send({"x"}, by(1, 0));
  s.commit();
  for (int i = 0; i < 4; ++i) make_snapshot(s);
  CHECK(list_snapshots(*s.files, s.dir / "orders-3")->size() == snapshots_kept);
}

TEST_CASE("compaction leaves what read_committed readers and producers need") {
  shelf s;
  s.log_options.cleanup_compact = true;
  s.log_options.cleanup_delete = false;
  s.log_options.segment_ms = 500;
  s.open();
  s.send({"a=1"}, by(1, 0));
  s.send({"b=1"}, by(1, 1));
  s.send({"a=aborted"}, by(2, 0, 0, true));
  s.mark(2, 0, false);
  s.send({"c=committed"}, by(3, 0, 0, true));
  s.mark(3, 0, true);
  s.send({"a=2"}, by(1, 2));
  s.commit();
  s.now_ms += 1000;
  s.send({"d=1"}, by(5, 0));
  s.commit();

  auto options = s.p->make_compaction_options();
  options.force = true;
  auto job = s.p->log().begin_compaction(options, s.now_ms);
  REQUIRE(job != nullptr);
  for (;;) {
    auto done = job->step(1 << 20);
    REQUIRE(done.ok());
    if (*done) break;
  }
  REQUIRE(s.p->log().finish_compaction(*job).ok());
  job.reset();
  run_chores(s);
  const strings left{"1:1", "4:committed", "6:2", "7:1"};
  CHECK(s.read() == left);  // the aborted record is gone, not only hidden
  CHECK(s.read(isolation::read_committed) == left);

  const auto snapshots = list_snapshots(*s.files, s.dir / "orders-3");
  REQUIRE(snapshots.ok());
  for (const snapshot_file& f : *snapshots) REQUIRE(s.files->remove(f.path).ok());
  s.crash();
  CHECK(s.p->recovery().problems.empty());
  CHECK(s.read(isolation::read_committed) == left);
  CHECK(s.p->last_stable_offset() == 8);
  CHECK(s.send({"a=1"}, by(1, 0)).base_offset == 0);
  CHECK(s.send({"a=1"}, by(1, 0)).what == kind::duplicate);
  CHECK(s.send({"x=1"}, by(1, 9)).error == error_code::out_of_order_sequence_number);
  CHECK(s.send({"x=1"}, by(2, 1, 0, true)).what == kind::staged);
}
