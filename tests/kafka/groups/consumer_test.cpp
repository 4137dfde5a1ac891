#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka {
namespace {

using beat_request = consumer_group_heartbeat_request;
using beat_response = consumer_group_heartbeat_response;

std::vector<int32_t> partitions(const beat_response& r) {
  REQUIRE(r.assignment.has_value());
  std::vector<int32_t> all;
  for (const auto& t : r.assignment->topic_partitions)
    all.insert(all.end(), t.partitions.begin(), t.partitions.end());
  return all;
}

/// Says what the member has, as clients do when it changed.
beat_request with(const harness& h, beat_request q, std::vector<int32_t> owned) {
  auto& list = q.topic_partitions.emplace();
  if (!owned.empty()) list.push_back({h.view->find(std::string_view("t"))->id, std::move(owned)});
  return q;
}

using list = std::vector<int32_t>;

TEST_CASE("consumer: a member gets all; a second one gets its half when the first gave it up") {
  harness h({{"t", 4}});
  const auto a1 = h.heartbeat(h.hello("a"));
  CHECK(a1.error_code == error_code::none);
  CHECK(a1.member_epoch == 1);
  CHECK(a1.heartbeat_interval_ms == 5'000);
  CHECK(partitions(a1) == list{0, 1, 2, 3});
  CHECK_FALSE(h.heartbeat(h.pulse("a", 1)).assignment.has_value());

  const auto b1 = h.heartbeat(h.hello("b"));
  CHECK(b1.member_epoch == 2);
  CHECK(partitions(b1).empty());  // nothing is free yet
  CHECK(h.g->consumer_describe(1).group_state == "Reconciling");

  const auto a2 = h.heartbeat(h.pulse("a", 1));
  CHECK(a2.member_epoch == 1);  // first it gives up
  CHECK(partitions(a2) == list{0, 1});
  CHECK_FALSE(h.heartbeat(h.pulse("b", 2)).assignment.has_value());
  CHECK(h.heartbeat(h.pulse("a", 1)).member_epoch == 1);

  const auto a3 = h.heartbeat(with(h, h.pulse("a", 1), {0, 1}));
  CHECK(a3.member_epoch == 2);
  const auto b2 = h.heartbeat(h.pulse("b", 2));
  CHECK(b2.member_epoch == 2);
  CHECK(partitions(b2) == list{2, 3});
  CHECK(h.g->consumer_describe(1).group_state == "Stable");
  const auto d = h.g->consumer_describe(1);
  CHECK(d.group_epoch == 2);
  CHECK(d.assignment_epoch == 2);
  CHECK(d.assignor_name == "uniform");
  CHECK(d.members.at(1).assignment.topic_partitions.at(0).topic_name == "t");
  CHECK(d.members.at(1).member_type == 1);
  CHECK(h.g->listed()->group_type == "consumer");
  CHECK(h.g->describe(6).error_code == error_code::group_id_not_found);
}

TEST_CASE("consumer: a member that leaves makes room; one that falls silent, too") {
  harness h({{"t", 4}});
  (void)h.heartbeat(h.hello("a"));
  (void)h.heartbeat(h.hello("b"));
  (void)h.heartbeat(h.pulse("a", 1));
  (void)h.heartbeat(with(h, h.pulse("a", 1), {0, 1}));
  (void)h.heartbeat(h.pulse("b", 2));
  SUBCASE("leaves") {
    const auto r = h.heartbeat(h.pulse("b", -1));
    CHECK(r.error_code == error_code::none);
    CHECK(r.member_epoch == -1);
    const auto a = h.heartbeat(h.pulse("a", 2));
    CHECK(a.member_epoch == 3);
    CHECK(partitions(a) == list{0, 1, 2, 3});
    CHECK(h.heartbeat(h.pulse("b", 2)).error_code == error_code::unknown_member_id);
  }
  SUBCASE("falls silent") {
    h.pass(40'000);
    (void)h.heartbeat(h.pulse("a", 2));
    h.pass(10'000);
    CHECK(partitions(h.heartbeat(h.pulse("a", 2))) == list{0, 1, 2, 3});
    CHECK(h.heartbeat(h.pulse("b", 2)).error_code == error_code::unknown_member_id);
  }
  SUBCASE("all leave: the group is empty, and stays until its offsets are gone") {
    (void)h.heartbeat(h.pulse("a", -1));
    (void)h.heartbeat(h.pulse("b", -1));
    CHECK(h.g->consumer_describe(1).group_state == "Empty");
    CHECK(h.g->exists());
    h.pass(600'000);
    CHECK_FALSE(h.g->exists());
    CHECK(h.g->removable());
    h.restart();
    CHECK(h.g->removable());
  }
}

TEST_CASE("consumer: who does not give up partitions in time is fenced") {
  harness h({{"t", 2}});
  auto q = h.hello("a");
  q.rebalance_timeout_ms = 20'000;
  (void)h.heartbeat(q);
  (void)h.heartbeat(h.hello("b"));
  CHECK(partitions(h.heartbeat(h.pulse("a", 1))) == list{0});
  for (int i = 0; i < 3; ++i) {
    h.pass(5'000);
    (void)h.heartbeat(h.pulse("b", 2));
    CHECK(h.heartbeat(h.pulse("a", 1)).error_code == error_code::none);
  }
  h.pass(5'000);
  CHECK(h.heartbeat(h.pulse("a", 1)).error_code == error_code::unknown_member_id);
  CHECK(partitions(h.heartbeat(h.pulse("b", 2))) == list{0, 1});
}

TEST_CASE("consumer: epochs fence, but a lost answer does not") {
  harness h({{"t", 4}});
  (void)h.heartbeat(h.hello("a"));
  (void)h.heartbeat(h.hello("b"));
  CHECK(h.heartbeat(h.pulse("a", 7)).error_code == error_code::fenced_member_epoch);
  (void)h.heartbeat(with(h, h.pulse("a", 1), {0, 1}));  // to epoch 2; the answer is lost
  (void)h.heartbeat(with(h, h.pulse("a", 1), {0, 1}));
  const auto again = h.heartbeat(with(h, h.pulse("a", 1), {0, 1}));
  CHECK(again.error_code == error_code::none);
  CHECK(again.member_epoch == 2);
  // Without saying what it has, or with more than it may have, it is not believed.
  CHECK(h.heartbeat(h.pulse("a", 1)).error_code == error_code::fenced_member_epoch);
  CHECK(h.heartbeat(with(h, h.pulse("a", 1), {0, 1, 2})).error_code ==
        error_code::fenced_member_epoch);
  // A fenced member joins again with epoch 0 and gets what is its own.
  const auto back = h.heartbeat(h.hello("a"));
  CHECK(back.error_code == error_code::none);
  CHECK(back.member_epoch == 2);
  CHECK(partitions(back) == list{0, 1});
}

TEST_CASE("consumer: requests that are refused") {
  harness h({{"t", 1}});
  const auto refused = [&](const beat_request& q, int16_t version = 1) {
    return h.reply<beat_response>(h.send(&group::consumer_heartbeat, q, version));
  };
  CHECK(refused(h.pulse("a", 1)).error_code == error_code::group_id_not_found);
  CHECK(refused(h.pulse("a", -1)).error_code == error_code::group_id_not_found);
  auto q = h.hello("");
  CHECK(refused(q).error_code == error_code::invalid_request);
  CHECK(refused(q).error_message == "MemberId can't be empty.");
  const auto old = refused(q, 0);  // version 0 gets an id
  CHECK(old.error_code == error_code::none);
  CHECK(old.member_id->size() == 22);
  q = h.hello("a");
  q.rebalance_timeout_ms = -1;
  CHECK(refused(q).error_code == error_code::invalid_request);
  q = h.hello("a");
  q.topic_partitions.reset();
  CHECK(refused(q).error_code == error_code::invalid_request);
  q = h.hello("a");
  q.subscribed_topic_names.reset();
  CHECK(refused(q).error_code == error_code::invalid_request);
  q = h.hello("a");
  q.server_assignor = "sticky";
  const auto assignor = refused(q);
  CHECK(assignor.error_code == error_code::unsupported_assignor);
  CHECK(assignor.error_message ==
        "ServerAssignor sticky is not supported. Supported assignors: uniform, range.");
  q = h.hello("a");
  q.subscribed_topic_regex = "t(";
  CHECK(refused(q).error_code == error_code::invalid_regular_expression);
  q = h.pulse("a", -2);
  CHECK(refused(q).error_code == error_code::invalid_request);
  CHECK(refused(h.pulse("a", -3)).error_code == error_code::invalid_request);
}

TEST_CASE("consumer: subscriptions by pattern follow the topics") {
  harness h({{"logs.a", 1}, {"logs.b", 1}, {"other", 1}});
  auto q = h.hello("a");
  q.subscribed_topic_names.reset();
  q.subscribed_topic_regex = "^logs\\..*";
  const auto first = h.heartbeat(q);
  CHECK(first.assignment->topic_partitions.size() == 2);
  CHECK(h.g->consumer_describe(1).members.at(0).subscribed_topic_regex == "^logs\\..*");
  h.set_topics({{"logs.a", 2}, {"logs.b", 1}, {"logs.c", 1}, {"other", 1}});
  const auto more = h.heartbeat(h.pulse("a", 1));
  CHECK(more.member_epoch == 2);
  CHECK(partitions(more).size() == 4);
  // No more pattern, but names.
  auto change = h.pulse("a", 2);
  change.subscribed_topic_regex = "";
  change.subscribed_topic_names = {"other"};
  const auto revoke = h.heartbeat(change);
  CHECK(partitions(revoke).empty());
  auto done = h.pulse("a", 2);
  done.topic_partitions.emplace();
  const auto next = h.heartbeat(done);
  CHECK(next.member_epoch == 3);
  CHECK(partitions(next) == list{0});
}

TEST_CASE("consumer: a topic that comes later, grows, or goes") {
  harness h({});
  CHECK(partitions(h.heartbeat(h.hello("a"))).empty());
  h.set_topics({{"t", 1}});
  CHECK(partitions(h.heartbeat(h.pulse("a", 1))) == list{0});
  h.set_topics({{"t", 3}});
  const auto r = h.heartbeat(h.pulse("a", 2));
  CHECK(r.member_epoch == 3);
  CHECK(partitions(r) == list{0, 1, 2});
  h.set_topics({{"t", 3}, {"not mine", 1}});
  CHECK(h.heartbeat(h.pulse("a", 3)).member_epoch == 3);
  h.set_topics({});
  CHECK(partitions(h.heartbeat(h.pulse("a", 3))).empty());
}

TEST_CASE("consumer: a static member leaves for a while and comes back to its partitions") {
  harness h({{"t", 4}});
  auto q = h.hello("a1");
  q.instance_id = "i";
  (void)h.heartbeat(q);
  // Another member with its instance id is refused while it is there.
  auto other = h.hello("a2");
  other.instance_id = "i";
  CHECK(h.heartbeat(other).error_code == error_code::unreleased_instance_id);
  auto away = h.pulse("a1", -2);
  away.instance_id = "i";
  CHECK(h.heartbeat(away).member_epoch == -2);
  (void)h.heartbeat(h.hello("b"));
  CHECK_FALSE(h.heartbeat(h.pulse("b", 2)).assignment.has_value());  // kept for it
  SUBCASE("back") {
    const auto back = h.heartbeat(other);
    CHECK(back.error_code == error_code::none);
    CHECK(partitions(back) == list{0, 1});  // b's half goes
    auto old = h.pulse("a1", 1);
    old.instance_id = "i";
    CHECK(h.heartbeat(old).error_code == error_code::fenced_instance_id);
    CHECK(h.g->consumer_describe(1).group_epoch == 2);
  }
  SUBCASE("back under its old id") {
    auto same = h.hello("a1");
    same.instance_id = "i";
    CHECK(h.heartbeat(same).error_code == error_code::none);
  }
  SUBCASE("away for too long") {
    for (int i = 0; i < 10; ++i) {
      h.pass(5'000);
      (void)h.heartbeat(h.pulse("b", 2));
    }
    CHECK(h.g->consumer_describe(1).members.size() == 1);
  }
}

TEST_CASE("consumer: nothing is told before it is durable; what cannot be written is taken back") {
  harness h({{"t", 4}});
  (void)h.heartbeat(h.hello("a"));
  h.durable = false;
  const auto join = h.send(&group::consumer_heartbeat, h.hello("b"), 1);
  const auto pulse = h.send(&group::consumer_heartbeat, h.pulse("a", 1), 1);
  CHECK_FALSE(h.answered(join));
  CHECK_FALSE(h.answered(pulse));
  SUBCASE("durable") {
    h.flush();
    CHECK(h.reply<beat_response>(join).member_epoch == 2);
    CHECK(partitions(h.reply<beat_response>(pulse)) == list{0, 1});
  }
  SUBCASE("failed") {
    h.fail_writes();
    const auto r = h.reply<beat_response>(join);
    CHECK(r.error_code == error_code::not_coordinator);
    CHECK_FALSE(r.assignment.has_value());
    CHECK(h.reply<beat_response>(pulse).error_code == error_code::not_coordinator);
    h.durable = true;
    CHECK(h.g->consumer_describe(1).members.size() == 1);
    CHECK(h.g->consumer_describe(1).group_epoch == 1);
    CHECK_FALSE(h.heartbeat(h.pulse("a", 1)).assignment.has_value());
    CHECK(h.heartbeat(h.hello("b")).member_epoch == 2);
    CHECK(partitions(h.heartbeat(h.pulse("a", 1))) == list{0, 1});
  }
  SUBCASE("the first heartbeat ever failed: there is no group") {
    harness fresh({{"t", 4}});
    fresh.durable = false;
    (void)fresh.send(&group::consumer_heartbeat, fresh.hello("a"), 1);
    fresh.fail_writes();
    CHECK_FALSE(fresh.g->exists());
    CHECK(fresh.g->removable());
  }
}

TEST_CASE("consumer: a restarted coordinator goes on where it was") {
  harness h({{"t", 4}});
  auto q = h.hello("a");
  q.server_assignor = "range";
  q.rack_id = "r1";
  (void)h.heartbeat(q);
  (void)h.heartbeat(h.hello("b"));
  (void)h.heartbeat(h.pulse("a", 1));
  const auto before = h.g->consumer_describe(1);
  h.restart();
  CHECK(h.g->consumer_describe(1) == before);
  CHECK(h.g->consumer_describe(1).assignor_name == "range");
  (void)h.heartbeat(with(h, h.pulse("a", 1), {0, 1}));
  CHECK(partitions(h.heartbeat(h.pulse("b", 2))) == list{2, 3});
  CHECK(h.g->consumer_describe(1).group_epoch == 2);  // the topics are the same: nothing changed
  h.restart();
  h.set_topics({{"t", 5}});
  CHECK(h.heartbeat(h.pulse("a", 2)).member_epoch == 3);
}

TEST_CASE("consumer: a group has no more members than its limit; the protocol can be off") {
  group_options o;
  o.max_members = 1;
  harness h({{"t", 4}}, o);
  (void)h.heartbeat(h.hello("a"));
  CHECK(h.heartbeat(h.hello("b")).error_code == error_code::group_max_size_reached);
  CHECK(h.heartbeat(h.hello("a")).error_code == error_code::none);
  o.consumer_protocol = false;
  harness off({{"t", 4}}, o);
  CHECK(off.heartbeat(off.hello("a")).error_code == error_code::unsupported_version);
}

TEST_CASE("consumer: an empty classic group gives way, and an empty consumer group, too") {
  harness h({{"t", 4}});
  const auto [a, token] = h.join_new();
  (void)h.reply<join_group_response>(token);
  (void)h.sync(a, 1, {{a, ""}});
  (void)h.leave(a);
  CHECK(h.heartbeat(h.hello("c")).member_epoch == 1);
  CHECK(h.g->listed()->group_type == "consumer");
  (void)h.heartbeat(h.pulse("c", -1));
  const auto [b, again] = h.join_new();
  CHECK(h.reply<join_group_response>(again).generation_id == 1);
  CHECK(h.g->listed()->group_type == "classic");
  h.restart();
  CHECK(h.g->listed()->group_type == "classic");
}

}  // namespace
}  // namespace weir::kafka
