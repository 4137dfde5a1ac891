#include "cluster/meta/state/state.hpp"

#include <charconv>

#include "cluster/meta/state/command_codec.hpp"
#include "cluster/meta/state/detail.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/kafka/topics/broker_config.hpp"

namespace weir::meta {

const char* to_string(verdict v) noexcept {
  switch (v) {
    case verdict::ok:
      return "ok";
    case verdict::invalid:
      return "invalid";
    case verdict::not_found:
      return "not found";
    case verdict::already_exists:
      return "already exists";
    case verdict::stale:
      return "stale";
    case verdict::fenced:
      return "fenced";
    case verdict::conflict:
      return "conflict";
    case verdict::no_capacity:
      return "no capacity";
    case verdict::limit:
      return "limit";
  }
  return "unknown";
}

outcome cluster_state::apply(const request& r) {
  ++applied_;
  changes_ = {};
  if (!r.client.is_zero()) {
    auto it = sessions_.find(r.client);
    uint64_t last = it == sessions_.end() ? 0 : it->second.request;
    if (r.number == 0)
      return {refuse(verdict::invalid, "requests are counted from 1; 0 is none"), false};
    if (r.number == last) {
      auto before = decode_answer(it->second.answer);
      weir_assert(before.ok(), "a session holds what encode_answer gave");
      return {std::move(*before), true};
    }
    if (r.number < last)
      return {refuse(verdict::stale, "request " + std::to_string(r.number) + " of a client whose " +
                                         "request " + std::to_string(last) +
                                         " was answered: it was given up or came late"),
              false};
  }
  answer a = std::visit([this](const auto& c) { return run(c); }, r.what);
  if (!a.ok())
    weir_assert(changes_.nodes.empty() && changes_.topics.empty() && changes_.partitions.empty() &&
                    changes_.jobs.empty() && changes_.homes.empty() && !changes_.config,
                "a refused command changes nothing");
  assert_touched();
  if (!r.client.is_zero()) remember(r, a);
  return {std::move(a), false};
}

void cluster_state::remember(const request& r, const answer& a) {
  session_record& s = sessions_[r.client];
  if (s.used != 0) session_of_use_.erase(s.used);
  s = {r.number, applied_, encode_answer(a)};
  session_of_use_.emplace(applied_, r.client);
  if (sessions_.size() > limits_.sessions_max) {
    auto oldest = session_of_use_.begin();
    sessions_.erase(oldest->second);
    session_of_use_.erase(oldest);
  }
}

const node_record* cluster_state::find_node(node_id n) const {
  auto it = nodes_.find(n);
  return it == nodes_.end() ? nullptr : &it->second;
}
const node_record* cluster_state::find_node(const uuid& identity) const {
  auto it = node_of_identity_.find(identity);
  return it == node_of_identity_.end() ? nullptr : find_node(it->second);
}
const topic_record* cluster_state::find_topic(const uuid& id) const {
  auto it = topics_.find(id);
  return it == topics_.end() ? nullptr : &it->second;
}
const topic_record* cluster_state::find_topic(std::string_view name) const {
  auto it = topic_of_name_.find(name);
  return it == topic_of_name_.end() ? nullptr : find_topic(it->second);
}
const partition_record* cluster_state::find_partition(const uuid& topic, int32_t partition) const {
  const topic_record* t = find_topic(topic);
  if (!t || partition < 0 || static_cast<size_t>(partition) >= t->partitions.size()) return nullptr;
  return &t->partitions[static_cast<size_t>(partition)];
}
const job_record* cluster_state::find_job(const uuid& id) const {
  auto it = jobs_.find(id);
  return it == jobs_.end() ? nullptr : &it->second;
}

int32_t cluster_state::min_in_sync(const topic_record& t) const {
  constexpr std::string_view name = "min.insync.replicas";
  auto it = t.configs.find(name);
  if (it == t.configs.end()) {
    it = config_.find(name);
    if (it == config_.end()) return 1;
  }
  int32_t n = 1;
  std::from_chars(it->second.data(), it->second.data() + it->second.size(), n);
  return n;
}

bool cluster_state::writable(const topic_record& t, int32_t partition) const {
  weir_assert(partition >= 0 && static_cast<size_t>(partition) < t.partitions.size(),
              "the topic has this partition");
  const partition_record& p = t.partitions[static_cast<size_t>(partition)];
  return p.leader != no_node && static_cast<int32_t>(p.in_sync.size()) >= min_in_sync(t);
}

cluster_state::burden cluster_state::burden_of(node_id n) const {
  burden b;
  for (const auto& [id, t] : topics_) {
    for (const auto& p : t.partitions) {
      b.replicas += contains(p.replicas, n);
      b.leaders += p.leader == n;
    }
  }
  for (const auto& [id, j] : jobs_) b.masters += j.master.holder == n;
  auto it = homes_of_node_.find(n);
  b.homes = it == homes_of_node_.end() ? 0 : it->second;
  return b;
}

answer cluster_state::run(const allocate_producer_ids& c) {
  constexpr uint32_t block_max = 1'000'000;
  if (answer bad = check_live(c.node, c.epoch, false); !bad.ok()) return bad;
  if (c.count == 0 || c.count > block_max)
    return refuse(verdict::invalid, "a block has 1 to " + std::to_string(block_max) + " ids");
  // Kafka's producer ids are signed.
  if (next_producer_id_ > static_cast<uint64_t>(INT64_MAX) - c.count)
    return refuse(verdict::limit, "there are no producer ids left");
  uint64_t first = next_producer_id_;
  next_producer_id_ += c.count;
  changes_.config = true;
  return done(first);
}

answer cluster_state::run(const set_cluster_config& c) {
  const auto* definition = kafka::find_broker_config(c.name);
  if (!definition) return refuse(verdict::invalid, "there is no setting '" + c.name + "'");
  if (c.value.empty()) {
    if (config_.erase(c.name) == 0)
      return refuse(verdict::not_found, "'" + c.name + "' is not set for the cluster");
    changes_.config = true;
    return done();
  }
  auto canonical = kafka::canonical_value(c.name, definition->rule, c.value);
  if (!canonical) return refuse(verdict::invalid, canonical.err().message);
  config_.insert_or_assign(c.name, std::move(*canonical));
  changes_.config = true;
  return done();
}

answer cluster_state::run(const alter_client_quotas& c) {
  const auto change = kafka::decode_alteration(c.change);
  if (!change) return refuse(verdict::invalid, change.err().message);
  auto altered = kafka::alter_quotas(quotas_, *change);
  for (const auto& e : altered.response.entries)
    if (e.error_code != kafka::error_code::none)
      return refuse(verdict::invalid, e.error_message.value_or("a quota is refused"));
  if (!altered.after) return done();
  quotas_ = *std::move(altered.after);
  changes_.quotas = true;
  return done();
}

}  // namespace weir::meta
