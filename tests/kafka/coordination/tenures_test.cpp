#include "runtime/kafka/coordination/tenures.hpp"

#include <doctest/doctest.h>

#include <array>

#include "runtime/kafka/coordination/batches.hpp"
#include "runtime/kafka/transactions/producer_id_pool.hpp"

using namespace weir::kafka;

using list = std::vector<tenure>;

TEST_CASE("a tenure begins with the leadership, serves when it is loaded, ends with the epoch") {
  tenures t;
  CHECK(t.check(0) == error_code::not_coordinator);
  auto c = t.update({{true, 3}, {false, 1}});
  CHECK(c.ended.empty());
  CHECK(c.begun == list{{0, 3}});
  CHECK(t.check(0) == error_code::coordinator_load_in_progress);
  CHECK(t.check(1) == error_code::not_coordinator);
  CHECK(t.check(2) == error_code::not_coordinator);
  CHECK(t.loading());
  CHECK_FALSE(t.serving(0));
  CHECK(t.loaded({0, 3}));
  CHECK(t.check(0) == error_code::none);
  CHECK(t.serving(0) == tenure{0, 3});
  CHECK_FALSE(t.loading());

  c = t.update({{true, 3}, {false, 1}});  // nothing new
  CHECK(c.ended.empty());
  CHECK(c.begun.empty());
  CHECK(t.check(0) == error_code::none);

  c = t.update({{true, 5}, {true, 2}});  // it stays the leader, in a newer epoch
  CHECK(c.ended == list{{0, 3}});
  CHECK(c.begun == list{{0, 5}, {1, 2}});
  CHECK(t.check(0) == error_code::coordinator_load_in_progress);
  CHECK_FALSE(t.lasts({0, 3}));
  CHECK(t.lasts({0, 5}));
}

TEST_CASE("what was read for a tenure that ended is dropped") {
  tenures t;
  t.update({{true, 1}});
  auto c = t.update({{false, 2}});
  CHECK(c.ended == list{{0, 1}});
  CHECK_FALSE(t.loaded({0, 1}));
  CHECK_FALSE(t.loading());
  t.update({{true, 3}});
  CHECK_FALSE(t.loaded({0, 1}));
  CHECK(t.check(0) == error_code::coordinator_load_in_progress);
}

TEST_CASE("old news of a leadership changes nothing") {
  tenures t;
  t.update({{false, 4}});
  auto c = t.update({{true, 3}});
  CHECK(c.begun.empty());
  CHECK(t.check(0) == error_code::not_coordinator);
  t.update({{true, 5}});
  c = t.update({{false, 4}});
  CHECK(c.ended.empty());
  CHECK(t.size() == 1);
}

TEST_CASE("partitions that are gone, and another topic of the same name") {
  tenures t;
  t.update({{true, 7}, {true, 7}});
  auto c = t.update({{true, 7}});
  CHECK(c.ended == list{{1, 7}});
  c = t.reset();
  CHECK(c.ended == list{{0, 7}});
  c = t.update({{true, 0}});
  CHECK(c.begun == list{{0, 0}});
}

TEST_CASE("producer ids come from blocks, each once") {
  producer_id_pool p;
  CHECK_FALSE(p.take());
  CHECK(p.wants_block());
  p.ask();
  CHECK_FALSE(p.wants_block());
  p.answered(std::nullopt);
  CHECK(p.wants_block());
  p.ask();
  p.answered(5000);
  for (int64_t id = 5000; id < 5900; ++id) CHECK(p.take() == id);
  CHECK_FALSE(p.wants_block());
  CHECK(p.take() == 5900);
  CHECK(p.wants_block());  // before the last is used up
  p.ask();
  p.answered(9000);  // others had those in between
  for (int64_t id = 5901; id < 6000; ++id) CHECK(p.take() == id);
  CHECK(p.take() == 9000);
}

TEST_CASE("producer ids that a log shows are not given, whatever the block says") {
  producer_id_pool p;
  p.ask();
  p.answered(0);
  p.taken_below(300);
  CHECK(p.take() == 300);
  p.taken_below(1500);
  CHECK_FALSE(p.take());
  p.ask();
  p.answered(1000);
  CHECK(p.take() == 1500);
  p.taken_below(100);
  CHECK(p.take() == 1501);
}

TEST_CASE("markers of several transactions in one request, and each its answer") {
  const std::vector<marker_item> items = {{1, 0, true, 4, "a", 0},
                                          {1, 0, true, 4, "a", 2},
                                          {2, 5, false, 4, "b", 1},
                                          {1, 0, true, 6, "a", 0},
                                          {1, 0, true, 4, "c", 0}};
  const auto q = markers_request(items);
  REQUIRE(q.markers.size() == 3);
  CHECK(q.markers[0].producer_id == 1);
  CHECK(q.markers[0].coordinator_epoch == 4);
  CHECK(q.markers[0].transaction_result);
  REQUIRE(q.markers[0].topics.size() == 2);
  CHECK(q.markers[0].topics[0].name == "a");
  CHECK(q.markers[0].topics[0].partition_indexes == std::vector<int32_t>{0, 2});
  CHECK(q.markers[0].topics[1].name == "c");
  CHECK(q.markers[1].producer_id == 2);
  CHECK(q.markers[1].producer_epoch == 5);
  CHECK_FALSE(q.markers[1].transaction_result);
  CHECK(q.markers[2].coordinator_epoch == 6);

  write_txn_markers_response r;
  r.markers.resize(3);
  r.markers[0] = {
      1, {{"a", {{0, error_code::transaction_coordinator_fenced}, {2, error_code::none}}}}};
  r.markers[1] = {2, {{"b", {{1, error_code::not_leader_or_follower}}}}};
  r.markers[2] = {1, {{"a", {{0, error_code::none}}}}};
  CHECK(markers_answer(items, r) == std::vector{error_code::transaction_coordinator_fenced,
                                                error_code::none,
                                                error_code::not_leader_or_follower,
                                                error_code::none, error_code::request_timed_out});
}

TEST_CASE("questions of several transactions in one request, and each its answer") {
  const std::vector<verify_item> items = {
      {"pay", 1, 0, "a", 0}, {"ship", 2, 3, "a", 0}, {"pay", 1, 0, "b", 7}, {"pay", 1, 1, "a", 0}};
  const auto q = verify_request(items, false);
  REQUIRE(q.transactions.size() == 3);
  CHECK(q.transactions[0].transactional_id == "pay");
  CHECK(q.transactions[0].verify_only);
  CHECK(q.transactions[0].topics.size() == 2);
  CHECK(q.transactions[1].producer_epoch == 3);
  CHECK(q.transactions[2].producer_epoch == 1);
  CHECK_FALSE(verify_request(items, true).transactions[0].verify_only);

  add_partitions_to_txn_response r;
  r.results_by_transaction = {
      {"pay", {{"a", {{0, error_code::none}}}, {"b", {{7, error_code::transaction_abortable}}}}},
      {"ship", {{"a", {{0, error_code::not_coordinator}}}}},
      {"pay", {{"a", {{0, error_code::producer_fenced}}}}}};
  CHECK(verify_answer(items, r) == std::vector{error_code::none, error_code::not_coordinator,
                                               error_code::transaction_abortable,
                                               error_code::producer_fenced});
  add_partitions_to_txn_response refused;
  refused.error_code = error_code::cluster_authorization_failed;
  CHECK(verify_answer(items, refused) == std::vector(4, error_code::cluster_authorization_failed));
}
