// What the leader does by its clock, and the way of commands to it.
#include <doctest/doctest.h>

#include "cluster/meta/raft/records.hpp"
#include "cluster/meta/service/command_lanes.hpp"
#include "cluster/meta/service/identity.hpp"
#include "cluster/meta/service/leader_orders.hpp"
#include "cluster/meta/service/peers.hpp"
#include "cluster/meta/service/watch.hpp"

namespace weir::meta {

namespace {

kafka::uuid uuid_of(uint8_t n) {
  kafka::uuid u;
  u.bytes[7] = n;
  u.bytes[15] = 1;
  return u;
}

/// A cluster of n registered nodes and their servers.
struct nodes {
  cluster_state state;
  configuration servers;
  explicit nodes(uint8_t n, std::vector<std::string> racks = {}) {
    for (uint8_t i = 1; i <= n; ++i) {
      auto rack = racks.empty() ? "" : racks[(i - 1u) % racks.size()];
      state.apply({{}, 0, register_node{uuid_of(i), "n" + std::to_string(i), rack, {}}});
      servers.push_back(
          {i, "h:" + std::to_string(i), i == 1 ? server_role::voter : server_role::learner});
    }
  }
  void fence(int32_t n) {
    state.apply({{}, 0, fence_node{node_id{n}, state.find_node(node_id{n})->epoch}});
  }
  server& of(server_id id) { return servers[id - 1]; }
};

}  // namespace

TEST_CASE("peers: a server that takes a lost one's place has an address of its own there") {
  configuration members{{1, "h:1", server_role::voter}, {2, "h:2", server_role::voter}};
  CHECK(address_of_member(members, 3, "h:3") == "h:3");
  CHECK(address_of_member(members, 2, "h:2") == "h:2");
  const auto again = address_of_member(members, 3, "h:2");
  CHECK(again == "h:2#3");
  CHECK(listener_of(again) == "h:2");
  CHECK(listener_of("h:2") == "h:2");
  // Lost twice.
  members.push_back({3, again, server_role::learner});
  CHECK(address_of_member(members, 4, "h:2") == "h:2#4");
}

TEST_CASE("watch: a node that is silent for too long is given up, once it was given time") {
  nodes c(3);
  leader_watch w({.silence_max_ms = 1000});
  w.begin(5000);
  CHECK(w.due(6000, c.state).empty());
  w.heard(1, 6000);
  w.heard(2, 6000);
  auto due = w.due(6001, c.state);
  REQUIRE(due.size() == 1);
  CHECK(std::get<fence_node>(due[0]).node == node_id{3});
  c.fence(3);
  CHECK(w.due(6500, c.state).empty());
  w.begin(9000);  // led again: nobody can be blamed for the time before
  CHECK(w.due(9900, c.state).empty());
}

TEST_CASE("watch: a leader that was lost is given up in time for when it spoke last") {
  nodes c(3);
  leader_watch w({.silence_max_ms = 2500});
  auto given_up = [&](uint64_t now) {
    std::vector<int32_t> out;
    for (const auto& d : w.due(now, c.state)) out.push_back(std::get<fence_node>(d).node.value);
    return out;
  };
  w.begin(6400, 3, 5000);
  CHECK(given_up(7500).empty());
  CHECK(given_up(7501) == std::vector<int32_t>{3});
  CHECK(given_up(8900) == std::vector<int32_t>{3});
  CHECK(given_up(8901) == std::vector<int32_t>{1, 2, 3});
  // It only lost an election, and says so; or the election took long.
  w.begin(6400, 3, 5000);
  w.heard(3, 6900);
  CHECK(given_up(8900).empty());
  w.begin(9000, 3, 5000);
  CHECK(given_up(10000).empty());
  CHECK(given_up(10001) == std::vector<int32_t>{3});
}

TEST_CASE("watch: as many voters as an odd number allows, other racks first") {
  nodes c(4, {"a", "a", "b", "c"});
  leader_watch w;
  w.begin(0);
  for (server_id id : {1, 2, 3, 4}) w.heard(id, 50);
  auto next = [&]() -> std::optional<membership_change> {
    auto m = w.membership(100, c.servers, 1, c.state);
    if (m) c.of(m->which).role = m->role;
    return m;
  };
  auto first = next();
  REQUIRE(first);
  CHECK(first->which == 3);  // node 2 stands in the rack of node 1
  auto second = next();
  REQUIRE(second);
  CHECK(second->which == 4);
  CHECK_FALSE(next());  // four nodes: a fourth vote helps nobody
}

TEST_CASE("watch: a voter that is gone keeps its vote until another one has taken its place") {
  nodes c(4);
  for (auto& s : c.servers) s.role = s.id <= 3 ? server_role::voter : server_role::learner;
  leader_watch w({.voter_silence_max_ms = 1000});
  w.begin(0);
  for (server_id id : {1, 2, 4}) w.heard(id, 5000);
  c.fence(3);
  auto m = w.membership(5000, c.servers, 1, c.state);
  REQUIRE(m);
  CHECK(m->which == 4);
  CHECK(m->role == server_role::voter);
  c.of(4).role = server_role::voter;
  m = w.membership(5000, c.servers, 1, c.state);
  REQUIRE(m);
  CHECK(m->which == 3);
  CHECK(m->role == server_role::learner);
  // With nobody to take its place it stays one.
  nodes three(3);
  for (auto& s : three.servers) s.role = server_role::voter;
  three.fence(3);
  CHECK_FALSE(w.membership(5000, three.servers, 1, three.state));
}

TEST_CASE("watch: a vote is given up only when those that are left are a majority that answers") {
  auto voters = [](nodes& c) {
    std::vector<server_id> out;
    for (const auto& s : c.servers)
      if (s.role == server_role::voter) out.push_back(s.id);
    return out;
  };
  auto settle = [](nodes& c, leader_watch& w, uint64_t now) {
    for (int i = 0; i < 10; ++i) {
      auto m = w.membership(now, c.servers, 1, c.state);
      if (!m) return;
      c.of(m->which).role = m->role;
    }
    FAIL("it does not come to rest");
  };
  using list = std::vector<server_id>;
  auto third_drains = [](nodes& c, leader_watch& w, uint64_t now) {
    for (auto& s : c.servers) s.role = s.id <= 3 ? server_role::voter : server_role::learner;
    w.begin(0);
    for (const auto& s : c.servers)
      if (s.id != 2) w.heard(s.id, now);
    c.fence(2);
    REQUIRE(c.state.apply({{}, 0, drain_node{node_id{3}, true}}).reply.ok());
  };
  leader_watch w;
  // Node 2 is silent for a moment: the vote of node 3 is needed.
  nodes c(3);
  third_drains(c, w, 4'000);
  settle(c, w, 4'000);
  CHECK(voters(c) == list{1, 2, 3});
  // For longer: its own vote goes first, so that node 3 can go.
  w.heard(1, 11'000);
  w.heard(3, 11'000);
  auto first = w.membership(11'000, c.servers, 1, c.state);
  REQUIRE(first);
  CHECK((first->which == 2 && first->role == server_role::learner));
  settle(c, w, 11'000);
  CHECK(voters(c) == list{1});
  // When both are back, both vote again.
  c.state.apply({{}, 0, register_node{uuid_of(2), "n2", "", {}}});
  REQUIRE(c.state.apply({{}, 0, drain_node{node_id{3}, false}}).reply.ok());
  w.heard(2, 11'000);
  settle(c, w, 11'000);
  CHECK(voters(c) == list{1, 2, 3});
  // Where a fourth one can take its place, that is what happens, and at once.
  nodes four(4);
  third_drains(four, w, 4'000);
  settle(four, w, 4'000);
  CHECK(voters(four) == list{1, 2, 4});
}

TEST_CASE("watch: a forgotten node's server is removed") {
  nodes c(2);
  c.fence(2);
  REQUIRE(c.state.apply({{}, 0, remove_node{node_id{2}}}).reply.ok());
  leader_watch w({.voter_silence_max_ms = 1000});
  w.begin(0);
  CHECK_FALSE(w.membership(5000, c.servers, 1, c.state));
  auto m = w.membership(7000, c.servers, 1, c.state);
  REQUIRE(m);
  CHECK(m->which == 2);
  CHECK(m->remove);
}

TEST_CASE("watch: what balances is proposed, and nothing when all is even") {
  nodes c(2);
  create_topic t;
  t.name = "orders";
  t.id = uuid_of(99);
  t.partitions = 4;
  t.assignment.assign(4, {node_id{1}, node_id{2}});
  t.assignment[3] = t.assignment[2] = {node_id{2}, node_id{1}};
  REQUIRE(c.state.apply({{}, 0, t}).reply.ok());
  leader_watch w({.balance_interval_ms = 10});
  w.begin(0);
  CHECK(w.balance(5, c.state).empty());
  CHECK(w.balance(20, c.state).empty());  // each partition is led by whom it prefers
  c.fence(1);
  c.state.apply({{}, 0, register_node{uuid_of(1), "n1", "", {}}});
  for (int32_t i = 0; i < 4; ++i) {
    const auto& p = *c.state.find_partition(t.id, i);
    REQUIRE(p.leader == node_id{2});
    alter_in_sync back{t.id,           i,         p.leader,  c.state.find_node(node_id{2})->epoch,
                       p.leader_epoch, p.version, p.replicas};
    REQUIRE(c.state.apply({{}, 0, back}).reply.ok());
  }
  auto moves = w.balance(40, c.state);
  REQUIRE(moves.size() == 1);
  CHECK(c.state.apply({{}, 0, moves[0]}).reply.number == 2);
  CHECK(w.balance(60, c.state).empty());
}

TEST_CASE("a node that has come back leads again when clients have had time to find it") {
  nodes c(2);
  create_topic t;
  t.name = "orders";
  t.id = uuid_of(99);
  t.partitions = 1;
  t.assignment.assign(1, {node_id{1}, node_id{2}});
  REQUIRE(c.state.apply({{}, 0, t}).reply.ok());
  leader_watch w({.balance_interval_ms = 10, .leaders_back_after_ms = 1'000});
  w.begin(0);
  c.fence(1);
  CHECK(w.due(20, c.state).empty());  // it is seen to be gone
  c.state.apply({{}, 0, register_node{uuid_of(1), "n1", "", {}}});
  CHECK(w.due(30, c.state).empty());  // and back
  const auto& p = *c.state.find_partition(t.id, 0);
  REQUIRE(p.leader == node_id{2});
  alter_in_sync back{t.id,           0,         p.leader,  c.state.find_node(node_id{2})->epoch,
                     p.leader_epoch, p.version, p.replicas};
  REQUIRE(c.state.apply({{}, 0, back}).reply.ok());
  CHECK(w.balance(40, c.state).empty());
  CHECK(w.balance(1'020, c.state).empty());
  auto moves = w.balance(1'040, c.state);
  REQUIRE(moves.size() == 1);
  CHECK(c.state.apply({{}, 0, moves[0]}).reply.number == 1);
  CHECK(c.state.find_partition(t.id, 0)->leader == node_id{1});
}

namespace {

/// Topics of one assignment each for all of their partitions; balances until nothing is left to do,
/// and counts the rounds. What each node leads then, by topic.
std::vector<std::map<int32_t, int>> leaders_after_balance(
    nodes& c, const std::vector<std::pair<int, std::vector<node_id>>>& topics, size_t& rounds) {
  std::vector<kafka::uuid> ids;
  for (const auto& [partitions, replicas] : topics) {
    create_topic t;
    t.name = "t" + std::to_string(ids.size());
    t.id = ids.emplace_back(uuid_of(static_cast<uint8_t>(90 + ids.size())));
    t.partitions = partitions;
    t.assignment.assign(static_cast<size_t>(partitions), replicas);
    REQUIRE(c.state.apply({{}, 0, t}).reply.ok());
  }
  leader_watch w({.balance_interval_ms = 10, .moves_max = 5});
  w.begin(0);
  rounds = 0;
  for (uint64_t now = 20; rounds < 50; now += 20, ++rounds) {
    auto moves = w.balance(now, c.state);
    if (moves.empty()) break;
    CHECK(moves.size() <= 6);  // orders, and one command for leaders
    for (auto& m : moves) REQUIRE(c.state.apply({{}, 0, std::move(m)}).reply.ok());
  }
  std::vector<std::map<int32_t, int>> out;
  for (const auto& id : ids) {
    auto& led = out.emplace_back();
    for (const auto& p : c.state.topics().at(id).partitions) ++led[p.leader.value];
  }
  return out;
}

}  // namespace

TEST_CASE("watch: each node leads as many partitions, of each topic too") {
  using led = std::map<int32_t, int>;
  const node_id a{1}, b{2}, d{3};
  size_t rounds = 0;
  nodes three(3);
  CHECK(leaders_after_balance(three, {{6, {a, b, d}}, {6, {a, b, d}}}, rounds) ==
        std::vector<led>{{{1, 2}, {2, 2}, {3, 2}}, {{1, 2}, {2, 2}, {3, 2}}});
  CHECK(rounds == 2);  // eight of twelve move
  // As many in all already, but not of each topic.
  nodes two(2);
  CHECK(leaders_after_balance(two, {{4, {a, b}}, {4, {b, a}}}, rounds) ==
        std::vector<led>{{{1, 2}, {2, 2}}, {{1, 2}, {2, 2}}});
  // Topics of one partition: as many in all.
  nodes single(3);
  const std::pair<int, std::vector<node_id>> one{1, {a, b, d}};
  led all;
  for (const auto& t : leaders_after_balance(single, {one, one, one, one, one, one}, rounds))
    for (auto [n, count] : t) all[n] += count;
  CHECK(all == led{{1, 2}, {2, 2}, {3, 2}});
  // A node without a replica leads nothing; one that drains gets nothing.
  nodes five(5);
  five.state.apply({{}, 0, drain_node{node_id{5}, true}});
  CHECK(leaders_after_balance(five, {{4, {a, b, node_id{5}}}, {1, {d}}}, rounds).at(0).count(5) ==
        0);
}

TEST_CASE("leaders: a node gives to one with which it shares no partition, by a third one") {
  const node_id a{1}, b{2}, d{3};
  nodes c(3);
  // Three, two and one: no single swap makes it more even.
  std::vector<std::vector<node_id>> replicas{{a, b}, {a, b}, {a, b}, {b, d}, {b, d}, {d, b}};
  for (uint8_t n = 0; n < replicas.size(); ++n) {
    create_topic t;
    t.name = "t" + std::to_string(n);
    t.id = uuid_of(static_cast<uint8_t>(90 + n));
    t.partitions = 1;
    t.assignment = {replicas[n]};
    REQUIRE(c.state.apply({{}, 0, t}).reply.ok());
  }
  CHECK(even_out_leaders(c.state, 1).empty());
  auto moves = even_out_leaders(c.state, 8);
  CHECK(moves.size() == 2);
  for (auto& m : moves) REQUIRE(c.state.apply({{}, 0, std::move(m)}).reply.ok());
  std::map<int32_t, int> first;
  for (const auto& [id, t] : c.state.topics()) ++first[t.partitions[0].replicas[0].value];
  CHECK(first == std::map<int32_t, int>{{1, 2}, {2, 2}, {3, 2}});
  CHECK(even_out_leaders(c.state, 8).empty());
}

TEST_CASE("watch: who leads and drains is followed by a voter that stays; one is made for that") {
  nodes c(2);
  leader_watch w({.silence_max_ms = 100});
  w.begin(0);
  w.heard(1, 10);
  w.heard(2, 10);
  CHECK(!w.membership(20, c.servers, 1, c.state));  // of two one votes
  c.state.apply({{}, 0, drain_node{node_id{1}, true}});
  CHECK(w.successor(20, c.servers, 1, c.state) == 0);
  auto change = w.membership(20, c.servers, 1, c.state);
  REQUIRE(change);
  CHECK((change->which == 2 && change->role == server_role::voter && !change->remove));
  c.of(2).role = server_role::voter;
  CHECK(w.successor(20, c.servers, 1, c.state) == 2);
  CHECK(w.successor(200, c.servers, 1, c.state) == 0);  // it is silent
  // Node 2 leads by now.
  change = w.membership(20, c.servers, 2, c.state);
  REQUIRE(change);
  CHECK((change->which == 1 && change->role == server_role::learner && !change->remove));
}

TEST_CASE(
    "watch: replicas of a node that is gone for long are made anew elsewhere, some at a time") {
  nodes c(4);
  create_topic t;
  t.name = "orders";
  t.id = uuid_of(99);
  for (int32_t i = 0; i < 5; ++i)
    t.assignment.push_back({node_id{1 + i % 2}, node_id{2 - i % 2}, node_id{3}});
  REQUIRE(c.state.apply({{}, 0, t}).reply.ok());
  create_topic other;  // so that the fourth node has its share
  other.name = "clicks";
  other.id = uuid_of(98);
  other.assignment.assign(5, {node_id{4}});
  REQUIRE(c.state.apply({{}, 0, other}).reply.ok());
  c.fence(3);
  leader_watch w({.balance_interval_ms = 10, .moves_max = 3, .rebuild_delay_ms = 1000});
  w.begin(0);
  CHECK(w.due(100, c.state).empty());
  CHECK(w.balance(1000, c.state).empty());
  auto moves = w.balance(1101, c.state);
  REQUIRE(moves.size() == 3);
  for (size_t i = 0; i < moves.size(); ++i) {
    const auto& m = std::get<reassign_partition>(moves[i]);
    CHECK(m.partition == static_cast<int32_t>(i));
    auto target = t.assignment[i];
    target[2] = node_id{4};
    CHECK(m.target == target);
    CHECK(c.state.apply({{}, 0, m}).reply.ok());
  }
  // They are on the move: no more than that at a time.
  CHECK(w.balance(1200, c.state).empty());
  // Node 4 is gone for long, too: what was on its way there goes elsewhere.
  c.fence(4);
  c.state.apply({{}, 0, register_node{uuid_of(5), "n5", "", {}}});
  CHECK(w.due(1300, c.state).empty());
  moves = w.balance(2301, c.state);
  REQUIRE(moves.size() == 3);
  for (size_t i = 0; i < moves.size(); ++i) {
    const auto& m = std::get<reassign_partition>(moves[i]);
    auto target = t.assignment[i];
    target[2] = node_id{5};
    CHECK(m.target == target);
    CHECK(c.state.apply({{}, 0, m}).reply.ok());
  }
}

TEST_CASE("watch: internal topics get their replicas as nodes come") {
  nodes c(1);
  for (const char* name : {"__consumer_offsets", "orders"}) {
    create_topic t;
    t.name = name;
    t.id = uuid_of(name[0]);
    t.assignment.assign(2, {node_id{1}});
    REQUIRE(c.state.apply({{}, 0, t}).reply.ok());
  }
  leader_watch w({.balance_interval_ms = 10, .replicas_wanted = {{"__consumer_offsets", 3}}});
  w.begin(0);
  CHECK(w.balance(100, c.state).empty());
  // One node more at a time, and no more replicas than wanted.
  std::vector<node_id> replicas{node_id{1}};
  for (int32_t n = 2; n <= 4; ++n) {
    REQUIRE(c.state
                .apply({{},
                        0,
                        register_node{
                            uuid_of(static_cast<uint8_t>(n)), "n" + std::to_string(n), "", {}}})
                .reply.ok());
    const auto moves = w.balance(100 * static_cast<uint64_t>(n), c.state);
    std::vector<reassign_partition> made;
    for (const auto& m : moves)
      if (const auto* r = std::get_if<reassign_partition>(&m)) made.push_back(*r);
    REQUIRE(made.size() == (n <= 3 ? 2 : 0));
    if (n <= 3) replicas.push_back(node_id{n});
    for (size_t i = 0; i < made.size(); ++i) {
      CHECK(made[i].partition == static_cast<int32_t>(i));
      CHECK(made[i].target == replicas);
      REQUIRE(c.state.apply({{}, 0, made[i]}).reply.ok());
      const auto& p = *c.state.find_partition(made[i].topic, made[i].partition);
      alter_in_sync all{
          made[i].topic,  made[i].partition, p.leader, c.state.find_node(p.leader)->epoch,
          p.leader_epoch, p.version,         replicas};
      REQUIRE(c.state.apply({{}, 0, all}).reply.ok());
      REQUIRE(c.state.find_partition(made[i].topic, made[i].partition)->replicas == replicas);
    }
  }
}

TEST_CASE("lanes: a request is repeated under its number until it is answered") {
  command_lanes lanes(2);
  std::vector<std::string> ends;
  auto submit = [&](std::string name, uint64_t until) {
    lanes.submit(set_cluster_config{"min.insync.replicas", name}, until,
                 [&ends, name](result<answer> a) {
                   ends.push_back(name + (a ? "" : ": " + std::string(to_string(a.err().code))));
                 });
  };
  submit("a", 1000);
  submit("b", 1000);
  submit("c", 1000);
  auto first = lanes.due(0);
  REQUIRE(first.size() == 2);  // one request a lane
  CHECK(lanes.due(10).empty());
  lanes.outcome(first[0], std::nullopt, 10);
  CHECK(lanes.due(20).empty());  // after a moment
  auto again = lanes.due(100);
  REQUIRE(again.size() == 1);
  CHECK(again[0].bytes == first[0].bytes);
  lanes.outcome(again[0], result<answer>(answer{}), 110);
  lanes.outcome(first[0], result<answer>(answer{}), 120);  // late: it was answered
  CHECK(ends == std::vector<std::string>{"a"});
  auto third = lanes.due(130);
  REQUIRE(third.size() == 1);
  CHECK(decode_request(third[0].bytes)->number == 2);
  lanes.outcome(third[0], std::nullopt, 140);
  CHECK(lanes.due(1001).empty());
  CHECK(ends == std::vector<std::string>{"a", "c: timeout"});
  lanes.stop();
  CHECK(ends == std::vector<std::string>{"a", "c: timeout", "b: cancelled"});
}

TEST_CASE("identity: a server's id follows from its node's") {
  CHECK(server_of(uuid_of(5)) == 5);
  for (int i = 0; i < 100; ++i) CHECK(server_of(kafka::random_uuid()) > 0);
}

}  // namespace weir::meta
