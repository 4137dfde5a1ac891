// A driver for one group in tests: topics from a list, a log in memory that becomes durable when
// the test says so (or at once), replies by token, and a clock that the test turns.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/groups/group.hpp"
#include "runtime/kafka/groups/records.hpp"
#include "runtime/kafka/protocol/messages/stored.hpp"

namespace weir::kafka {

inline uuid test_id(uint64_t n) {
  uuid u;
  for (size_t i = 0; i < 8; ++i) u.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  return u;
}

struct fake_topics final : topic_view {
  struct entry {
    std::string name;
    uuid id;
    int32_t partitions = 0;
    bool internal = false;
  };
  std::vector<entry> list;

  void add(std::string name, int32_t partitions, bool internal = false) {
    list.push_back({name, test_id(std::hash<std::string>{}(name)), partitions, internal});
  }
  static topic_facts facts(const entry& e) { return {e.name, e.id, e.partitions, e.internal}; }
  std::optional<topic_facts> find(std::string_view name) const override {
    for (const auto& e : list)
      if (e.name == name) return facts(e);
    return std::nullopt;
  }
  std::optional<topic_facts> find(const uuid& id) const override {
    for (const auto& e : list)
      if (e.id == id) return facts(e);
    return std::nullopt;
  }
  void for_each(const std::function<void(const topic_facts&)>& visit) const override {
    for (const auto& e : list) visit(facts(e));
  }
};

struct logged {
  group_record record;
  int64_t producer_id = -1;
};

class harness {
 public:
  explicit harness(std::vector<std::pair<std::string, int32_t>> topics, group_options o = quick())
      : options(std::move(o)) {
    set_topics(topics);
    g = std::make_unique<group>("g", options, view);
  }
  static group_options quick() {
    group_options o;
    o.initial_rebalance_delay_ms = 0;
    return o;
  }

  group_options options;
  std::shared_ptr<const fake_topics> view;
  std::unique_ptr<group> g;
  int64_t now = 1'000'000;
  bool durable = true;  // writes become durable at once
  std::vector<logged> log;
  std::vector<group_write> waiting;
  std::map<reply_token, group_response> replies;
  int64_t wake = group_effects::no_wake;
  std::string client_id = "client";
  uint64_t next_id = 1;
  reply_token next_token = 1;

  void set_topics(const std::vector<std::pair<std::string, int32_t>>& topics) {
    auto t = std::make_shared<fake_topics>();
    for (const auto& [name, partitions] : topics) t->add(name, partitions);
    view = t;
    if (g) {
      group_effects out;
      g->on_topics_changed(view, now, out);
      take(std::move(out));
    }
  }
  group_call call(int16_t version) {
    group_call c;
    c.token = next_token++;
    c.version = version;
    c.client_id = client_id;
    c.client_host = "/127.0.0.1";
    c.now_ms = now;
    c.fresh_id = test_id(next_id++);
    return c;
  }
  void take(group_effects&& out) {
    wake = out.next_wake_ms;
    for (auto& r : out.replies) {
      weir_assert(replies.count(r.token) == 0, "one reply for each request");
      replies.emplace(r.token, std::move(r.body));
    }
    for (auto& w : out.writes) waiting.push_back(std::move(w));
    if (durable) flush();
  }
  /// The oldest writes become durable.
  void flush(size_t count = SIZE_MAX) {
    while (!waiting.empty() && count-- > 0) {
      const group_write w = std::move(waiting.front());
      waiting.erase(waiting.begin());
      for (const auto& r : w.records) log.push_back({r, w.producer_id});
      group_effects out;
      g->on_written(w.id, error_code::none, now, out);
      take(std::move(out));
    }
  }
  void fail_writes(error_code e = error_code::kafka_storage_error) {
    std::vector<group_write> failed;
    failed.swap(waiting);
    for (const auto& w : failed) {
      group_effects out;
      g->on_written(w.id, e, now, out);
      take(std::move(out));
    }
  }
  /// Turns the clock, waking the group whenever it asked to be.
  void pass(int64_t ms) {
    const int64_t until = now + ms;
    while (wake <= until) {
      now = std::max(now, wake);
      group_effects out;
      g->on_timer(now, out);
      take(std::move(out));
    }
    now = until;
  }
  /// A new group from what is durable, as after a crash.
  void restart() {
    g = std::make_unique<group>("g", options, view);
    waiting.clear();
    replies.clear();
    for (const auto& l : log) {
      const auto value =
          l.record.value ? std::optional<std::string_view>(*l.record.value) : std::nullopt;
      const status s = g->restore(l.record.key, value, l.producer_id);
      REQUIRE(s.ok());
    }
    group_effects out;
    g->loaded(now, out);
    take(std::move(out));
  }
  void end_transaction(int64_t producer_id, bool commit) {
    group_effects out;
    g->on_transaction_end(producer_id, commit, now, out);
    take(std::move(out));
  }

  template <class Request, class Method>
  reply_token send(Method method, const Request& q, int16_t version) {
    const group_call c = call(version);
    group_effects out;
    (g.get()->*method)(c, q, out);
    take(std::move(out));
    return c.token;
  }
  bool answered(reply_token t) const { return replies.count(t) != 0; }
  template <class Response>
  Response reply(reply_token t) {
    const auto it = replies.find(t);
    REQUIRE(it != replies.end());
    Response r = std::get<Response>(it->second);
    replies.erase(it);
    return r;
  }

  // --- classic protocol ---
  static std::string subscription(const std::vector<std::string>& topics) {
    consumer_protocol_subscription s;
    s.topics = topics;
    return membership::encode_record_part(s, 1);
  }
  join_group_request join_request(const std::string& member,
                                  std::vector<std::string> topics = {"t"},
                                  std::optional<std::string> instance = {}) const {
    join_group_request q;
    q.group_id = "g";
    q.session_timeout_ms = 10'000;
    q.rebalance_timeout_ms = 60'000;
    q.member_id = member;
    q.group_instance_id = std::move(instance);
    q.protocol_type = "consumer";
    q.protocols = {{"range", subscription(topics)}};
    return q;
  }
  reply_token join(const join_group_request& q, int16_t version = 9) {
    return send(&group::join, q, version);
  }
  /// Both steps of a new dynamic member; the token of the second.
  std::pair<std::string, reply_token> join_new() {
    const auto first = reply<join_group_response>(join(join_request("")));
    REQUIRE(first.error_code == error_code::member_id_required);
    return {first.member_id, join(join_request(first.member_id))};
  }
  reply_token sync(const std::string& member, int32_t generation,
                   std::vector<std::pair<std::string, std::string>> assignments = {},
                   std::optional<std::string> instance = {}) {
    sync_group_request q;
    q.group_id = "g";
    q.member_id = member;
    q.group_instance_id = std::move(instance);
    q.generation_id = generation;
    for (auto& [id, a] : assignments) q.assignments.push_back({id, a});
    return send(&group::sync, q, 5);
  }
  error_code beat(const std::string& member, int32_t generation,
                  std::optional<std::string> instance = {}) {
    heartbeat_request q;
    q.group_id = "g";
    q.member_id = member;
    q.generation_id = generation;
    q.group_instance_id = std::move(instance);
    return reply<heartbeat_response>(send(&group::heartbeat, q, 4)).error_code;
  }
  leave_group_response leave(const std::string& member, std::optional<std::string> instance = {}) {
    leave_group_request q;
    q.group_id = "g";
    q.members.push_back({member, std::move(instance), std::nullopt});
    return reply<leave_group_response>(send(&group::leave, q, 5));
  }

  // --- KIP-848 ---
  consumer_group_heartbeat_request hello(const std::string& member,
                                         std::vector<std::string> topics = {"t"}) const {
    consumer_group_heartbeat_request q;
    q.group_id = "g";
    q.member_id = member;
    q.member_epoch = 0;
    q.rebalance_timeout_ms = 60'000;
    q.subscribed_topic_names = std::move(topics);
    q.topic_partitions.emplace();
    return q;
  }
  consumer_group_heartbeat_response heartbeat(const consumer_group_heartbeat_request& q) {
    return reply<consumer_group_heartbeat_response>(send(&group::consumer_heartbeat, q, 1));
  }
  consumer_group_heartbeat_request pulse(const std::string& member, int32_t epoch) const {
    consumer_group_heartbeat_request q;
    q.group_id = "g";
    q.member_id = member;
    q.member_epoch = epoch;
    return q;
  }

  // --- offsets ---
  offset_commit_request commit_request(const std::string& member, int32_t epoch, int32_t partition,
                                       int64_t offset, const std::string& topic = "t") const {
    offset_commit_request q;
    q.group_id = "g";
    q.member_id = member;
    q.generation_id_or_member_epoch = epoch;
    auto& t = q.topics.emplace_back();
    t.name = topic;
    auto& p = t.partitions.emplace_back();
    p.partition_index = partition;
    p.committed_offset = offset;
    return q;
  }
  error_code commit(const offset_commit_request& q, int16_t version = 9) {
    using method = void (group::*)(const group_call&, const offset_commit_request&, group_effects&);
    return reply<offset_commit_response>(
               send(static_cast<method>(&group::commit_offsets), q, version))
        .topics[0]
        .partitions[0]
        .error_code;
  }
  reply_token commit_in_transaction(int64_t producer, int32_t partition, int64_t offset) {
    txn_offset_commit_request q;
    q.group_id = "g";
    q.transactional_id = "tx";
    q.producer_id = producer;
    q.producer_epoch = 3;
    auto& t = q.topics.emplace_back();
    t.name = "t";
    auto& p = t.partitions.emplace_back();
    p.partition_index = partition;
    p.committed_offset = offset;
    using method =
        void (group::*)(const group_call&, const txn_offset_commit_request&, group_effects&);
    return send(static_cast<method>(&group::commit_offsets), q, 3);
  }
  offset_fetch_response::group_partition fetch(int32_t partition, bool require_stable = false,
                                               const std::string& topic = "t") const {
    offset_fetch_request::group q;
    q.group_id = "g";
    q.topics.emplace().push_back({topic, {}, {partition}});
    const auto r = g->fetch_offsets(q, require_stable, 9);
    REQUIRE(r.error_code == error_code::none);
    return r.topics.at(0).partitions.at(0);
  }
};

}  // namespace weir::kafka
