// The consensus of one server without a library: the same log, the same answers.
#include <doctest/doctest.h>

#include "cluster/meta/raft/lmdb_store.hpp"
#include "cluster/meta/raft/replica.hpp"
#include "cluster/meta/state/command_codec.hpp"
#include "tests/meta/folder.hpp"

namespace weir::meta {
namespace {

node_options options() {
  node_options o;
  o.id = 7;
  o.address = "here:1";
  o.snapshot_threshold = 20;
  o.snapshot_trailing = 4;
  return o;
}

std::string setting(const std::string& value) {
  return encode_request({{}, 0, set_cluster_config{"min.insync.replicas", value}});
}

}  // namespace

TEST_CASE("alone: what was proposed is there after a restart, from the log and from a snapshot") {
  folder dir;
  auto store = lmdb_store::open(dir.path.string() + "/s");
  REQUIRE(store);
  REQUIRE(consensus_node::bootstrap(**store, {{7, "here:1", server_role::voter}}));
  CHECK_FALSE(consensus_node::bootstrap(**store, {{7, "here:1", server_role::voter}}));
  for (int life = 0; life < 4; ++life) {
    CAPTURE(life);
    metadata_replica machine;
    auto node = consensus_node::start(options(), **store, machine, 0);
    REQUIRE(node);
    CHECK((*node)->leads());
    CHECK((*node)->leader() == 7);
    CHECK(machine.state().applied() == static_cast<uint64_t>(life) * 15);
    if (life > 0) CHECK(machine.state().config().at("min.insync.replicas") == std::to_string(life));
    for (int i = 1; i <= 15; ++i)
      CHECK((*node)->propose(static_cast<ticket>(i), setting(std::to_string(life + 1))) ==
            admission::accepted);
    CHECK((*node)->confirm(99) == admission::accepted);
    (*node)->settle();
    auto replies = (*node)->take_replies();
    REQUIRE(replies.size() == 16);
    for (const auto& r : replies) {
      CHECK(r.outcome == proposal_outcome::done);
      if (r.which != 99) CHECK(decode_answer(r.reply)->ok());
    }
    CHECK((*node)->add(5, 8, "there:1") == admission::invalid);
  }
  CHECK((*store)->snapshot().ok());
}

TEST_CASE("alone: a log of several voters is refused, and says why") {
  folder dir;
  auto store = lmdb_store::open(dir.path.string() + "/s");
  REQUIRE(store);
  REQUIRE(consensus_node::bootstrap(
      **store, {{7, "here:1", server_role::voter}, {8, "there:1", server_role::voter}}));
  metadata_replica machine;
  auto node = consensus_node::start(options(), **store, machine, 0);
  REQUIRE_FALSE(node);
  CHECK(
      node.err().message ==
      "this node is one of 2 that decide together, and this program was built without the library "
      "for that (libraft 0.15)");
}

TEST_CASE("alone: a command that this program does not know stops the server, and is told") {
  folder dir;
  auto store = lmdb_store::open(dir.path.string() + "/s");
  REQUIRE(store);
  REQUIRE(consensus_node::bootstrap(**store, {{7, "here:1", server_role::voter}}));
  metadata_replica machine;
  auto node = consensus_node::start(options(), **store, machine, 0);
  REQUIRE(node);
  CHECK((*node)->propose(1, "nonsense") == admission::accepted);
  (*node)->settle();
  REQUIRE((*node)->failure());
  CHECK((*node)->propose(2, setting("2")) == admission::not_leader);
}

}  // namespace weir::meta
