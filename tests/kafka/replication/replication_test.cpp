// The leader's view of its followers, the fetch plan, and two partitions of which one copies the
// other.
#include <doctest/doctest.h>

#include "runtime/kafka/replication/fetch_plan.hpp"
#include "runtime/kafka/replication/leader_view.hpp"
#include "tests/kafka/partition/shelf.hpp"

using namespace weir;
using namespace weir::kafka;
using weir::kafka::test::by;
using weir::kafka::test::shelf;
using strings = std::vector<std::string>;
using nodes = std::vector<int32_t>;

namespace {

constexpr int64_t lag_ms = 1000;

partition_role role_of(int32_t self, int32_t leader, int32_t epoch, int32_t version,
                       nodes in_sync) {
  partition_role r;
  r.self = self;
  r.leader = leader;
  r.leader_epoch = epoch;
  r.version = version;
  r.replicas = {1, 2, 3};
  r.in_sync = std::move(in_sync);
  return r;
}

replica_fetch fetch_of(int32_t node, int64_t offset, int64_t now_ms) {
  return {node, 1, offset, 0, now_ms};
}

}  // namespace

TEST_CASE("the high watermark is what all in-sync replicas have") {
  leader_view v(role_of(1, 1, 5, 10, {1, 2}), 100, lag_ms, 0);
  CHECK(v.committed_end(120, 0) == -1);  // node 2 has not said anything in this epoch
  CHECK(v.fetched(fetch_of(2, 110, 10), 120) == error_code::none);
  CHECK(v.committed_end(120, 10) == 110);
  CHECK(v.fetched(fetch_of(2, 120, 20), 120) == error_code::none);
  CHECK(v.committed_end(120, 20) == 120);
  CHECK(v.fetched(fetch_of(4, 120, 20), 120) == error_code::unknown_leader_epoch);
  CHECK(v.fetched({2, 0, 120, 0, 20}, 120) == error_code::stale_broker_epoch);
}

TEST_CASE("a follower joins with the high watermark and the epoch's start, and counts at once") {
  leader_view v(role_of(1, 1, 5, 10, {1, 2}), 100, lag_ms, 0);
  v.fetched(fetch_of(2, 120, 10), 120);
  v.fetched(fetch_of(3, 90, 10), 120);
  CHECK_FALSE(v.propose(80, 120, 0, 10));  // it lacks what earlier epochs have
  v.fetched(fetch_of(3, 120, 20), 120);
  const auto p = v.propose(120, 120, 0, 20);
  REQUIRE(p);
  CHECK(p->in_sync == nodes{1, 2, 3});
  CHECK(p->version == 10);
  CHECK_FALSE(v.propose(120, 120, 0, 20));  // one at a time
  // The metadata may have it in sync by now: it counts even when it is silent for long.
  v.fetched(fetch_of(2, 150, 5000), 150);
  CHECK(v.committed_end(150, 5000) == 120);
  // Nobody answered: the same again, later. A newer version elsewhere is no final answer either.
  v.answered(p->number, error_code::request_timed_out, 30);
  CHECK_FALSE(v.propose(120, 120, 0, 40));
  CHECK(v.propose(120, 120, 0, 30 + proposal_retry_ms)->number == p->number);
  v.answered(p->number, error_code::invalid_update_version, 5100);
  CHECK(v.committed_end(150, 5100) == 120);
  v.set_role(role_of(1, 1, 5, 11, {1, 2}), 0, 5200);
  CHECK(v.committed_end(150, 5200) == 150);
}

TEST_CASE("a silent follower is taken out, one that has everything stays") {
  leader_view v(role_of(1, 1, 5, 10, {1, 2, 3}), 0, lag_ms, 0);
  v.fetched(fetch_of(2, 50, 0), 50);
  v.fetched(fetch_of(3, 50, 0), 50);
  CHECK_FALSE(v.propose(50, 50, 0, 100'000));
  CHECK_FALSE(v.propose(50, 60, 0, lag_ms));
  v.fetched(fetch_of(3, 60, lag_ms), 60);
  const auto p = v.propose(50, 60, 0, lag_ms + 1);
  REQUIRE(p);
  CHECK(p->in_sync == nodes{1, 3});
  CHECK(v.committed_end(60, lag_ms + 1) == 50);  // until it is so
  v.set_role(role_of(1, 1, 5, 11, {1, 3}), 0, lag_ms + 2);
  CHECK(v.committed_end(60, lag_ms + 2) == 60);
}

TEST_CASE("who is refused holds up nothing before it fetches again") {
  leader_view v(role_of(1, 1, 5, 10, {1}), 0, lag_ms, 0);
  v.fetched(fetch_of(2, 50, 0), 50);
  const auto p = v.propose(50, 50, 0, 0);
  REQUIRE(p);
  v.answered(p->number, error_code::ineligible_replica, 5);
  CHECK(v.committed_end(60, 10) == 60);
  CHECK_FALSE(v.propose(60, 60, 0, 10));
  v.fetched(fetch_of(2, 60, 2000), 60);
  CHECK(v.propose(60, 60, 0, 2000));
}

TEST_CASE("who is refused after an attempt without an answer counts until there is a new version") {
  leader_view v(role_of(1, 1, 5, 10, {1}), 0, lag_ms, 0);
  v.fetched(fetch_of(2, 50, 0), 50);
  const auto p = v.propose(50, 50, 0, 0);
  REQUIRE(p);
  CHECK(p->in_sync == nodes{1, 2});
  CHECK(p->incarnations == std::vector<int64_t>{-1, 1});
  // The first attempt is late, not lost; the second is refused, for node 2 is dead just now.
  v.answered(p->number, error_code::request_timed_out, 150);
  REQUIRE(v.propose(50, 50, 0, 150 + proposal_retry_ms)->number == p->number);
  v.answered(p->number, error_code::ineligible_replica, 700);
  CHECK(v.committed_end(60, 10'000) == 50);  // node 2 may come back, and be in sync by the first
  // What holds is asked for, which makes a version that the first attempt does not name.
  CHECK_FALSE(v.propose(50, 60, 0, 700));
  const auto holds = v.propose(50, 60, 0, 700 + proposal_retry_ms);
  REQUIRE(holds);
  CHECK(holds->number != p->number);
  CHECK(holds->in_sync == nodes{1});
  CHECK(holds->version == 10);
  v.answered(holds->number, error_code::none, 1300);
  CHECK(v.committed_end(60, 10'000) == 50);
  v.set_role(role_of(1, 1, 5, 11, {1}), 0, 10'000);
  CHECK(v.committed_end(60, 10'000) == 60);
}

TEST_CASE("what is deleted is deleted for whoever comes to lead") {
  leader_view v(role_of(1, 1, 5, 10, {1, 2}), 0, lag_ms, 0);
  CHECK(v.low_watermark(20) == -1);  // node 2 has not said anything in this epoch
  v.fetched({2, 1, 50, 0, 0}, 50);
  CHECK(v.low_watermark(20) == 0);
  v.fetched({2, 1, 50, 30, 0}, 50);
  CHECK(v.low_watermark(20) == 20);
  // Who is not in sync holds up nothing, and does not join before it has taken the start over.
  v.fetched({3, 1, 50, 10, 0}, 50);
  CHECK(v.low_watermark(20) == 20);
  CHECK_FALSE(v.propose(50, 50, 20, 0));
  v.fetched({3, 1, 50, 20, 0}, 50);
  const auto p = v.propose(50, 50, 20, 0);
  REQUIRE(p);
  CHECK(p->in_sync == nodes{1, 2, 3});
  CHECK(v.low_watermark(25) == 20);  // it may be in sync by now
  // The start is news for a follower whose request waits.
  CHECK(v.tell(2, 50, 20));
  CHECK_FALSE(v.tell(2, 50, 20));
  CHECK(v.tell(2, 50, 25));
}

TEST_CASE("consumers are sent to the in-sync follower of their rack that has the most") {
  leader_view v(role_of(1, 1, 5, 10, {1, 2, 3}), 0, lag_ms, 0);
  v.fetched(fetch_of(2, 50, 0), 60);
  v.fetched(fetch_of(3, 60, 0), 60);
  CHECK(v.preferred_of({2, 3}, 10) == 3);
  CHECK(v.preferred_of({2}, 10) == 2);
  CHECK(v.preferred_of({2}, 55) == no_node);
  CHECK(v.preferred_of({7}, 10) == no_node);
}

TEST_CASE("a fetch plan leaves out what is busy, waits after errors and keeps to its quota") {
  fetch_plan_options o;
  o.self = 2;
  o.throttle_bytes_per_s = 1000;
  fetch_plan plan(o);
  fetch_position a, b;
  a.id.topic[0] = b.id.topic[0] = 9;
  a.offset = 10;
  a.last_epoch = 4;
  a.leader_epoch = 5;
  b.id.partition = 1;
  b.in_sync = false;
  plan.follow(a);
  plan.follow(b);
  auto sent = plan.next_request(1000);
  REQUIRE(sent);
  REQUIRE(sent->request.topics.size() == 1);
  const auto& asked = sent->request.topics[0].partitions;
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].fetch_offset == 10);
  CHECK(asked[0].last_fetched_epoch == 4);
  CHECK(asked[0].current_leader_epoch == 5);
  CHECK(sent->request.replica_state.replica_id == 2);

  const std::vector<std::byte> bytes(3000);
  fetch_response answer;
  auto& t = answer.responses.emplace_back();
  t.topic_id.bytes = a.id.topic;
  t.partitions.resize(2);
  t.partitions[0].error_code = error_code::not_leader_or_follower;
  t.partitions[1].partition_index = 1;
  t.partitions[1].records = record_bytes(bytes_view(bytes));
  const auto news = plan.take(*sent, answer, 1000);
  REQUIRE(news.size() == 2);
  CHECK(news[1].batches.size() == 3000);
  CHECK(plan.busy() == 1);
  CHECK_FALSE(plan.next_request(1000));  // one is busy, the other waits
  CHECK(plan.next_ms(1000) == 1000 + fetch_backoff_first_ms);
  b.offset = 77;
  plan.follow(b);
  // Its bytes were more than a second's worth.
  sent = plan.next_request(1100);
  REQUIRE(sent);
  CHECK(sent->asked.size() == 1);
  CHECK(sent->request.max_wait_ms < 500);
  sent = plan.next_request(4000);
  REQUIRE(sent);
  CHECK(sent->asked.size() == 2);
  // What was asked for before is no answer to where it is now.
  plan.follow(a);
  CHECK(plan.take(*sent, answer, 4000).size() == 1);
}

TEST_CASE("a partition that begins anew to follow is told again where the high watermark is") {
  fetch_plan plan({});
  fetch_position at;
  at.id.topic[0] = 9;
  at.offset = 10;
  at.leader_epoch = 5;
  fetch_response answer;
  auto& t = answer.responses.emplace_back();
  t.topic_id.bytes = at.id.topic;
  t.partitions.resize(1);
  t.partitions[0].high_watermark = 10;
  const auto told = [&] {
    auto sent = plan.next_request(1000);
    REQUIRE(sent);
    const auto news = plan.take(*sent, answer, 1000);
    return news.empty() ? -1 : news[0].high_watermark;
  };
  plan.follow(at);
  CHECK(told() == 10);
  CHECK(told() == -1);  // it knows
  // Another epoch of the same leader: the partition forgot what the leader of before had said.
  at.leader_epoch = 6;
  plan.follow(at);
  CHECK(told() == 10);
  CHECK(told() == -1);
}

namespace {

/// One round of a follower: fetches, copies or cuts, makes it durable.
void copy_from(shelf& leader, shelf& follower, int32_t self) {
  const auto at = follower.p->position();
  fetch_query q;
  q.offset = at.offset;
  q.last_fetched_epoch = at.last_epoch;
  q.current_leader_epoch = follower.p->role().leader_epoch;
  q.replica = self;
  q.note_position = true;
  q.now_ms = leader.now_ms;
  const auto a = leader.fetch(q);
  REQUIRE(a.error == error_code::none);
  if (a.diverging) {
    REQUIRE(follower.committer->forget(follower.id).ok());
    REQUIRE(follower.p->truncate(follower.p->truncation_for(*a.diverging), follower.now_ms).ok());
    return;
  }
  auto bytes = std::make_shared<std::vector<std::byte>>(shelf::bytes_of(a.read));
  auto copied = follower.p->copy(*bytes, bytes, q.current_leader_epoch, follower.now_ms);
  REQUIRE(copied.error == error_code::none);
  follower.p->followed(q.current_leader_epoch, a.high_watermark, a.log_start_offset);
  for (auto& w : copied.writes) follower.waiting.push_back(std::move(w));
  follower.commit();
}

/// Node 1 leads in that epoch and is alone in sync; node 2 has a replica of it.
void lead_alone(shelf& one, shelf& two, int32_t leader_epoch) {
  one.open();
  two.open();
  auto role = role_of(1, 1, leader_epoch, 1, {1});
  role.replicas = {1, 2};
  one.p->set_role(role, one.now_ms);
  role.self = 2;
  two.p->set_role(role, two.now_ms);
}

}  // namespace

TEST_CASE("a follower has the leader's batches, producers and transactions, and can lead") {
  shelf one, two;
  one.log_options.segment_bytes = two.log_options.segment_bytes = 1024;
  one.open();
  two.open();
  auto role = role_of(1, 1, 1, 1, {1, 2});
  role.replicas = {1, 2};
  one.p->set_role(role, one.now_ms);
  role.self = 2;
  two.p->set_role(role, two.now_ms);

  for (int i = 0; i < 20; ++i)
    one.send({"plain " + std::to_string(i), std::string(100, 'x')}, by(7, i * 2));
  one.send({"t"}, by(8, 0, 0, true));
  one.commit();
  CHECK(one.p->log_end_offset() == 41);
  CHECK(one.p->high_watermark() == 0);
  CHECK(one.read().empty());  // consumers wait for the follower
  copy_from(one, two, 2);
  CHECK(one.p->high_watermark() == 0);
  copy_from(one, two, 2);
  CHECK(one.p->high_watermark() == 41);
  CHECK(one.p->last_stable_offset() == 40);
  CHECK(two.p->log_end_offset() == 41);
  CHECK(two.p->log().segment_count() > 1);
  CHECK(two.p->high_watermark() == 41);
  CHECK(two.p->last_stable_offset() == 40);
  CHECK(two.read() == one.read());
  CHECK(two.send({"x"}).error == error_code::not_leader_or_follower);

  // An aborted transaction takes effect for readers when the marker is everywhere.
  one.mark(8, 0, false);
  one.commit();
  CHECK(one.p->last_stable_offset() == 40);
  role.self = 1;
  one.role = role;
  one.restart();
  CHECK(one.p->high_watermark() == 41);  // kept over the stop
  CHECK(one.p->last_stable_offset() == 40);
  copy_from(one, two, 2);
  copy_from(one, two, 2);
  CHECK(one.p->last_stable_offset() == 42);
  CHECK(one.read(isolation::read_committed).size() == 40);

  // The follower leads: it knows the producers.
  one.send({"not copied"}, by(7, 40));
  one.commit();
  role.leader = 2;
  ++role.leader_epoch;
  ++role.version;
  role.self = 2;
  two.p->set_role(role, two.now_ms);
  role.self = 1;
  one.p->set_role(role, one.now_ms);
  CHECK(two.send({"plain 19", std::string(100, 'x')}, by(7, 38)).what ==
        produce_outcome::kind::duplicate);
  CHECK(two.send({"gap"}, by(7, 41)).error == error_code::out_of_order_sequence_number);
  CHECK(two.send({"new"}, by(7, 40)).base_offset == 42);
  two.commit();
  CHECK(two.p->list_offset(offset_latest, isolation::read_uncommitted).error == error_code::none);
  copy_from(two, one, 1);  // what the old leader had alone is cut
  CHECK(one.p->log_end_offset() == 42);
  copy_from(two, one, 1);
  copy_from(two, one, 1);
  CHECK(two.p->high_watermark() == 43);
  CHECK(one.read() == two.read());
  CHECK(one.read().back() == "42:new");
  // And after a crash of either.
  role.self = 1;
  one.role = role;
  one.crash();
  CHECK(one.p->log_end_offset() == 43);
  CHECK(one.p->describe_producers().size() == two.p->describe_producers().size());
}

// A client of before a change of leaders comes back to a node that was restarted and is behind.
TEST_CASE("a follower sends consumers beyond its end away unless they know the leader") {
  shelf one, two;
  lead_alone(one, two, 3);
  one.send({"a"});
  one.commit();
  copy_from(one, two, 2);
  one.send({"b", "c"});
  one.commit();
  REQUIRE(two.p->log_end_offset() == 1);
  fetch_query q;
  q.offset = 1;
  CHECK(two.fetch(q).error == error_code::none);
  q.offset = 3;
  CHECK(two.fetch(q).error == error_code::not_leader_or_follower);
  CHECK(one.fetch(q).error == error_code::none);
  // It has been sent to this copy, and goes back to the leader (KIP-392).
  q.current_leader_epoch = 3;
  CHECK(two.fetch(q).error == error_code::offset_out_of_range);
  q.current_leader_epoch = 2;
  CHECK(two.fetch(q).error == error_code::fenced_leader_epoch);
  // What is gone is gone at the leader, too.
  q.current_leader_epoch = -1;
  q.offset = -1;
  CHECK(two.fetch(q).error == error_code::offset_out_of_range);
}

TEST_CASE("a follower restarts where the leader's log begins, within a batch as well") {
  shelf one, two;
  lead_alone(one, two, 1);
  one.send({"a", "b", "c", "d"});
  one.commit();
  CHECK(one.p->high_watermark() == 4);  // alone in sync
  CHECK(one.p->delete_records(2).low_watermark == 2);
  fetch_query q;
  q.replica = 2;
  q.current_leader_epoch = 1;
  const auto a = one.fetch(q);
  CHECK(a.error == error_code::offset_out_of_range);
  CHECK(a.log_start_offset == 2);
  CHECK(a.diverging->end_offset == 4);
  REQUIRE(two.committer->forget(two.id).ok());
  REQUIRE(two.p->truncate({2, true}, two.now_ms).ok());
  CHECK(two.p->position().offset == 2);
  copy_from(one, two, 2);
  CHECK(two.p->log_start_offset() == 2);
  CHECK(two.p->log_end_offset() == 4);
  copy_from(one, two, 2);
  CHECK(two.read() == strings{"2:c", "3:d"});
  two.crash();
  CHECK(two.p->log_start_offset() == 2);
  CHECK(two.p->log_end_offset() == 4);
}
