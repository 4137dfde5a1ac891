#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka {
namespace {

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<uint8_t>(c) >> 4];
    out += digits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

TEST_CASE("offsets: a group without members commits, fetches and deletes") {
  harness h({{"t", 4}, {"u", 1}});
  CHECK(h.fetch(0).committed_offset == -1);
  auto q = h.commit_request("", -1, 0, 42);
  q.topics[0].partitions[0].committed_metadata = "note";
  q.topics[0].partitions[0].committed_leader_epoch = 7;
  CHECK(h.commit(q) == error_code::none);
  const auto p = h.fetch(0);
  CHECK(p.committed_offset == 42);
  CHECK(p.committed_leader_epoch == 7);
  CHECK(p.metadata == "note");
  CHECK(h.g->listed()->group_state == "Empty");
  CHECK(h.g->listed()->protocol_type == "");
  const auto list = h.g->committed();
  REQUIRE(list.size() == 1);
  CHECK(list[0].offset == 42);
  CHECK(list[0].commit_time_ms == h.now);

  offset_fetch_request::group all;
  all.group_id = "g";
  CHECK(h.g->fetch_offsets(all, false, 9).topics.at(0).partitions.size() == 1);
  CHECK(h.g->fetch_offsets(all, false, 10).topics.at(0).topic_id == h.view->list[0].id);

  offset_delete_request d;
  d.group_id = "g";
  d.topics.push_back({"t", {{0}, {1}}});
  d.topics.push_back({"nowhere", {{0}}});
  const auto r = h.reply<offset_delete_response>(h.send(&group::delete_offsets, d, 0));
  CHECK(r.topics[0].partitions[0].error_code == error_code::none);
  CHECK(r.topics[1].partitions[0].error_code == error_code::unknown_topic_or_partition);
  CHECK(h.fetch(0).committed_offset == -1);
  CHECK(h.g->removable());
}

TEST_CASE("offsets: only of partitions that the topic has") {
  harness h({{"t", 2}});
  auto q = h.commit_request("", -1, 0, 42);
  for (int32_t p : {1, 2, 1000, -1}) {
    q.topics[0].partitions.push_back(q.topics[0].partitions[0]);
    q.topics[0].partitions.back().partition_index = p;
  }
  using plain = void (group::*)(const group_call&, const offset_commit_request&, group_effects&);
  const auto r =
      h.reply<offset_commit_response>(h.send(static_cast<plain>(&group::commit_offsets), q, 8));
  const auto& parts = r.topics[0].partitions;
  REQUIRE(parts.size() == 5);
  CHECK(parts[0].error_code == error_code::none);
  CHECK(parts[1].error_code == error_code::none);
  for (size_t i = 2; i < 5; ++i)
    CHECK(parts[i].error_code == error_code::unknown_topic_or_partition);
  CHECK(h.g->committed().size() == 2);
  txn_offset_commit_request t;
  t.group_id = "g";
  t.producer_id = 7;
  t.producer_epoch = 0;
  auto& topic = t.topics.emplace_back();
  topic.name = "t";
  for (int32_t p : {1, 2}) topic.partitions.emplace_back().partition_index = p;
  using txn = void (group::*)(const group_call&, const txn_offset_commit_request&, group_effects&);
  const auto in_txn =
      h.reply<txn_offset_commit_response>(h.send(static_cast<txn>(&group::commit_offsets), t, 3));
  CHECK(in_txn.topics[0].partitions[0].error_code == error_code::none);
  CHECK(in_txn.topics[0].partitions[1].error_code == error_code::unknown_topic_or_partition);
}

TEST_CASE("offsets: the records are Kafka's") {
  harness h({{"t", 4}});
  h.now = 0x0102030405;
  auto q = h.commit_request("", -1, 3, 42);
  q.topics[0].partitions[0].committed_metadata = "m";
  (void)h.commit(q);
  REQUIRE(h.log.size() == 1);
  CHECK(hex(h.log[0].record.key) ==
        "0001"
        "000167"
        "000174"
        "00000003");
  CHECK(hex(*h.log[0].record.value) ==
        "0003"
        "000000000000002a"
        "ffffffff"
        "00016d"
        "0000000102030405");
  CHECK(*group_of_key(h.log[0].record.key) == "g");
  // A commit with a retention time of its own (versions 2-4) carries its expiry.
  q.retention_time_ms = 1;
  (void)h.commit(q, 2);
  CHECK(hex(*h.log[1].record.value) ==
        "0001"
        "000000000000002a"
        "00016d"
        "0000000102030405"
        "0000000102030406");
  CHECK(group_of_key(std::string_view("\0\x0b\0\x01g", 5)).err().code == errc::unsupported);
  CHECK(group_of_key("").err().code == errc::parse);
  CHECK(group_of_key(std::string_view("\0\x01\0\x05g", 5)).err().code == errc::parse);
}

TEST_CASE("offsets: only what is durable is seen") {
  harness h({{"t", 1}});
  h.durable = false;
  const auto commit = [&](int64_t offset) {
    using method = void (group::*)(const group_call&, const offset_commit_request&, group_effects&);
    return h.send(static_cast<method>(&group::commit_offsets), h.commit_request("", -1, 0, offset),
                  8);
  };
  const auto first = commit(1);
  const auto second = commit(2);
  CHECK_FALSE(h.answered(first));
  CHECK(h.fetch(0).committed_offset == -1);
  h.flush(1);
  CHECK(h.answered(first));
  CHECK(h.fetch(0).committed_offset == 1);
  h.fail_writes(error_code::message_too_large);
  CHECK(h.reply<offset_commit_response>(second).topics[0].partitions[0].error_code ==
        error_code::unknown_server_error);
  CHECK(h.fetch(0).committed_offset == 1);
  h.restart();
  CHECK(h.fetch(0).committed_offset == 1);
}

TEST_CASE("offsets: members commit with their generation") {
  harness h({{"t", 4}});
  const auto [a, token] = h.join_new();
  (void)h.reply<join_group_response>(token);
  CHECK(h.commit(h.commit_request(a, 1, 0, 1)) == error_code::rebalance_in_progress);
  (void)h.sync(a, 1, {{a, ""}});
  CHECK(h.commit(h.commit_request(a, 1, 0, 1)) == error_code::none);
  CHECK(h.commit(h.commit_request(a, 2, 0, 1)) == error_code::illegal_generation);
  CHECK(h.commit(h.commit_request("b", 1, 0, 1)) == error_code::unknown_member_id);
  CHECK(h.commit(h.commit_request("", -1, 0, 1)) == error_code::unknown_member_id);
  // While the group rebalances, members may still commit what they have done.
  (void)h.join_new();
  CHECK(h.commit(h.commit_request(a, 1, 0, 5)) == error_code::none);
  CHECK(h.fetch(0).committed_offset == 5);
  // A commit counts as a heartbeat.
  harness other({{"t", 4}});
  CHECK(other.commit(other.commit_request("x", 3, 0, 1), 8) == error_code::illegal_generation);
  CHECK(other.commit(other.commit_request("x", 3, 0, 1), 9) == error_code::group_id_not_found);
}

TEST_CASE("offsets: KIP-848 members commit and fetch with their epoch") {
  harness h({{"t", 4}});
  (void)h.heartbeat(h.hello("a"));
  CHECK(h.commit(h.commit_request("a", 1, 0, 9)) == error_code::none);
  CHECK(h.commit(h.commit_request("a", 0, 0, 9)) == error_code::stale_member_epoch);
  CHECK(h.commit(h.commit_request("b", 1, 0, 9)) == error_code::unknown_member_id);
  CHECK(h.commit(h.commit_request("a", 1, 0, 9), 8) == error_code::unsupported_version);
  offset_fetch_request::group q;
  q.group_id = "g";
  q.member_id = "a";
  q.member_epoch = 1;
  q.topics.emplace().push_back({"t", {}, {0}});
  CHECK(h.g->fetch_offsets(q, true, 9).topics.at(0).partitions.at(0).committed_offset == 9);
  q.member_epoch = 2;
  CHECK(h.g->fetch_offsets(q, true, 9).error_code == error_code::stale_member_epoch);
  q.member_id = "b";
  CHECK(h.g->fetch_offsets(q, true, 9).error_code == error_code::unknown_member_id);
}

TEST_CASE("offsets: topics by id, and topics that do not exist") {
  harness h({{"t", 4}});
  auto q = h.commit_request("", -1, 2, 6, "");
  q.topics[0].topic_id = h.view->list[0].id;
  CHECK(h.commit(q, 10) == error_code::none);
  CHECK(h.fetch(2).committed_offset == 6);
  q.topics[0].topic_id = test_id(99);
  CHECK(h.commit(q, 10) == error_code::unknown_topic_id);
  CHECK(h.commit(h.commit_request("", -1, 0, 6, "nowhere")) ==
        error_code::unknown_topic_or_partition);
  CHECK(h.commit(h.commit_request("", -1, -1, 6)) == error_code::unknown_topic_or_partition);
  q = h.commit_request("", -1, 0, 6);
  q.topics[0].partitions[0].committed_metadata = std::string(4097, 'x');
  CHECK(h.commit(q) == error_code::offset_metadata_too_large);
  offset_fetch_request::group f;
  f.topics.emplace().push_back({"", test_id(99), {0}});
  f.topics->push_back({"", h.view->list[0].id, {2}});
  const auto r = h.g->fetch_offsets(f, false, 10);
  CHECK(r.topics.at(0).partitions.at(0).error_code == error_code::unknown_topic_id);
  CHECK(r.topics.at(1).partitions.at(0).committed_offset == 6);
}

TEST_CASE("offsets: those of a transaction count from its commit on") {
  harness h({{"t", 4}});
  (void)h.commit(h.commit_request("", -1, 0, 1));
  const auto r = h.reply<txn_offset_commit_response>(h.commit_in_transaction(77, 0, 10));
  CHECK(r.topics[0].partitions[0].error_code == error_code::none);
  CHECK(h.log.back().producer_id == 77);
  CHECK(h.fetch(0).committed_offset == 1);
  CHECK(h.fetch(0, true).error_code == error_code::unstable_offset_commit);
  CHECK(h.fetch(0, true).committed_offset == -1);
  CHECK(h.fetch(1, true).error_code == error_code::none);
  CHECK(h.g->committed().at(0).pending_transaction);
  SUBCASE("commit") {
    h.end_transaction(77, true);
    CHECK(h.fetch(0, true).committed_offset == 10);
  }
  SUBCASE("abort") {
    h.end_transaction(77, false);
    CHECK(h.fetch(0, true).committed_offset == 1);
  }
  SUBCASE("over a restart") {
    h.restart();
    CHECK(h.fetch(0, true).error_code == error_code::unstable_offset_commit);
    h.end_transaction(77, true);
    CHECK(h.fetch(0, true).committed_offset == 10);
  }
  SUBCASE("a later plain commit is not overwritten") {
    (void)h.commit(h.commit_request("", -1, 0, 20));
    h.end_transaction(77, true);
    CHECK(h.fetch(0, true).committed_offset == 20);
  }
  SUBCASE("unstable already while it is written") {
    h.durable = false;
    const auto t = h.commit_in_transaction(78, 1, 5);
    CHECK(h.fetch(1, true).error_code == error_code::unstable_offset_commit);
    h.fail_writes();
    CHECK(h.reply<txn_offset_commit_response>(t).topics[0].partitions[0].error_code ==
          error_code::not_coordinator);
    CHECK(h.fetch(1, true).error_code == error_code::none);
  }
}

TEST_CASE("offsets: they expire when nobody wants them") {
  group_options o = harness::quick();
  o.offsets_retention_ms = 3'600'000;
  harness h({{"t", 4}, {"u", 1}}, o);
  (void)h.heartbeat(h.hello("a"));
  (void)h.commit(h.commit_request("a", 1, 0, 1));
  (void)h.commit(h.commit_request("a", 1, 0, 1, "u"));
  for (int i = 0; i < 100; ++i) {
    h.pass(40'000);
    (void)h.heartbeat(h.pulse("a", 1));
  }
  CHECK(h.fetch(0).committed_offset == 1);               // subscribed
  CHECK(h.fetch(0, false, "u").committed_offset == -1);  // not
  (void)h.heartbeat(h.pulse("a", -1));
  h.pass(4'300'000);
  CHECK(h.fetch(0).committed_offset == -1);
  CHECK(h.g->removable());
  h.restart();
  CHECK(h.g->removable());
}

TEST_CASE("offsets: an empty classic group keeps them from the time it became empty") {
  group_options o = harness::quick();
  o.offsets_retention_ms = 3'600'000;
  harness h({{"t", 4}}, o);
  const auto [a, token] = h.join_new();
  (void)h.reply<join_group_response>(token);
  (void)h.sync(a, 1, {{a, ""}});
  (void)h.commit(h.commit_request(a, 1, 0, 1));
  for (int i = 0; i < 500; ++i) {
    h.pass(9'000);
    REQUIRE(h.beat(a, 1) == error_code::none);
  }
  CHECK(h.fetch(0).committed_offset == 1);
  (void)h.leave(a);
  h.pass(3'000'000);
  CHECK(h.fetch(0).committed_offset == 1);
  h.pass(1'300'000);
  CHECK(h.fetch(0).committed_offset == -1);
  CHECK(h.g->removable());
}

TEST_CASE("offsets: subscribed topics keep theirs; deleted topics lose them") {
  harness h({{"t", 4}, {"u", 1}});
  (void)h.heartbeat(h.hello("a"));
  (void)h.commit(h.commit_request("a", 1, 0, 1));
  offset_delete_request d;
  d.group_id = "g";
  d.topics.push_back({"t", {{0}}});
  const auto r = h.reply<offset_delete_response>(h.send(&group::delete_offsets, d, 0));
  CHECK(r.topics[0].partitions[0].error_code == error_code::group_subscribed_to_topic);
  group_effects out;
  h.g->on_topics_deleted({"t"}, h.now, out);
  h.take(std::move(out));
  CHECK(h.fetch(0).committed_offset == -1);
}

TEST_CASE("groups: deletion") {
  harness h({{"t", 4}});
  const auto erase = [&] {
    const group_call c = h.call(2);
    group_effects out;
    h.g->delete_group(c, out);
    h.take(std::move(out));
    return c.token;
  };
  CHECK(h.reply<delete_groups_response>(erase()).results[0].error_code ==
        error_code::group_id_not_found);
  (void)h.heartbeat(h.hello("a"));
  (void)h.commit(h.commit_request("a", 1, 0, 1));
  CHECK(h.reply<delete_groups_response>(erase()).results[0].error_code ==
        error_code::non_empty_group);
  (void)h.heartbeat(h.pulse("a", -1));
  SUBCASE("durable") {
    const auto r = h.reply<delete_groups_response>(erase());
    CHECK(r.results[0].group_id == "g");
    CHECK(r.results[0].error_code == error_code::none);
    CHECK(h.g->removable());
    CHECK(h.wake == group_effects::no_wake);
    h.restart();
    CHECK(h.g->removable());
    CHECK(h.fetch(0).committed_offset == -1);
  }
  SUBCASE("failed: all is as before") {
    h.durable = false;
    const auto t = erase();
    h.fail_writes();
    CHECK(h.reply<delete_groups_response>(t).results[0].error_code == error_code::not_coordinator);
    CHECK(h.g->consumer_describe(1).group_state == "Empty");
    CHECK(h.fetch(0).committed_offset == 1);
  }
}

TEST_CASE("offsets: the old layout of OffsetFetch") {
  harness h({{"t", 4}});
  (void)h.commit(h.commit_request("", -1, 1, 8));
  offset_fetch_request q;
  q.group_id = "g";
  q.topics.emplace().push_back({"t", {1}});
  const auto r = old_offset_fetch_response(h.g->fetch_offsets(old_offset_fetch(q), false, 5));
  CHECK(r.topics.at(0).name == "t");
  CHECK(r.topics.at(0).partitions.at(0).committed_offset == 8);
}

}  // namespace
}  // namespace weir::kafka
