#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka {
namespace {

/// A stable group of two members; the first leads.
struct stable_pair : harness {
  std::string a, b;
  int32_t generation = 0;
  explicit stable_pair() : harness({{"t", 4}}) {
    auto [id_a, token_a] = join_new();
    a = id_a;
    auto first = reply<join_group_response>(token_a);
    CHECK(first.generation_id == 1);
    CHECK(first.leader == a);
    auto [id_b, token_b] = join_new();
    b = id_b;
    CHECK_FALSE(answered(token_b));  // until a joins, too
    const auto again = join(join_request(a));
    const auto ra = reply<join_group_response>(again);
    const auto rb = reply<join_group_response>(token_b);
    generation = ra.generation_id;
    CHECK(generation == 2);
    CHECK(rb.generation_id == 2);
    CHECK(ra.members.size() == 2);
    CHECK(rb.members.empty());
    CHECK(rb.leader == a);
    CHECK(ra.protocol_name == "range");
    const auto sb = sync(b, generation);
    CHECK_FALSE(answered(sb));
    const auto sa = sync(a, generation, {{a, "for a"}, {b, "for b"}});
    CHECK(reply<sync_group_response>(sa).assignment == "for a");
    CHECK(reply<sync_group_response>(sb).assignment == "for b");
  }
};

TEST_CASE("classic: two members join, are assigned, and a third makes them rebalance") {
  stable_pair h;
  CHECK(h.beat(h.a, 2) == error_code::none);
  CHECK(h.g->describe(6).group_state == "Stable");
  CHECK(h.g->describe(6).members.size() == 2);
  CHECK(h.g->describe(6).protocol_data == "range");
  const auto [c, token_c] = h.join_new();
  CHECK(h.g->describe(6).group_state == "PreparingRebalance");
  CHECK(h.beat(h.a, 2) == error_code::rebalance_in_progress);
  const auto ta = h.join(h.join_request(h.a));
  const auto tb = h.join(h.join_request(h.b));
  CHECK(h.reply<join_group_response>(ta).members.size() == 3);
  CHECK(h.reply<join_group_response>(tb).generation_id == 3);
  CHECK(h.reply<join_group_response>(token_c).generation_id == 3);
  CHECK(h.g->describe(6).group_state == "CompletingRebalance");
  CHECK(h.beat(h.a, 2) == error_code::illegal_generation);
  CHECK(h.g->listed()->group_state == "CompletingRebalance");
  CHECK(h.g->listed()->group_type == "classic");
}

TEST_CASE("classic: a new member gets its id first from version 4 on") {
  harness h({{"t", 1}});
  h.client_id = "me";
  const auto r = h.reply<join_group_response>(h.join(h.join_request(""), 4));
  CHECK(r.error_code == error_code::member_id_required);
  CHECK(r.member_id == "me-00000000-0000-0000-0000-000000000001");
  CHECK(h.log.size() == 1);  // the group exists
  CHECK(h.g->describe(6).group_state == "Empty");
  // Old clients get it with their first answer.
  harness old({{"t", 1}});
  const auto o = old.reply<join_group_response>(old.join(old.join_request(""), 3));
  CHECK(o.error_code == error_code::none);
  CHECK(o.member_id == o.leader);
}

TEST_CASE("classic: requests that are refused") {
  harness h({{"t", 1}});
  auto q = h.join_request("");
  q.session_timeout_ms = 100;
  CHECK(h.reply<join_group_response>(h.join(q)).error_code == error_code::invalid_session_timeout);
  CHECK(h.reply<join_group_response>(h.join(h.join_request("nobody"))).error_code ==
        error_code::unknown_member_id);
  q = h.join_request("");
  q.protocols.clear();
  CHECK(h.reply<join_group_response>(h.join(q)).error_code ==
        error_code::inconsistent_group_protocol);
  q = h.join_request("");
  q.group_id.clear();
  CHECK(h.reply<join_group_response>(h.join(q)).error_code == error_code::invalid_group_id);
  CHECK(h.reply<sync_group_response>(h.sync("nobody", 1)).error_code ==
        error_code::unknown_member_id);
  CHECK(h.beat("nobody", 1) == error_code::unknown_member_id);
  CHECK(h.leave("nobody").members[0].error_code == error_code::unknown_member_id);
  CHECK_FALSE(h.g->exists());
  CHECK(h.g->removable());

  stable_pair pair;
  q = pair.join_request("");
  q.protocol_type = "connect";
  CHECK(pair.reply<join_group_response>(pair.join(q)).error_code ==
        error_code::inconsistent_group_protocol);
  CHECK(pair.reply<sync_group_response>(pair.sync(pair.a, 1)).error_code ==
        error_code::illegal_generation);
}

TEST_CASE("classic: a silent member is put out, and the others rebalance") {
  stable_pair h;
  h.pass(9'000);
  CHECK(h.beat(h.a, 2) == error_code::none);
  h.pass(2'000);  // b was silent for 11 s
  CHECK(h.beat(h.a, 2) == error_code::rebalance_in_progress);
  const auto r = h.reply<join_group_response>(h.join(h.join_request(h.a)));
  CHECK(r.generation_id == 3);
  CHECK(r.members.size() == 1);
  CHECK(h.beat(h.b, 2) == error_code::unknown_member_id);
}

TEST_CASE("classic: who does not rejoin within the rebalance timeout is out") {
  stable_pair h;
  const auto [c, token_c] = h.join_new();
  const auto token_a = h.join(h.join_request(h.a));
  for (int i = 0; i < 7; ++i) {  // b keeps its session, but does not join
    h.pass(9'000);
    if (i < 6) CHECK(h.beat(h.b, 2) == error_code::rebalance_in_progress);
  }
  CHECK(h.reply<join_group_response>(token_a).members.size() == 2);
  CHECK(h.reply<join_group_response>(token_c).generation_id == 3);
  CHECK(h.beat(h.b, 2) == error_code::unknown_member_id);
}

TEST_CASE("classic: who does not sync within the rebalance timeout is out") {
  harness h({{"t", 4}});
  const auto [a, token_a] = h.join_new();
  (void)h.reply<join_group_response>(token_a);
  for (int i = 0; i < 7; ++i) {
    h.pass(9'000);
    (void)h.beat(a, 1);
  }
  CHECK(h.beat(a, 1) == error_code::unknown_member_id);
  CHECK(h.g->describe(6).group_state == "Empty");
}

TEST_CASE("classic: the first rebalance waits for more members") {
  group_options o;
  o.initial_rebalance_delay_ms = 3'000;
  harness h({{"t", 4}}, o);
  const auto [a, token_a] = h.join_new();
  h.pass(2'000);
  const auto [b, token_b] = h.join_new();
  h.pass(2'000);  // b's coming extended the wait
  CHECK_FALSE(h.answered(token_a));
  h.pass(2'000);
  CHECK(h.reply<join_group_response>(token_a).generation_id == 1);
  CHECK(h.reply<join_group_response>(token_b).generation_id == 1);
}

TEST_CASE("classic: leaving, in one request for several, empties the group") {
  stable_pair h;
  leave_group_request q;
  q.group_id = "g";
  q.members.push_back({h.a, std::nullopt, std::nullopt});
  q.members.push_back({"stranger", std::nullopt, std::nullopt});
  q.members.push_back({h.b, std::nullopt, std::nullopt});
  const auto r = h.reply<leave_group_response>(h.send(&group::leave, q, 5));
  CHECK(r.members[0].error_code == error_code::none);
  CHECK(r.members[1].error_code == error_code::unknown_member_id);
  CHECK(r.members[2].error_code == error_code::none);
  CHECK(h.g->describe(6).group_state == "Empty");
  CHECK(h.g->exists());
  // Version 2 names one member and has one error.
  leave_group_request old;
  old.group_id = "g";
  old.member_id = "stranger";
  CHECK(h.reply<leave_group_response>(h.send(&group::leave, old, 2)).error_code ==
        error_code::unknown_member_id);
}

TEST_CASE("classic: a static member comes back without a rebalance, and fences its old self") {
  harness h({{"t", 4}});
  const auto first = h.reply<join_group_response>(h.join(h.join_request("", {"t"}, "i1")));
  REQUIRE(first.error_code == error_code::none);
  const auto synced = h.sync(first.member_id, 1, {{first.member_id, "mine"}}, "i1");
  CHECK(h.reply<sync_group_response>(synced).assignment == "mine");

  const auto back = h.reply<join_group_response>(h.join(h.join_request("", {"t"}, "i1")));
  CHECK(back.error_code == error_code::none);
  CHECK(back.generation_id == 1);
  CHECK(back.member_id != first.member_id);
  CHECK(back.skip_assignment);
  CHECK(back.leader == back.member_id);
  CHECK(back.members.size() == 1);
  CHECK(h.reply<sync_group_response>(h.sync(back.member_id, 1, {}, "i1")).assignment == "mine");
  CHECK(h.beat(first.member_id, 1, "i1") == error_code::fenced_instance_id);
  CHECK(h.beat(back.member_id, 1, "i1") == error_code::none);

  // Before version 9 it is told that its old self leads, so that it does not assign.
  const auto old = h.reply<join_group_response>(h.join(h.join_request("", {"t"}, "i1"), 8));
  CHECK(old.leader == back.member_id);
  CHECK_FALSE(old.skip_assignment);
  CHECK(old.members.empty());

  // An operator removes it by its instance.
  CHECK(h.leave("", "i1").members[0].error_code == error_code::none);
  CHECK(h.g->describe(6).group_state == "Empty");
}

TEST_CASE("classic: a static member's return that cannot be stored leaves the old one in place") {
  harness h({{"t", 4}});
  const auto first = h.reply<join_group_response>(h.join(h.join_request("", {"t"}, "i1")));
  (void)h.sync(first.member_id, 1, {{first.member_id, "mine"}}, "i1");
  h.durable = false;
  const auto token = h.join(h.join_request("", {"t"}, "i1"));
  CHECK_FALSE(h.answered(token));
  h.fail_writes();
  CHECK(h.reply<join_group_response>(token).error_code == error_code::not_coordinator);
  CHECK(h.beat(first.member_id, 1, "i1") == error_code::none);
}

TEST_CASE("classic: an assignment is given out when it is durable") {
  harness h({{"t", 4}});
  const auto [a, token_a] = h.join_new();
  (void)h.reply<join_group_response>(token_a);
  h.durable = false;
  const auto s = h.sync(a, 1, {{a, "mine"}});
  CHECK_FALSE(h.answered(s));
  CHECK(h.g->describe(6).group_state == "CompletingRebalance");
  SUBCASE("written") {
    h.flush();
    CHECK(h.reply<sync_group_response>(s).assignment == "mine");
    CHECK(h.g->describe(6).group_state == "Stable");
  }
  SUBCASE("failed: the group rebalances") {
    h.fail_writes();
    const auto r = h.reply<sync_group_response>(s);
    CHECK(r.error_code == error_code::not_coordinator);
    CHECK(r.assignment.empty());
    CHECK(h.g->describe(6).group_state == "PreparingRebalance");
    h.durable = true;
    CHECK(h.reply<join_group_response>(h.join(h.join_request(a))).generation_id == 2);
  }
}

TEST_CASE("classic: the protocol that all support and most prefer is chosen") {
  harness h({{"t", 4}});
  auto qa = h.join_request("");
  qa.protocols = {{"sticky", "s"}, {"range", "r"}};
  auto qb = h.join_request("");
  qb.protocols = {{"range", "r"}, {"roundrobin", "x"}};
  const auto a = h.reply<join_group_response>(h.join(qa, 3));
  CHECK(a.protocol_name == "sticky");
  const auto b = h.join(qb, 3);
  qa.member_id = a.member_id;
  const auto again = h.join(qa, 3);
  CHECK(h.reply<join_group_response>(again).protocol_name == "range");
  CHECK(h.reply<join_group_response>(b).members.empty());
}

TEST_CASE("classic: a repeated join releases the request that waited") {
  stable_pair h;
  const auto [c, token_c] = h.join_new();
  const auto again = h.join(h.join_request(c));
  CHECK(h.reply<join_group_response>(token_c).error_code == error_code::rebalance_in_progress);
  (void)h.join(h.join_request(h.a));
  (void)h.join(h.join_request(h.b));
  CHECK(h.reply<join_group_response>(again).generation_id == 3);
}

TEST_CASE("classic: a group has no more members than its limit") {
  group_options o = harness::quick();
  o.max_members = 1;
  harness h({{"t", 4}}, o);
  (void)h.join_new();
  CHECK(h.reply<join_group_response>(h.join(h.join_request(""))).error_code ==
        error_code::group_max_size_reached);
}

TEST_CASE("classic: a restarted coordinator goes on with the same members") {
  stable_pair h;
  h.restart();
  CHECK(h.g->describe(6).group_state == "Stable");
  CHECK(h.beat(h.a, 2) == error_code::none);
  CHECK(h.reply<sync_group_response>(h.sync(h.b, 2)).assignment == "for b");
  h.pass(11'000);
  CHECK(h.g->describe(6).group_state == "Empty");
}

}  // namespace
}  // namespace weir::kafka
