// Groups whose members speak both protocols, while they move from one to the other.
#include "runtime/kafka/groups/consumer_protocol.hpp"
#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka {
namespace {

std::string blob(const std::vector<int32_t>& partitions) {
  consumer_protocol_assignment a;
  if (!partitions.empty()) a.assigned_partitions.push_back({"t", partitions});
  return membership::encode_record_part(a, 1);
}

std::vector<int32_t> partitions(const sync_group_response& r) {
  REQUIRE(r.error_code == error_code::none);
  const auto a = membership::parse_assignment(r.assignment);
  REQUIRE(a.has_value());
  return a->assigned_partitions.empty() ? std::vector<int32_t>{}
                                        : a->assigned_partitions[0].partitions;
}

join_group_request join_with(const harness& h, const std::string& member,
                             const std::vector<int32_t>& owned) {
  auto q = h.join_request(member);
  consumer_protocol_subscription s;
  s.topics = {"t"};
  if (!owned.empty()) s.owned_partitions.push_back({"t", owned});
  q.protocols = {{"cooperative-sticky", membership::encode_record_part(s, 1)}};
  return q;
}

using list = std::vector<int32_t>;

/// A stable classic group of one member that has everything.
struct classic_one : harness {
  std::string a;
  classic_one() : harness({{"t", 4}}) {
    const auto first = reply<join_group_response>(join(join_with(*this, "", {}), 9));
    a = first.member_id;
    const auto r = reply<join_group_response>(join(join_with(*this, a, {})));
    REQUIRE(r.generation_id == 1);
    REQUIRE(reply<sync_group_response>(sync(a, 1, {{a, blob({0, 1, 2, 3})}})).error_code ==
            error_code::none);
  }
};

TEST_CASE("mixed: a classic group becomes a consumer group member by member") {
  classic_one h;
  const auto b1 = h.heartbeat(h.hello("b"));
  CHECK(b1.error_code == error_code::none);
  CHECK(b1.member_epoch == 2);
  CHECK(b1.assignment->topic_partitions.empty());
  CHECK(h.g->listed()->group_type == "consumer");
  CHECK(h.g->consumer_describe(1).members.size() == 2);

  // The classic member learns of it by its heartbeat, and joins with what it has.
  CHECK(h.beat(h.a, 1) == error_code::rebalance_in_progress);
  const auto j1 = h.reply<join_group_response>(h.join(join_with(h, h.a, {0, 1, 2, 3})));
  CHECK(j1.error_code == error_code::none);
  CHECK(j1.generation_id == 1);
  CHECK(j1.protocol_name == "cooperative-sticky");
  CHECK(partitions(h.reply<sync_group_response>(h.sync(h.a, 1))) == list{0, 1});
  // It gave up the rest and says so: the epoch rises.
  CHECK(h.beat(h.a, 1) == error_code::rebalance_in_progress);
  const auto j2 = h.reply<join_group_response>(h.join(join_with(h, h.a, {0, 1})));
  CHECK(j2.generation_id == 2);
  CHECK(partitions(h.reply<sync_group_response>(h.sync(h.a, 2))) == list{0, 1});
  CHECK(h.beat(h.a, 2) == error_code::none);
  const auto b2 = h.heartbeat(h.pulse("b", 2));
  CHECK(b2.assignment->topic_partitions.at(0).partitions == list{2, 3});
  CHECK(h.commit(h.commit_request(h.a, 2, 0, 5), 8) == error_code::none);
  CHECK(h.commit(h.commit_request(h.a, 1, 0, 5), 8) == error_code::illegal_generation);

  SUBCASE("the classic member leaves: all are of the new protocol") {
    CHECK(h.leave(h.a).members[0].error_code == error_code::none);
    const auto b3 = h.heartbeat(h.pulse("b", 2));
    CHECK(b3.assignment->topic_partitions.at(0).partitions == list{0, 1, 2, 3});
  }
  SUBCASE("the new member leaves: the group is a classic one again") {
    CHECK(h.heartbeat(h.pulse("b", -1)).error_code == error_code::none);
    CHECK(h.g->listed()->group_type == "classic");
    CHECK(h.g->describe(6).group_state == "PreparingRebalance");
    CHECK(h.beat(h.a, 2) == error_code::rebalance_in_progress);
    const auto j3 = h.reply<join_group_response>(h.join(join_with(h, h.a, {0, 1})));
    CHECK(j3.generation_id == 3);
    CHECK(j3.leader == h.a);
    CHECK(h.fetch(0).committed_offset == 5);
    h.restart();
    CHECK(h.g->listed()->group_type == "classic");
    CHECK(h.g->describe(6).members.size() == 1);
  }
  SUBCASE("the classic member falls silent") {
    for (int i = 0; i < 3; ++i) {
      h.pass(5'000);
      (void)h.heartbeat(h.pulse("b", h.g->consumer_describe(1).members.back().member_epoch));
    }
    CHECK(h.g->consumer_describe(1).members.size() == 1);
  }
  SUBCASE("restart") {
    h.restart();
    CHECK(h.g->consumer_describe(1).group_state == "Stable");
    CHECK(h.beat(h.a, 2) == error_code::none);
    CHECK(h.g->consumer_describe(1).members.at(h.a < "b" ? 1 : 0).member_type == 1);
  }
}

TEST_CASE("mixed: an upgrade that cannot be written leaves a classic group") {
  classic_one h;
  h.durable = false;
  const auto t = h.send(&group::consumer_heartbeat, h.hello("b"), 1);
  h.fail_writes();
  h.durable = true;
  CHECK(h.reply<consumer_group_heartbeat_response>(t).error_code == error_code::not_coordinator);
  CHECK(h.g->listed()->group_type == "classic");
  CHECK(h.beat(h.a, 1) == error_code::none);
  h.pass(11'000);
  CHECK(h.beat(h.a, 1) == error_code::unknown_member_id);
}

TEST_CASE("mixed: groups of other protocol types, or without leave to change, stay as they are") {
  harness connect({{"t", 4}});
  auto q = connect.join_request("");
  q.protocol_type = "connect";
  const auto r = connect.reply<join_group_response>(connect.join(q, 3));
  CHECK(connect.heartbeat(connect.hello("b")).error_code == error_code::group_id_not_found);
  CHECK(connect.beat(r.member_id, 1) == error_code::none);

  classic_one h;
  h.options.online_upgrade = false;
  h.restart();
  CHECK(h.heartbeat(h.hello("b")).error_code == error_code::group_id_not_found);
}

TEST_CASE("mixed: a classic member joins a consumer group") {
  harness h({{"t", 4}});
  (void)h.heartbeat(h.hello("b"));
  auto foreign = h.join_request("");
  foreign.protocol_type = "connect";
  CHECK(h.reply<join_group_response>(h.join(foreign)).error_code ==
        error_code::inconsistent_group_protocol);
  const auto first = h.reply<join_group_response>(h.join(join_with(h, "", {})));
  CHECK(first.error_code == error_code::member_id_required);
  const auto j = h.reply<join_group_response>(h.join(join_with(h, first.member_id, {})));
  CHECK(j.error_code == error_code::none);
  CHECK(j.generation_id == 2);
  CHECK(partitions(h.reply<sync_group_response>(h.sync(first.member_id, 2))).empty());
  (void)h.heartbeat(h.pulse("b", 1));
  auto done = h.pulse("b", 1);
  done.topic_partitions.emplace().push_back({h.view->list[0].id, {0, 1}});
  CHECK(h.heartbeat(done).member_epoch == 2);
  // Partitions are free now: it is told to join again and gets them.
  CHECK(h.beat(first.member_id, 2) == error_code::rebalance_in_progress);
  const auto again = h.reply<join_group_response>(h.join(join_with(h, first.member_id, {})));
  CHECK(again.generation_id == 2);
  CHECK(partitions(h.reply<sync_group_response>(h.sync(first.member_id, 2))) == list{2, 3});
  CHECK(h.beat(first.member_id, 2) == error_code::none);
}

TEST_CASE("mixed: the last new member comes back with the old protocol") {
  harness h({{"t", 4}});
  auto q = h.hello("b");
  q.instance_id = "i";
  (void)h.heartbeat(q);
  auto back = join_with(h, "", {});
  back.group_instance_id = "i";
  const auto j = h.reply<join_group_response>(h.join(back));
  CHECK(j.error_code == error_code::none);
  CHECK(h.g->listed()->group_type == "classic");
  CHECK(h.g->describe(6).group_state == "Stable");
  const auto s =
      h.sync(j.member_id, h.g->describe(6).members.size() == 1 ? j.generation_id : 0, {}, "i");
  CHECK(partitions(h.reply<sync_group_response>(s)) == list{0, 1, 2, 3});
}

}  // namespace
}  // namespace weir::kafka
