// Records as bytes of unknown origin: whatever they say, the group refuses them or goes on.
#include <random>

#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka {
namespace {

/// The log of a group of both protocols, with offsets and a transaction.
std::vector<logged> sample_log() {
  harness h({{"t", 4}, {"u", 2}});
  const auto [a, token] = h.join_new();
  (void)h.reply<join_group_response>(token);
  (void)h.sync(a, 1, {{a, ""}});
  auto q = h.hello("b", {"t", "u"});
  q.instance_id = "i";
  q.rack_id = "r";
  q.server_assignor = "uniform";
  q.subscribed_topic_regex = "u.*";
  (void)h.heartbeat(q);
  (void)h.commit(h.commit_request("b", 2, 0, 7));
  (void)h.reply<txn_offset_commit_response>(h.commit_in_transaction(5, 1, 8));
  return h.log;
}

void damage(std::mt19937_64& random, std::string& bytes) {
  if (bytes.empty()) return;
  const size_t at = random() % bytes.size();
  switch (random() % 4) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      break;
    case 1:
      bytes[at] = static_cast<char>(random());
      break;
    case 2:
      bytes.resize(at);
      break;
    default:
      bytes.insert(at, 1, static_cast<char>(random()));
  }
}

TEST_CASE("restore: a log of everything comes back as it was") {
  harness h({{"t", 4}, {"u", 2}});
  h.log = sample_log();
  h.restart();
  const auto d = h.g->consumer_describe(1);
  CHECK(d.members.size() == 2);
  CHECK(h.fetch(0).committed_offset == 7);
  CHECK(h.fetch(1, true).error_code == error_code::unstable_offset_commit);
  const auto again = h.log;
  h.restart();
  CHECK(h.g->consumer_describe(1) == d);
  CHECK(h.log.size() == again.size());
}

TEST_CASE("restore: damaged records are refused, or leave a group that works") {
  const auto log = sample_log();
  std::mt19937_64 random(7);
  size_t refused = 0;
  for (int round = 0; round < 2'000; ++round) {
    harness h({{"t", 4}, {"u", 2}});
    auto bad = log;
    for (int n = 0; n < 3; ++n) {
      auto& l = bad[random() % bad.size()];
      if (random() % 8 == 0) {
        l.record.value.reset();
      } else if (random() % 4 == 0 || !l.record.value) {
        damage(random, l.record.key);
      } else {
        damage(random, *l.record.value);
      }
    }
    for (const auto& l : bad) {
      const auto value =
          l.record.value ? std::optional<std::string_view>(*l.record.value) : std::nullopt;
      if (!h.g->restore(l.record.key, value, l.producer_id).ok()) ++refused;
      (void)group_of_key(l.record.key);
    }
    group_effects out;
    h.g->loaded(h.now, out);
    h.take(std::move(out));
    (void)h.g->describe(6);
    (void)h.g->consumer_describe(1);
    (void)h.heartbeat(h.hello("new"));
    (void)h.heartbeat(h.pulse("b", 2));
    (void)h.join(h.join_request("", {"t"}, "static"));
    h.pass(100'000);
    h.end_transaction(5, true);
    (void)h.g->committed();
  }
  CHECK(refused > 500);
}

TEST_CASE("restore: what is not a record of a consumer group is named") {
  harness h({});
  const auto fails = [&](std::string_view key) {
    return h.g->restore(key, std::nullopt).err().code;
  };
  CHECK(fails("") == errc::parse);
  CHECK(fails(std::string_view("\0\x0b\0\x01g", 5)) == errc::unsupported);
  CHECK(fails(std::string_view("\0\x01\0\x01g", 5)) == errc::parse);
  CHECK(h.g->restore(std::string_view("\0\x10\0\x01g\0\x01r", 8), "x").ok());  // patterns: ignored
}

TEST_CASE("a client that allows no time for a rebalance does not keep the group busy") {
  harness h({{"t", 1}});
  auto q = h.join_request("", {"t"}, "i1");
  q.rebalance_timeout_ms = 0;
  const auto first = h.reply<join_group_response>(h.join(q));
  (void)h.sync(first.member_id, 1, {{first.member_id, ""}}, "i1");
  h.pass(100);
  (void)h.join_new();
  h.pass(60'000);
  CHECK(h.wake > h.now);
}

TEST_CASE("a write that is refused by itself does not take others with it") {
  harness h({{"t", 4}});
  const auto [a, token] = h.join_new();
  (void)h.reply<join_group_response>(token);
  (void)h.reply<sync_group_response>(h.sync(a, 1, {{a, "mine"}}));
  h.durable = false;
  using method = void (group::*)(const group_call&, const offset_commit_request&, group_effects&);
  const auto commit = static_cast<method>(&group::commit_offsets);
  const auto large = h.send(commit, h.commit_request(a, 1, 0, 1), 8);
  const auto small = h.send(commit, h.commit_request(a, 1, 1, 2), 8);
  REQUIRE(h.waiting.size() == 2);
  group_effects out;
  h.g->on_written(h.waiting[0].id, error_code::message_too_large, h.now, out);
  h.waiting.erase(h.waiting.begin());
  h.take(std::move(out));
  CHECK(h.reply<offset_commit_response>(large).topics[0].partitions[0].error_code ==
        error_code::unknown_server_error);
  CHECK_FALSE(h.answered(small));
  h.flush();
  CHECK(h.reply<offset_commit_response>(small).topics[0].partitions[0].error_code ==
        error_code::none);
  CHECK(h.fetch(1).committed_offset == 2);
  CHECK(h.fetch(0).committed_offset == -1);
  CHECK_FALSE(h.g->diverged());

  // Of a consumer group's members the later one is taken back with the earlier one.
  harness c({{"t", 4}});
  c.durable = false;
  (void)c.send(&group::consumer_heartbeat, c.hello("a"), 1);
  (void)c.send(&group::consumer_heartbeat, c.hello("b"), 1);
  const auto waiting = std::exchange(c.waiting, {});
  group_effects failed;
  c.g->on_written(waiting.at(0).id, error_code::message_too_large, c.now, failed);
  CHECK(failed.replies.size() == 2);
  CHECK_FALSE(c.g->exists());
  group_effects durable;
  c.g->on_written(waiting.at(1).id, error_code::none, c.now, durable);
  CHECK(c.g->diverged());
}

TEST_CASE("requests that wait on a group that is taken back are answered") {
  harness h({{"t", 4}});
  auto q = h.hello("b");
  (void)h.heartbeat(q);
  const auto id = h.reply<join_group_response>(h.join(h.join_request(""))).member_id;
  (void)h.reply<join_group_response>(h.join(h.join_request(id)));
  h.durable = false;
  const auto leave = h.send(&group::consumer_heartbeat, h.pulse("b", -1), 1);  // back to classic
  const auto join = h.join(h.join_request(id));
  h.fail_writes();
  CHECK(h.reply<consumer_group_heartbeat_response>(leave).error_code ==
        error_code::not_coordinator);
  h.durable = true;
  CHECK(h.answered(join));
  CHECK(h.g->listed()->group_type == "consumer");
  CHECK(h.g->consumer_describe(1).members.size() == 2);
}

}  // namespace
}  // namespace weir::kafka
