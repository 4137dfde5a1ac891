// Small clusters of the consensus by hand, on real disks.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "cluster/meta/raft/lmdb_store.hpp"
#include "cluster/meta/raft/node.hpp"
#include "cluster/meta/raft/replica.hpp"
#include "cluster/meta/state/command_codec.hpp"
#include "tests/meta/folder.hpp"

using namespace weir;
using namespace weir::meta;

namespace {

kafka::uuid cluster_id() {
  kafka::uuid id;
  id.bytes[0] = 7;
  return id;
}

// Remembers commands as text, "a" then "b" = "a,b".
struct list_machine final : replicated_machine {
  std::string all;
  result<std::string> apply(log_index index, std::string_view bytes) override {
    if (bytes == "poison") return {errc::unsupported, "no such command"};
    all += (all.empty() ? "" : ",") + std::string(bytes);
    return std::to_string(index);
  }
  std::string snapshot() override { return all; }
  status restore(std::string_view s) override {
    all = s;
    return {};
  }
};

// Servers with LMDB stores in folders, joined by a network that loses nothing but what is cut.
struct cluster {
  struct member {
    std::unique_ptr<lmdb_store> store;
    list_machine machine;
    std::unique_ptr<consensus_node> node;
    bool cut = false;
  };
  folder dir;
  std::map<server_id, member> members;
  std::map<ticket, proposal_reply> replies;
  uint64_t now = 0;

  node_options options(server_id id) {
    node_options o;
    o.cluster = cluster_id();
    o.id = id;
    o.address = "host" + std::to_string(id);
    o.seed = id;
    o.snapshot_threshold = 20;
    o.snapshot_trailing = 5;
    return o;
  }
  void start(server_id id) {
    member& m = members[id];
    m.node.reset();
    m.store.reset();
    auto store = lmdb_store::open((dir.path / std::to_string(id)).string());
    REQUIRE(store.ok());
    m.store = std::move(*store);
    m.machine.all.clear();
    auto node = consensus_node::start(options(id), *m.store, m.machine, now);
    REQUIRE_MESSAGE(node.ok(), (node.ok() ? "" : node.err().text()));
    m.node = std::move(*node);
  }
  explicit cluster(int voters) {
    configuration all;
    for (int i = 1; i <= voters; ++i)
      all.push_back({static_cast<server_id>(i), "host" + std::to_string(i), server_role::voter});
    for (const auto& s : all) {
      auto store = lmdb_store::open((dir.path / std::to_string(s.id)).string());
      REQUIRE(store.ok());
      REQUIRE(consensus_node::bootstrap(**store, all).ok());
      CHECK(consensus_node::bootstrap(**store, all).err().code == errc::already_exists);
    }
    for (const auto& s : all) start(s.id);
  }
  void step(uint64_t ms = 50) {
    now += ms;
    for (auto& [id, m] : members)
      if (m.node) m.node->tick(now);
    for (bool any = true; any;) {
      any = false;
      for (auto& [id, m] : members) {
        if (!m.node) continue;
        m.node->settle();
        for (auto& r : m.node->take_replies()) replies[r.which] = r;
        for (auto& out : m.node->take_messages()) {
          any = true;
          auto to = members.find(out.to);
          if (m.cut || to == members.end() || to->second.cut || !to->second.node) continue;
          CHECK(out.address == "host" + std::to_string(out.to));
          to->second.node->deliver(out.bytes);
        }
      }
    }
  }
  template <class Done>
  bool until(Done done, uint64_t ms = 20'000) {
    for (uint64_t end = now + ms; now < end; step())
      if (done()) return true;
    return done();
  }
  consensus_node* leader() {
    for (auto& [id, m] : members)
      if (m.node && !m.cut && m.node->leads()) return m.node.get();
    return nullptr;
  }
  server_id leader_id() {
    for (auto& [id, m] : members)
      if (m.node && !m.cut && m.node->leads()) return id;
    return 0;
  }
  ticket last_ticket = 0;
  proposal_reply say(const std::string& what) {
    REQUIRE(until([&] { return leader() != nullptr; }));
    ticket t = ++last_ticket;
    REQUIRE(leader()->propose(t, what) == admission::accepted);
    REQUIRE(until([&] { return replies.contains(t); }));
    return replies[t];
  }
  template <class Begin>
  proposal_reply change(Begin begin) {
    ticket t = ++last_ticket;
    REQUIRE(until([&] { return leader() && begin(*leader(), t) == admission::accepted; }));
    REQUIRE(until([&] { return replies.contains(t); }));
    return replies[t];
  }
  bool all_have(const std::string& what) {
    return until([&] {
      for (auto& [id, m] : members)
        if (m.node && !m.cut && m.machine.all != what) return false;
      return true;
    });
  }
};

}  // namespace

TEST_CASE("one server is a cluster: it leads at once and remembers after a restart") {
  cluster c(1);
  c.step();
  REQUIRE(c.leader());
  const log_term before = c.leader()->term();
  CHECK(c.say("a").outcome == proposal_outcome::done);
  for (int i = 0; i < 60; ++i) c.say("x" + std::to_string(i));  // over several snapshots
  std::string all = c.members[1].machine.all;
  c.start(1);
  c.step();
  CHECK(c.members[1].machine.all == all);
  CHECK(c.leader()->term() > before);
  CHECK(c.members[1].store->snapshot().ok());
}

TEST_CASE(
    "three servers: the log goes on when the leader dies, and it catches up when it is back") {
  cluster c(3);
  c.say("a");
  CHECK(c.all_have("a"));
  server_id old = c.leader_id();
  c.members[old].node.reset();
  c.members[old].store.reset();
  c.say("b");
  CHECK(c.all_have("a,b"));
  c.start(old);
  c.say("c");
  CHECK(c.all_have("a,b,c"));
  // A server that was away for long gets a snapshot.
  server_id follower = c.leader_id() % 3 + 1;
  c.members[follower].cut = true;
  std::string want = "a,b,c";
  for (int i = 0; i < 70; ++i) {
    c.say(std::to_string(i));
    want += "," + std::to_string(i);
  }
  c.members[follower].cut = false;
  CHECK(c.all_have(want));
}

TEST_CASE(
    "a leader that is cut off takes no commands for long, and what it took is not lost in "
    "silence") {
  cluster c(3);
  c.say("a");
  server_id old = c.leader_id();
  c.members[old].cut = true;
  REQUIRE(c.members[old].node->propose(900, "nobody hears") == admission::accepted);
  REQUIRE(c.until([&] { return c.replies.contains(900); }));
  CHECK(c.replies[900].outcome == proposal_outcome::lost);
  CHECK(c.members[old].node->propose(901, "x") == admission::not_leader);
  c.say("b");
  c.members[old].cut = false;
  c.say("c");
  CHECK(c.all_have("a,b,c"));
}

TEST_CASE("servers join as learners, become voters, hand on leadership and leave") {
  cluster c(1);
  c.say("a");
  for (server_id id = 2; id <= 3; ++id) {
    c.start(id);  // with an empty store: it waits to be told
    std::string address = "host" + std::to_string(id);
    CHECK(c.change([&](auto& l, ticket t) { return l.add(t, id, address); }).outcome ==
          proposal_outcome::done);
    CHECK(c.change([&](auto& l, ticket t) {
             return l.assign(t, id, server_role::learner);
           }).outcome == proposal_outcome::done);
  }
  c.say("b");
  CHECK(c.all_have("a,b"));
  for (server_id id = 2; id <= 3; ++id)
    CHECK(c.change([&](auto& l, ticket t) {
             return l.assign(t, id, server_role::voter);
           }).outcome == proposal_outcome::done);
  CHECK(c.leader_id() == 1);
  CHECK(c.leader()->transfer(2) == admission::accepted);
  REQUIRE(c.until([&] { return c.leader_id() == 2; }));
  c.say("c");
  CHECK(c.change([&](auto& l, ticket t) { return l.remove(t, 1); }).outcome ==
        proposal_outcome::done);
  c.members.erase(1);
  c.say("d");
  CHECK(c.all_have("a,b,c,d"));
  CHECK(c.leader()->members() ==
        configuration{{2, "host2", server_role::voter}, {3, "host3", server_role::voter}});
  for (server_id id = 2; id <= 3; ++id) c.start(id);
  c.say("e");
  CHECK(c.all_have("a,b,c,d,e"));
  // A leader leaves by handing on first.
  server_id leaving = c.leader_id(), staying = leaving == 2 ? 3 : 2;
  CHECK(c.leader()->remove(990, leaving) == admission::invalid);
  REQUIRE(c.leader()->transfer(staying) == admission::accepted);
  REQUIRE(c.until([&] { return c.leader_id() == staying; }));
  CHECK(c.change([&](auto& l, ticket t) { return l.remove(t, leaving); }).outcome ==
        proposal_outcome::done);
  c.members.erase(leaving);
  c.say("f");
  CHECK(c.leader()->members().size() == 1);
  CHECK(c.members[staying].machine.all == "a,b,c,d,e,f");
}

TEST_CASE("a confirmation comes only from who still leads") {
  cluster c(3);
  c.say("a");
  consensus_node* l = c.leader();
  REQUIRE(l->confirm(500) == admission::accepted);
  REQUIRE(c.until([&] { return c.replies.contains(500); }));
  CHECK(c.replies[500].outcome == proposal_outcome::done);
  server_id old = c.leader_id();
  c.members[old].cut = true;
  REQUIRE(l->confirm(501) == admission::accepted);
  REQUIRE(c.until([&] { return c.replies.contains(501); }));
  CHECK(c.replies[501].outcome == proposal_outcome::lost);
}

TEST_CASE("a command that a server does not know stops it, and the reason is told") {
  cluster c(1);
  c.step();
  REQUIRE(c.leader()->propose(1, "poison") == admission::accepted);
  c.step();
  CHECK(c.members[1].node->role() == node_role::stopped);
  REQUIRE(c.members[1].node->failure());
  CHECK(c.members[1].node->failure()->message == "entry 3 of the metadata's log: no such command");
}

TEST_CASE("nothing leaves a server before what it rests on is durable") {
  folder dir;
  auto store = lmdb_store::open((dir.path / "1").string());
  REQUIRE(store.ok());
  configuration three{
      {1, "a", server_role::voter}, {2, "b", server_role::voter}, {3, "c", server_role::voter}};
  REQUIRE(consensus_node::bootstrap(**store, three).ok());
  list_machine machine;
  node_options o;
  o.cluster = cluster_id();
  o.id = 1;
  o.address = "a";
  auto node = *consensus_node::start(o, **store, machine, 0);
  peer_message ask{cluster_id(), 2, 1, "b", 5, request_vote{2, 1, 1, false, false}};
  node->deliver(encode_message(ask));
  REQUIRE(node->pending_write());
  CHECK(node->take_messages().empty());
  // The same of another one waits its turn, and comes too late.
  ask.from = 3;
  ask.body = request_vote{3, 1, 1, false, false};
  node->deliver(encode_message(ask));
  node->settle();
  auto said = node->take_messages();
  REQUIRE(said.size() == 1);
  CHECK(said[0].to == 2);
  CHECK(std::get<vote_result>(decode_message(said[0].bytes)->body).granted);
  CHECK((*store)->load()->voted_for == 2);
  CHECK((*store)->load()->term == 5);
  // A disk that fails ends it.
  ask.term = 6;
  node->deliver(encode_message(ask));
  REQUIRE(node->pending_write());
  node->completed({errc::io, "disk on fire"});
  CHECK(node->take_messages().empty());
  CHECK(node->role() == node_role::stopped);
  CHECK(node->failure()->message == "disk on fire");
}

TEST_CASE("messages survive the wire, damaged ones do no harm") {
  log_entry change{
      4, entry_type::change,
      encode_configuration({{1, "a", server_role::voter}, {9, "b", server_role::spare}})};
  peer_message all[] = {{cluster_id(), 1, 2, "h", 5,
                         append_entries{3, 2, 4, {{3, entry_type::command, "x"}, change}}},
                        {cluster_id(), 1, 2, "h", 5, append_result{7, 9}},
                        {cluster_id(), 1, 2, "h", 5, request_vote{1, 8, 4, true, false}},
                        {cluster_id(), 1, 2, "h", 5, vote_result{true, true}},
                        {cluster_id(), 1, 2, "h", 5,
                         install_snapshot{{8, 4, {{1, "a", server_role::learner}}, 3, "data"}}},
                        {cluster_id(), 1, 2, "h", 5, timeout_now{8, 4}}};
  cluster c(3);
  c.say("a");
  std::mt19937_64 random(3);
  for (const auto& m : all) {
    std::string bytes = encode_message(m);
    auto back = decode_message(bytes);
    REQUIRE(back.ok());
    CHECK(encode_message(*back) == bytes);
    CHECK(back->body.index() == m.body.index());
    for (int i = 0; i < 2000; ++i) {
      std::string bad = bytes;
      bad[random() % bad.size()] = static_cast<char>(random());
      (void)decode_message(bad);
      CHECK_FALSE(decode_message(bad.substr(0, bad.size() - 1 - random() % 64)).ok());
    }
  }
  // Of another cluster, or for another server: dropped.
  peer_message stray{kafka::uuid{}, 2, 1, "host2", 99, request_vote{2, 100, 98, true, false}};
  stray.cluster.bytes[0] = 1;
  c.members[1].node->deliver(encode_message(stray));
  stray.cluster = cluster_id();
  stray.to = 3;
  c.members[1].node->deliver(encode_message(stray));
  CHECK_FALSE(c.members[1].node->pending_write());
  CHECK(decode_configuration(change.data)->size() == 2);
  for (size_t n = 0; n + 8 < change.data.size(); ++n)
    CHECK_FALSE(decode_configuration(change.data.substr(0, n)).ok());
}

TEST_CASE("the metadata over three servers: a request goes in, its answer comes out") {
  struct one {
    std::unique_ptr<lmdb_store> store;
    metadata_replica replica;
    std::unique_ptr<consensus_node> node;
  };
  folder dir;
  configuration three;
  for (server_id i = 1; i <= 3; ++i)
    three.push_back({i, "h" + std::to_string(i), server_role::voter});
  std::map<server_id, one> all;
  for (const auto& s : three) {
    one& o = all[s.id];
    o.store = std::move(*lmdb_store::open((dir.path / s.address).string()));
    REQUIRE(consensus_node::bootstrap(*o.store, three).ok());
    node_options options;
    options.cluster = cluster_id();
    options.id = s.id;
    options.address = s.address;
    options.seed = s.id;
    o.node = std::move(*consensus_node::start(options, *o.store, o.replica, 0));
  }
  uuid identity = cluster_id();
  bool asked = false, answered = false;
  for (uint64_t now = 0; now < 20'000; now += 50) {
    for (auto& [id, o] : all) {
      o.node->tick(now);
      o.node->settle();
      if (!asked && o.node->leads())
        asked = o.node->propose(
                    1, encode_request({uuid{}, 0, register_node{identity, "n1", "r", {}}})) ==
                admission::accepted;
      for (const auto& r : o.node->take_replies()) {
        REQUIRE(r.outcome == proposal_outcome::done);
        CHECK(*decode_answer(r.reply) == answer{verdict::ok, "", 1, 1});
        answered = true;
      }
      for (const auto& m : o.node->take_messages()) all[m.to].node->deliver(m.bytes);
    }
  }
  CHECK(answered);
  for (auto& [id, o] : all) {
    REQUIRE(o.replica.state().find_node(identity));
    CHECK(o.replica.state().find_node(identity)->rack == "r");
  }
}
