#include "cluster/meta/state/state.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "cluster/meta/state/command_codec.hpp"
#include "runtime/snapshot/codec.hpp"
#include "tests/meta/random_commands.hpp"

using namespace weir;
using namespace weir::meta;

namespace {

uuid id_of(uint8_t n) {
  uuid id;
  id.bytes[15] = n;
  return id;
}

// A cluster of `nodes` in racks a, b, c, a, ...
struct fixture {
  cluster_state s;
  answer run(command c) {
    answer a = s.apply({uuid{}, 0, std::move(c)}).reply;
    status sound = s.check();
    CHECK_MESSAGE(sound.ok(), (sound.ok() ? "" : sound.err().message));
    return a;
  }
  explicit fixture(int nodes, int racks = 3) {
    for (int i = 1; i <= nodes; ++i) start(i, racks);
  }
  void start(int i, int racks = 3) {
    answer a = run(register_node{id_of(static_cast<uint8_t>(i)),
                                 "n" + std::to_string(i),
                                 std::string(1, static_cast<char>('a' + (i - 1) % racks)),
                                 {{"kafka", "127.0.0.1", static_cast<uint16_t>(9000 + i)}}});
    REQUIRE(a.ok());
    REQUIRE(a.number == static_cast<uint64_t>(i));
  }
  void topic(uint8_t id, int32_t partitions, uint16_t replication) {
    REQUIRE(
        run(create_topic{"t" + std::to_string(id), id_of(id), partitions, replication, 5, {}, {}})
            .ok());
  }
  const partition_record& part(uint8_t topic, int32_t i) {
    return *s.find_partition(id_of(topic), i);
  }
  node_epoch epoch_of(int n) { return s.find_node(node_id(n))->epoch; }
  answer fence(int n) { return run(fence_node{node_id(n), epoch_of(n)}); }
  // The leader takes everybody who is alive into the in-sync set.
  answer catch_up(uint8_t topic, int32_t i) {
    const auto p = part(topic, i);
    std::vector<node_id> in;
    for (node_id n : p.replicas)
      if (!s.find_node(n)->fenced) in.push_back(n);
    return run(alter_in_sync{id_of(topic), i, p.leader, s.find_node(p.leader)->epoch,
                             p.leader_epoch, p.version, in});
  }
};

std::vector<node_id> ids(std::initializer_list<int> all) {
  std::vector<node_id> v;
  for (int n : all) v.push_back(node_id(n));
  return v;
}

}  // namespace

TEST_CASE("replicas of a new topic are spread over racks and nodes, leaders too") {
  fixture f(6);
  f.topic(100, 12, 3);
  std::map<node_id, int> replicas, leaders;
  for (int i = 0; i < 12; ++i) {
    const auto& p = f.part(100, i);
    CHECK(rack_spread(p.replicas, f.s.nodes()) == 3);
    CHECK(p.in_sync == p.replicas);
    CHECK(p.leader == p.replicas[0]);
    ++leaders[p.leader];
    for (node_id n : p.replicas) ++replicas[n];
  }
  for (const auto& [id, n] : f.s.nodes()) {
    CHECK(replicas[id] == 6);
    CHECK(leaders[id] == 2);
  }
  CHECK(f.run(create_topic{"more", id_of(101), 1, 7, 0, {}, {}}).code == verdict::no_capacity);
  CHECK(f.run(create_topic{"t100", id_of(101), 1, 1, 0, {}, {}}).code == verdict::already_exists);
  CHECK(f.run(create_topic{"a/b", id_of(101), 1, 1, 0, {}, {}}).code == verdict::invalid);
  f.run(create_topic{"x.y", id_of(102), 1, 1, 0, {}, {}});
  CHECK(f.run(create_topic{"x_y", id_of(103), 1, 1, 0, {}, {}}).text ==
        "Topic 'x_y' collides with existing topic: x.y");
}

TEST_CASE("with fewer racks than replicas every rack is used all the same") {
  fixture f(5, 2);
  f.topic(100, 10, 3);
  for (int i = 0; i < 10; ++i) CHECK(rack_spread(f.part(100, i).replicas, f.s.nodes()) == 2);
}

TEST_CASE(
    "a node that dies: another in-sync replica leads; the last in-sync one is never replaced") {
  fixture f(3);
  REQUIRE(f.run(create_topic{"t", id_of(100), 0, 0, 0, {}, {ids({1, 2, 3})}}).ok());
  CHECK(f.fence(1).ok());
  CHECK(f.part(100, 0).leader == node_id(2));
  CHECK(f.part(100, 0).leader_epoch == 1);
  CHECK(f.part(100, 0).in_sync == ids({2, 3}));
  CHECK(f.fence(1).code == verdict::fenced);
  f.fence(2);
  f.fence(3);
  CHECK(f.part(100, 0).leader == no_node);
  CHECK(f.part(100, 0).in_sync == ids({3}));
  // 1 and 2 lack what 3 may have acknowledged: they do not lead, whoever asks.
  f.start(1);
  f.start(2);
  CHECK(f.part(100, 0).leader == no_node);
  CHECK(f.run(elect_leader{id_of(100), 0, node_id(1)}).code == verdict::conflict);
  f.start(3);
  CHECK(f.part(100, 0).leader == node_id(3));
  const int32_t led = f.part(100, 0).leader_epoch;
  CHECK(f.catch_up(100, 0).ok());
  CHECK(f.part(100, 0).in_sync == ids({1, 2, 3}));
  answer balanced = f.run(balance_leaders{10});
  CHECK(balanced.number == 1);
  CHECK(f.part(100, 0).leader == node_id(1));
  CHECK(f.part(100, 0).leader_epoch == led + 1);
}

TEST_CASE("a leader is told whether it still is one, and nothing changes by that") {
  fixture f(3);
  f.topic(100, 1, 3);
  const auto p = f.part(100, 0);
  auto ask = [&](node_id who, node_epoch e, int32_t epoch) {
    return f.run(confirm_leader{id_of(100), 0, who, e, epoch}).code;
  };
  CHECK(ask(p.leader, node_epoch(1), p.leader_epoch) == verdict::ok);
  CHECK(ask(p.leader, node_epoch(1), p.leader_epoch + 1) == verdict::stale);
  CHECK(ask(p.leader, node_epoch(0), p.leader_epoch) == verdict::stale);
  CHECK(ask(p.replicas[1], node_epoch(1), p.leader_epoch) == verdict::stale);
  CHECK(f.run(confirm_leader{id_of(100), 1, p.leader, node_epoch(1), p.leader_epoch}).code ==
        verdict::not_found);
  CHECK(f.part(100, 0).version == p.version);
  CHECK(f.part(100, 0).leader_epoch == p.leader_epoch);
}

TEST_CASE("in-sync sets are changed by the present leader alone, in its epoch") {
  fixture f(3);
  f.topic(100, 1, 3);
  const auto p = f.part(100, 0);
  auto change = [&](node_id who, node_epoch e, int32_t epoch, int32_t version,
                    std::vector<node_id> set) {
    return f.run(alter_in_sync{id_of(100), 0, who, e, epoch, version, std::move(set)}).code;
  };
  node_id leader = p.leader, other = p.replicas[1];
  CHECK(change(other, node_epoch(1), p.leader_epoch, p.version, {other}) == verdict::stale);
  CHECK(change(leader, node_epoch(0), p.leader_epoch, p.version, {leader}) == verdict::stale);
  CHECK(change(leader, node_epoch(1), p.leader_epoch - 1, p.version, {leader}) == verdict::stale);
  CHECK(change(leader, node_epoch(1), p.leader_epoch, p.version + 1, {leader}) == verdict::stale);
  CHECK(change(leader, node_epoch(1), p.leader_epoch, p.version, {other}) == verdict::invalid);
  CHECK(change(leader, node_epoch(1), p.leader_epoch, p.version, {leader, node_id(9)}) ==
        verdict::invalid);
  CHECK(change(leader, node_epoch(1), p.leader_epoch, p.version, {leader}) == verdict::ok);
  CHECK(f.part(100, 0).in_sync == std::vector<node_id>{leader});
  CHECK(f.part(100, 0).leader_epoch == p.leader_epoch);
  // min.insync.replicas: the cluster's default, then the topic's own word.
  CHECK(f.s.writable(*f.s.find_topic("t100"), 0));
  CHECK(f.run(set_cluster_config{"min.insync.replicas", "2"}).ok());
  CHECK_FALSE(f.s.writable(*f.s.find_topic("t100"), 0));
  CHECK(f.run(alter_topic{id_of(100), {{"min.insync.replicas", "1"}}}).ok());
  CHECK(f.s.writable(*f.s.find_topic("t100"), 0));
}

TEST_CASE("who has registered anew since it fetched does not join the in-sync set by that") {
  fixture f(3);
  f.topic(100, 1, 3);
  const node_id leader = f.part(100, 0).leader;
  const node_id other = f.part(100, 0).replicas[leader == f.part(100, 0).replicas[0] ? 1 : 0];
  auto change = [&](std::vector<node_id> set, std::vector<node_epoch> epochs) {
    const auto p = f.part(100, 0);
    return f
        .run(alter_in_sync{id_of(100), 0, leader, f.s.find_node(leader)->epoch, p.leader_epoch,
                           p.version, std::move(set), std::move(epochs)})
        .code;
  };
  const auto before = f.s.find_node(other)->epoch;
  f.start(other.value);  // it restarts before anybody notices
  CHECK(f.s.find_node(other)->epoch.value == before.value + 1);
  CHECK(f.part(100, 0).in_sync.size() == 2);
  const auto third = f.part(100, 0).in_sync;
  auto set = third;
  set.push_back(other);
  std::vector<node_epoch> epochs(third.size(), node_epoch(0));
  epochs.push_back(before);
  CHECK(change(set, epochs) == verdict::conflict);
  CHECK(change(set, {before}) == verdict::invalid);
  epochs.back() = f.s.find_node(other)->epoch;
  CHECK(change(set, epochs) == verdict::ok);
  CHECK(f.part(100, 0).in_sync.size() == 3);
  // What holds makes a version, too: an attempt that is still on its way is void.
  const auto p = f.part(100, 0);
  CHECK(change(p.in_sync, {}) == verdict::ok);
  CHECK(f.part(100, 0).version == p.version + 1);
  CHECK(f.part(100, 0).in_sync == p.in_sync);
}

TEST_CASE("a reassignment ends when the new replicas are in sync, and can be taken back") {
  fixture f(4);
  REQUIRE(f.run(create_topic{"t", id_of(100), 0, 0, 0, {}, {ids({1, 2})}}).ok());
  REQUIRE(f.run(reassign_partition{id_of(100), 0, ids({3, 4})}).ok());
  CHECK(f.part(100, 0).replicas == ids({3, 4, 1, 2}));
  CHECK(f.part(100, 0).leader == node_id(1));
  REQUIRE(f.run(reassign_partition{id_of(100), 0, {}}).ok());
  CHECK(f.part(100, 0).replicas == ids({1, 2}));
  CHECK(f.run(reassign_partition{id_of(100), 0, {}}).code == verdict::conflict);
  REQUIRE(f.run(reassign_partition{id_of(100), 0, ids({3, 2})}).ok());
  const int32_t epoch = f.part(100, 0).leader_epoch;
  REQUIRE(f.catch_up(100, 0).ok());
  CHECK(f.part(100, 0).replicas == ids({3, 2}));
  CHECK(f.part(100, 0).in_sync == ids({3, 2}));
  CHECK(f.part(100, 0).leader == node_id(3));
  CHECK(f.part(100, 0).leader_epoch == epoch + 1);
  CHECK_FALSE(f.part(100, 0).reassigning());
  CHECK(f.run(reassign_partition{id_of(100), 0, ids({3, 3})}).code == verdict::invalid);
}

TEST_CASE("a reassignment ends though a replica that stays is gone") {
  fixture f(4);
  REQUIRE(f.run(create_topic{"t", id_of(100), 0, 0, 0, {}, {ids({1, 2, 3})}}).ok());
  f.fence(3);
  REQUIRE(f.run(reassign_partition{id_of(100), 0, ids({1, 4, 3})}).ok());
  CHECK(f.part(100, 0).in_sync == ids({1, 2}));
  REQUIRE(f.catch_up(100, 0).ok());
  CHECK_FALSE(f.part(100, 0).reassigning());
  CHECK(f.part(100, 0).replicas == ids({1, 4, 3}));
  CHECK(f.part(100, 0).in_sync == ids({1, 4}));
}

TEST_CASE("a node that drains while a move brings it records stays until that is done") {
  fixture f(5);
  REQUIRE(f.run(create_topic{"t", id_of(100), 0, 0, 0, {}, {ids({1, 2})}}).ok());
  f.fence(2);
  f.fence(3);
  f.start(3);
  REQUIRE(f.run(reassign_partition{id_of(100), 0, ids({3, 4})}).ok());
  f.fence(4);
  REQUIRE(f.catch_up(100, 0).ok());
  REQUIRE(f.part(100, 0).in_sync == ids({3, 1}));
  // Node 1 may be gone by now: node 3 has all.
  const auto drained = f.run(drain_node{node_id(3), true});
  CHECK(drained.number == 1);
  CHECK(drained.second == 0);
  CHECK(f.part(100, 0).target == ids({3, 4}));
  CHECK(f.part(100, 0).in_sync == ids({3, 1}));
  CHECK(f.part(100, 0).leader == node_id(1));
  f.start(4);
  REQUIRE(f.catch_up(100, 0).ok());
  CHECK(f.run(balance_replicas{10}).number >= 1);
  CHECK(f.part(100, 0).target == ids({5, 4}));
  REQUIRE(f.catch_up(100, 0).ok());
  CHECK(f.part(100, 0).replicas == ids({5, 4}));
}

TEST_CASE("the last node that takes part is not drained") {
  fixture f(3);
  REQUIRE(f.run(drain_node{node_id(2), true}).ok());
  f.fence(3);
  const auto refused = f.run(drain_node{node_id(1), true});
  CHECK(refused.code == verdict::conflict);
  CHECK(refused.text ==
        "no other node is alive and stays, which could take over what node 1 has: start one, or "
        "undo the drain of another one first");
  CHECK_FALSE(f.s.find_node(node_id(1))->draining);
  CHECK(f.run(drain_node{node_id(3), true}).ok());  // it is gone, and can be forgotten
  REQUIRE(f.run(drain_node{node_id(2), false}).ok());
  CHECK(f.run(drain_node{node_id(1), true}).ok());
}

TEST_CASE(
    "a drained node gives up everything and can be removed; one that is dead is rebuilt "
    "elsewhere") {
  fixture f(4);
  f.topic(100, 8, 3);
  REQUIRE(f.run(submit_job{id_of(50), "job", "plan", 0}).ok());
  REQUIRE(f.run(acquire_master{id_of(50), node_id(2), f.epoch_of(2)}).ok());
  answer drained = f.run(drain_node{node_id(2), true});
  REQUIRE(drained.ok());
  CHECK(drained.second == 0);
  CHECK(drained.number == f.s.burden_of(node_id(2)).replicas);
  CHECK(f.s.burden_of(node_id(2)).leaders == 0);
  CHECK(f.s.burden_of(node_id(2)).masters == 0);
  CHECK(f.run(acquire_master{id_of(50), node_id(2), f.epoch_of(2)}).code == verdict::conflict);
  for (int i = 0; i < 8; ++i) f.catch_up(100, i);
  CHECK(f.s.burden_of(node_id(2)).replicas == 0);
  CHECK(f.run(remove_node{node_id(2)}).code == verdict::conflict);  // alive
  f.fence(2);
  CHECK(f.run(remove_node{node_id(2)}).ok());
  CHECK_FALSE(f.s.find_node(node_id(2)));
  // Three nodes are left for three replicas: a dead one's replicas have nowhere to go until ...
  f.fence(3);
  CHECK(f.run(drain_node{node_id(3), true}).second == f.s.burden_of(node_id(3)).replicas);
  CHECK(f.run(remove_node{node_id(3)}).code == verdict::conflict);
  f.start(5);  // (the number of the second node is not used again)
  CHECK(f.run(balance_replicas{100}).number >= f.s.burden_of(node_id(3)).replicas);
  for (int i = 0; i < 8; ++i) f.catch_up(100, i);
  CHECK(f.s.burden_of(node_id(3)).replicas == 0);
  CHECK(f.run(remove_node{node_id(3)}).ok());
}

TEST_CASE("a new node takes a fair share, racks stay apart") {
  fixture f(3);
  f.topic(100, 12, 3);
  f.start(4);  // rack a, like node 1
  CHECK(f.run(balance_replicas{2}).number == 2);
  while (f.run(balance_replicas{3}).number > 0) {
  }
  for (int i = 0; i < 12; ++i) {
    if (f.part(100, i).reassigning()) f.catch_up(100, i);
    CHECK(rack_spread(f.part(100, i).replicas, f.s.nodes()) == 3);
    CHECK(f.part(100, i).replicas.size() == 3);
  }
  CHECK(f.s.burden_of(node_id(4)).replicas == 6);  // half of its rack's
  CHECK(f.s.burden_of(node_id(1)).replicas == 6);
}

TEST_CASE("more partitions: the old ones stay where they are, keys are cut anew") {
  fixture f(3);
  f.topic(100, 2, 2);
  const auto before = f.part(100, 0);
  CHECK(f.run(add_partitions{id_of(100), 2}).code == verdict::invalid);
  REQUIRE(f.run(add_partitions{id_of(100), 4}).ok());
  CHECK(f.part(100, 0).replicas == before.replicas);
  CHECK(f.part(100, 0).keys == kafka::key_range{0, 0x3fffffff});
  CHECK(f.part(100, 3).keys == kafka::key_range{0xc0000000, 0xffffffff});
  CHECK(f.s.partition_count() == 4);
  REQUIRE(f.run(delete_topic{id_of(100)}).ok());
  CHECK(f.s.partition_count() == 0);
  CHECK_FALSE(f.s.find_topic("t100"));
}

TEST_CASE("a job has one master; who was deposed cannot complete an epoch") {
  fixture f(3);
  uuid job = id_of(50);
  REQUIRE(f.run(submit_job{job, "words", "sha256:abc", 1000}).ok());
  CHECK(f.run(submit_job{id_of(51), "words", "x", 0}).code == verdict::already_exists);
  answer first = f.run(acquire_master{job, node_id(1), f.epoch_of(1)});
  REQUIRE(first.ok());
  CHECK(f.run(acquire_master{job, node_id(2), f.epoch_of(2)}).code == verdict::conflict);
  CHECK(f.run(complete_epoch{job, fencing_token(first.number), epoch(1), "m1"}).ok());
  CHECK(f.run(complete_epoch{job, fencing_token(first.number), epoch(1), "other"}).code ==
        verdict::stale);
  f.fence(1);
  CHECK(f.run(complete_epoch{job, fencing_token(first.number), epoch(2), "m2"}).code ==
        verdict::stale);
  answer second = f.run(acquire_master{job, node_id(2), f.epoch_of(2)});
  REQUIRE(second.ok());
  CHECK(second.number > first.number);
  f.start(1);  // only cut off: it comes back, and its token is of no use
  CHECK(f.run(complete_epoch{job, fencing_token(first.number), epoch(2), "m2"}).code ==
        verdict::stale);
  CHECK(f.run(end_job{job, fencing_token(first.number), job_phase::failed, "x"}).code ==
        verdict::stale);
  CHECK(f.run(complete_epoch{job, fencing_token(second.number), epoch(2), "m2"}).ok());
  CHECK(f.s.find_job(job)->manifest == "m2");
  CHECK(f.run(delete_job{job}).code == verdict::conflict);
  CHECK(f.run(end_job{job, fencing_token(second.number), job_phase::finished, ""}).ok());
  CHECK(f.run(acquire_master{job, node_id(2), f.epoch_of(2)}).code == verdict::conflict);
  CHECK(f.run(delete_job{job}).ok());
  // The same id again: tokens go on where they were.
  REQUIRE(f.run(submit_job{job, "words", "sha256:abc", 1000}).ok());
  CHECK(f.run(acquire_master{job, node_id(3), f.epoch_of(3)}).number > second.number);
}

TEST_CASE("savepoints stay until they are dropped, not while a job starts from them") {
  fixture f(2);
  uuid job = id_of(50), next = id_of(51);
  REQUIRE(f.run(submit_job{job, "words", "plan", 1000, {"l1", "l2"}}).ok());
  CHECK(f.s.find_job(job)->libraries == std::vector<std::string>{"l1", "l2"});
  CHECK(f.run(submit_job{next, "w2", "plan", 1000, {""}}).code == verdict::invalid);
  const fencing_token token(f.run(acquire_master{job, node_id(1), f.epoch_of(1)}).number);
  REQUIRE(f.run(complete_epoch{job, token, epoch(3), "m3"}).ok());
  CHECK(f.run(keep_savepoint{job, token, epoch(4), "m4"}).code == verdict::invalid);
  CHECK(f.run(keep_savepoint{job, fencing_token(token.value + 1), epoch(3), "m3"}).code ==
        verdict::stale);
  REQUIRE(f.run(keep_savepoint{job, token, epoch(3), "m3"}).ok());
  REQUIRE(f.run(keep_savepoint{job, token, epoch(3), "m3"}).ok());  // repeated
  REQUIRE(f.run(complete_epoch{job, token, epoch(9), "m9"}).ok());
  CHECK(f.s.find_job(job)->savepoints == std::map<epoch, std::string>{{epoch(3), "m3"}});

  // The newest epoch of a job that runs goes away; the one of a job that has ended stays.
  submit_job from{next, "w2", "plan", 1000, {}, job, epoch(9)};
  CHECK(f.run(from).code == verdict::not_found);
  from.origin_epoch = epoch(3);
  REQUIRE(f.run(from).ok());
  auto again = cluster_state::restore(f.s.snapshot());
  REQUIRE(again.ok());
  CHECK(again->find_job(next)->origin == job);
  CHECK(again->find_job(next)->origin_epoch == epoch(3));
  CHECK(*again->find_job(job) == *f.s.find_job(job));
  CHECK(f.run(drop_savepoint{job, epoch(3)}).code == verdict::conflict);
  CHECK(f.run(drop_savepoint{job, epoch(4)}).code == verdict::not_found);
  REQUIRE(f.run(end_job{job, token, job_phase::stopped, ""}).ok());
  CHECK(f.run(delete_job{job}).code == verdict::conflict);
  const fencing_token second(f.run(acquire_master{next, node_id(2), f.epoch_of(2)}).number);
  REQUIRE(f.run(complete_epoch{next, second, epoch(4), "n4"}).ok());
  REQUIRE(f.run(drop_savepoint{job, epoch(3)}).ok());
  REQUIRE(f.run(submit_job{id_of(52), "w3", "plan", 1000, {}, job, epoch(9)}).ok());
  CHECK(f.run(delete_job{job}).code == verdict::conflict);
  REQUIRE(f.run(end_job{id_of(52), fencing_token(0), job_phase::stopped, ""}).ok());
  CHECK(f.run(delete_job{job}).ok());
}

TEST_CASE("groups have a home each, which moves when its node dies") {
  fixture f(2);
  answer a = f.run(find_home{home_kind::group, "g1"});
  answer b = f.run(find_home{home_kind::group, "g2"});
  answer t = f.run(find_home{home_kind::transaction, "g1"});
  CHECK(a.number == 1);
  CHECK(b.number == 2);
  CHECK(f.run(find_home{home_kind::group, "g1"}) == a);
  CHECK(t.second > b.second);
  f.fence(1);
  answer moved = f.run(find_home{home_kind::group, "g1"});
  CHECK(moved.number == 2);
  CHECK(moved.second > t.second);
  CHECK(f.run(drop_home{home_kind::group, "g1", fencing_token(a.second)}).code == verdict::stale);
  CHECK(f.run(drop_home{home_kind::group, "g1", fencing_token(moved.second)}).ok());
}

TEST_CASE("producer ids come in blocks that never overlap") {
  fixture f(2);
  CHECK(f.run(allocate_producer_ids{node_id(1), f.epoch_of(1), 1000}).number == 0);
  CHECK(f.run(allocate_producer_ids{node_id(2), f.epoch_of(2), 10}).number == 1000);
  CHECK(f.run(allocate_producer_ids{node_id(1), f.epoch_of(1), 1000}).number == 1010);
  CHECK(f.run(allocate_producer_ids{node_id(1), node_epoch(7), 1}).code == verdict::stale);
  CHECK(f.run(allocate_producer_ids{node_id(1), f.epoch_of(1), 0}).code == verdict::invalid);
}

TEST_CASE("a client's repeated request is answered as before and not applied again") {
  state_limits limits;
  limits.sessions_max = 2;
  cluster_state s(limits);
  uuid client = id_of(1);
  request r{client, 1, register_node{id_of(9), "n", "", {}}};
  outcome first = s.apply(r);
  CHECK_FALSE(first.repeated);
  outcome again = s.apply(r);
  CHECK(again.repeated);
  CHECK(again.reply == first.reply);
  CHECK(s.find_node(node_id(1))->epoch.value == 1);
  CHECK(s.apply({client, 2, fence_node{node_id(1), node_epoch(1)}}).reply.ok());
  CHECK(s.apply(r).reply.code == verdict::stale);
  CHECK(s.apply({client, 0, remove_node{node_id(1)}}).reply.code == verdict::invalid);
  s.apply({id_of(2), 1, remove_node{node_id(8)}});
  s.apply({id_of(3), 1, remove_node{node_id(8)}});
  CHECK(s.session_count() == 2);  // the first client is forgotten
  CHECK(s.check().ok());
}

TEST_CASE("bounds of the state are kept") {
  state_limits limits;
  limits.nodes_max = 1;
  limits.topics_max = 1;
  limits.partitions_max = 3;
  limits.jobs_max = 1;
  limits.homes_max = 1;
  cluster_state s(limits);
  auto code = [&](command c) { return s.apply({uuid{}, 0, std::move(c)}).reply.code; };
  CHECK(code(register_node{id_of(1), "a", "", {}}) == verdict::ok);
  CHECK(code(register_node{id_of(2), "b", "", {}}) == verdict::limit);
  CHECK(code(create_topic{"big", id_of(3), 4, 1, 0, {}, {}}) == verdict::limit);
  CHECK(code(create_topic{"t", id_of(3), 2, 1, 0, {}, {}}) == verdict::ok);
  CHECK(code(create_topic{"u", id_of(4), 1, 1, 0, {}, {}}) == verdict::limit);
  CHECK(code(add_partitions{id_of(3), 4}) == verdict::limit);
  CHECK(code(submit_job{id_of(5), "j", "p", 0}) == verdict::ok);
  CHECK(code(submit_job{id_of(6), "k", "p", 0}) == verdict::limit);
  CHECK(code(find_home{home_kind::group, "a"}) == verdict::ok);
  CHECK(code(find_home{home_kind::group, "b"}) == verdict::limit);
}

TEST_CASE("random commands: invariants hold, nothing falls, snapshot and rest give what all give") {
  size_t succeeded = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    command_maker maker(seed);
    cluster_state all, part;
    std::map<std::pair<uuid, int32_t>, int32_t> epochs;
    std::map<uuid, uint64_t> tokens;
    std::string earlier;  // a snapshot some commands ago
    std::vector<std::string> since;
    for (int i = 0; i < 400; ++i) {
      request r{maker.below(3) ? maker.make_id() : uuid{}, 1, maker.make(all)};
      std::string bytes = encode_request(r);
      auto decoded = decode_request(bytes);
      REQUIRE(decoded.ok());
      REQUIRE(encode_request(*decoded) == bytes);
      outcome a = all.apply(r);
      REQUIRE(part.apply(*decoded).reply == a.reply);
      (a.reply.ok() ? succeeded : refused)++;
      REQUIRE(a.reply.ok() == a.reply.text.empty());
      status sound = all.check();
      REQUIRE_MESSAGE(sound.ok(), sound.err().message);
      for (const auto& [id, t] : all.topics()) {
        for (size_t k = 0; k < t.partitions.size(); ++k) {
          int32_t& last = epochs[{id, static_cast<int32_t>(k)}];
          REQUIRE(t.partitions[k].leader_epoch >= last);
          last = t.partitions[k].leader_epoch;
        }
      }
      for (const auto& [id, j] : all.jobs()) {
        REQUIRE(j.master.token.value >= tokens[id]);
        tokens[id] = j.master.token.value;
      }
      since.push_back(bytes);
      if (i % 40 == 17) {
        if (!earlier.empty()) {
          auto replayed = cluster_state::restore(earlier);
          REQUIRE(replayed.ok());
          for (const auto& b : since) replayed->apply(*decode_request(b));
          REQUIRE(replayed->snapshot() == all.snapshot());
        }
        earlier = all.snapshot();
        since.clear();
      }
    }
    REQUIRE(part == all);
  }
  // Both ways through every command are taken often.
  CHECK(succeeded > 5000);
  CHECK(refused > 1000);
}

TEST_CASE("quotas of clients are in the state and its snapshots") {
  fixture f(1);
  const std::string none = f.s.snapshot();
  kafka::alter_client_quotas_request r;
  auto& e = r.entries.emplace_back();
  e.entity.push_back({"client-id", "slow"});
  e.ops.push_back({"producer_byte_rate", 1000, false});
  e.ops.push_back({"consumer_byte_rate", 2000.5, false});
  REQUIRE(f.run(alter_client_quotas{kafka::encode_alteration(r)}).ok());
  CHECK(f.s.changes().quotas);
  const kafka::quota_entity slow{{}, {kafka::quota_name::form::named, "slow"}};
  REQUIRE(f.s.quotas().size() == 1);
  CHECK(f.s.quotas().at(slow) == kafka::quota_rates{1000, 2000.5});
  auto again = cluster_state::restore(f.s.snapshot());
  REQUIRE(again.ok());
  CHECK(again->quotas() == f.s.quotas());
  // All of it or nothing, and nothing that does not decode.
  r.entries[0].ops[0].remove = true;
  r.entries.emplace_back().entity.push_back({"group", "g"});
  CHECK(f.run(alter_client_quotas{kafka::encode_alteration(r)}).code == verdict::invalid);
  CHECK(f.run(alter_client_quotas{"nothing"}).code == verdict::invalid);
  CHECK(f.s.quotas().at(slow) == kafka::quota_rates{1000, 2000.5});
  r.entries.pop_back();
  REQUIRE(f.run(alter_client_quotas{kafka::encode_alteration(r)}).ok());
  CHECK(f.s.quotas().at(slow) == kafka::quota_rates{std::nullopt, 2000.5});
  // A snapshot of format 1 has none.
  const size_t quotas_bytes = 4 + kafka::encode_quotas({}).size();
  snapshot_codec::writer w;
  w.number(uint16_t{1});
  for (char c : none.substr(2, none.size() - 2 - quotas_bytes - 4)) w.number(c);
  auto old = cluster_state::restore(std::move(w).seal("weir cluster state"));
  REQUIRE_MESSAGE(old.ok(), old.err().message);
  CHECK(old->quotas().empty());
  CHECK(old->snapshot() == none);
}

TEST_CASE("a snapshot of format 2 has jobs without libraries, origins and savepoints") {
  fixture f(1);
  REQUIRE(f.run(submit_job{id_of(50), "words", "plan", 1000}).ok());
  const std::string now = f.s.snapshot();
  // Of the one job: an empty list, a zero id, a number, an empty map; they stand behind its lease.
  constexpr size_t added = 4 + 16 + 8 + 4, lease = 4 + 8 + 8;
  const auto manifest = now.find("plan") + 4 + 8 + 1 + 4 + 8 + 4;
  snapshot_codec::writer w;
  w.number(uint16_t{2});
  for (char c : now.substr(2, manifest + lease - 2)) w.number(c);
  for (char c : now.substr(manifest + lease + added, now.size() - manifest - lease - added - 4))
    w.number(c);
  auto old = cluster_state::restore(std::move(w).seal("weir cluster state"));
  REQUIRE_MESSAGE(old.ok(), old.err().message);
  CHECK(old->snapshot() == now);
}

TEST_CASE("damaged snapshots and requests are refused") {
  fixture f(3);
  f.topic(100, 3, 2);
  std::string good = f.s.snapshot();
  for (size_t i = 0; i < good.size(); i += 7) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    auto r = cluster_state::restore(bad);
    REQUIRE_FALSE(r.ok());
    CHECK(r.err().code == errc::corrupt);
  }
  for (size_t n = 0; n < good.size(); n += 11)
    CHECK_FALSE(cluster_state::restore(good.substr(0, n)).ok());
  snapshot_codec::writer w;
  w.number(uint16_t{4});
  auto newer = cluster_state::restore(std::move(w).seal("weir cluster state"));
  REQUIRE_FALSE(newer.ok());
  CHECK(newer.err().code == errc::version_mismatch);

  std::string request_bytes = encode_request({id_of(1), 3, drain_node{node_id(2), true}});
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = request_bytes;
    bad[random() % bad.size()] = static_cast<char>(random());
    if (auto r = decode_request(bad)) f.s.apply(*r);  // whatever it says, it does no harm
    CHECK_FALSE(decode_request(bad.substr(0, random() % bad.size() / 8 * 8)).ok());
  }
  CHECK(f.s.check().ok());
}

TEST_CASE("answers survive the wire") {
  answer a{verdict::conflict, "why", 7, UINT64_MAX};
  CHECK(*decode_answer(encode_answer(a)) == a);
  CHECK_FALSE(decode_answer("").ok());
  CHECK_FALSE(decode_answer("12345678").ok());
}

TEST_CASE("commands: a manifest's bytes come back as they were, zeros among them") {
  complete_epoch c;
  c.number = epoch{3};
  c.manifest = std::string("a\0b\0", 4);
  auto back = decode_request(encode_request({{}, 0, c}));
  REQUIRE(back.ok());
  CHECK(std::get<complete_epoch>(back->what).manifest == c.manifest);
}
