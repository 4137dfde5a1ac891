// Topics: made, deleted, configured, widened.
#include "cluster/meta/state/detail.hpp"
#include "cluster/meta/state/state.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/kafka/topics/topic_config.hpp"
#include "runtime/kafka/topics/topic_name.hpp"

namespace weir::meta {

answer cluster_state::check_configs(const kafka::config_map& configs) const {
  for (const auto& [name, value] : configs) {
    auto canonical = kafka::canonical_topic_value(name, value);
    if (!canonical) return refuse(verdict::invalid, canonical.err().message);
    if (*canonical != value)
      return refuse(verdict::invalid, "Invalid value " + value + " for configuration " + name +
                                          ": not in canonical form, which is " + *canonical);
  }
  return done();
}

answer cluster_state::check_assignment(const std::vector<std::vector<node_id>>& lists) const {
  for (size_t i = 0; i < lists.size(); ++i) {
    const auto& replicas = lists[i];
    std::string where = "partition " + std::to_string(i) + ": ";
    if (replicas.empty() || replicas.size() > replication_max)
      return refuse(verdict::invalid,
                    where + "1 to " + std::to_string(replication_max) + " replicas are possible");
    if (replicas.size() != lists[0].size())
      return refuse(verdict::invalid, where + "all partitions need as many replicas");
    if (!all_distinct(replicas)) return refuse(verdict::invalid, where + "a node is named twice");
    bool any_live = false;
    for (node_id n : replicas) {
      const node_record* r = find_node(n);
      if (!r) return refuse(verdict::not_found, where + name_of(n) + " is not registered");
      any_live |= !r->fenced;
    }
    if (!any_live) return refuse(verdict::no_capacity, where + "none of its nodes is alive");
  }
  return done();
}

partition_record cluster_state::placed(std::vector<node_id> replicas) const {
  partition_record p;
  p.replicas = std::move(replicas);
  for (node_id n : p.replicas)
    if (!nodes_.at(n).fenced) p.in_sync.push_back(n);
  p.leader = pick_leader(p, nodes_);
  return p;
}

answer cluster_state::add_placed(topic_record& t, int32_t partitions) {
  std::vector<node_load> loads = candidates();
  if (loads.size() < t.replication)
    return refuse(verdict::no_capacity,
                  std::to_string(t.replication) + " replicas are wanted and " +
                      std::to_string(loads.size()) +
                      " nodes are alive and not being drained: start more, or ask for fewer");
  for (int32_t i = 0; i < partitions; ++i)
    t.partitions.push_back(placed(place_partition(loads, t.replication)));
  return done();
}

// The newest generation's partitions share the key space evenly.
void cluster_state::cut_keys(topic_record& t) const {
  uint32_t newest = 0;
  for (const auto& p : t.partitions) newest = std::max(newest, p.generation);
  std::vector<partition_record*> current;
  for (auto& p : t.partitions)
    if (p.generation == newest) current.push_back(&p);
  auto ranges = kafka::even_key_ranges(static_cast<int32_t>(current.size()));
  for (size_t i = 0; i < current.size(); ++i) current[i]->keys = ranges[i];
}

answer cluster_state::run(const create_topic& c) {
  if (std::string problem = kafka::topic_name_problem(c.name); !problem.empty())
    return refuse(verdict::invalid, std::move(problem));
  if (find_topic(c.name))
    return refuse(verdict::already_exists, "Topic '" + c.name + "' already exists.");
  if (auto other = topic_of_folded_name_.find(folded(c.name)); other != topic_of_folded_name_.end())
    return refuse(verdict::invalid, "Topic '" + c.name + "' collides with existing topic: " +
                                        topics_.at(other->second).name);
  if (c.id.is_zero() || topics_.contains(c.id))
    return refuse(verdict::invalid, "a new topic needs an id of its own");
  if (answer bad = check_configs(c.configs); !bad.ok()) return bad;
  if (answer bad = check_assignment(c.assignment); !bad.ok()) return bad;
  const bool manual = !c.assignment.empty();
  const auto n = manual ? static_cast<int64_t>(c.assignment.size()) : c.partitions;
  if (n < 1 || n > limits_.partitions_per_topic_max)
    return refuse(
        verdict::invalid,
        "a topic has 1 to " + std::to_string(limits_.partitions_per_topic_max) + " partitions");
  if (!manual && (c.replication < 1 || c.replication > replication_max))
    return refuse(verdict::invalid,
                  "1 to " + std::to_string(replication_max) + " replicas are possible");
  if (topics_.size() >= limits_.topics_max ||
      partitions_ + static_cast<size_t>(n) > limits_.partitions_max)
    return refuse(verdict::limit, "the cluster has " + std::to_string(topics_.size()) +
                                      " topics and " + std::to_string(partitions_) +
                                      " partitions: there is no room for more");
  topic_record t;
  t.name = c.name;
  t.id = c.id;
  t.created_ms = c.created_ms;
  t.configs = c.configs;
  if (manual) {
    t.replication = static_cast<uint16_t>(c.assignment[0].size());
    for (const auto& replicas : c.assignment) t.partitions.push_back(placed(replicas));
  } else {
    t.replication = c.replication;
    if (answer bad = add_placed(t, static_cast<int32_t>(n)); !bad.ok()) return bad;
  }
  cut_keys(t);
  partitions_ += t.partitions.size();
  topic_of_name_.emplace(t.name, t.id);
  topic_of_folded_name_.emplace(folded(t.name), t.id);
  for (size_t i = 0; i < t.partitions.size(); ++i)
    changes_.partitions.emplace_back(t.id, static_cast<int32_t>(i));
  changes_.topics.push_back(t.id);
  topics_.emplace(t.id, std::move(t));
  return done();
}

answer cluster_state::run(const delete_topic& c) {
  auto it = topics_.find(c.id);
  if (it == topics_.end()) return no_topic(c.id);
  partitions_ -= it->second.partitions.size();
  topic_of_name_.erase(it->second.name);
  topic_of_folded_name_.erase(folded(it->second.name));
  topics_.erase(it);
  changes_.topics.push_back(c.id);
  return done();
}

answer cluster_state::run(const alter_topic& c) {
  auto it = topics_.find(c.id);
  if (it == topics_.end()) return no_topic(c.id);
  if (answer bad = check_configs(c.configs); !bad.ok()) return bad;
  it->second.configs = c.configs;
  changes_.topics.push_back(c.id);
  return done();
}

answer cluster_state::run(const add_partitions& c) {
  auto it = topics_.find(c.id);
  if (it == topics_.end()) return no_topic(c.id);
  topic_record next = it->second;
  const auto before = static_cast<int32_t>(next.partitions.size());
  if (c.partitions <= before)
    return refuse(verdict::invalid, "topic '" + next.name + "' has " + std::to_string(before) +
                                        " partitions already: ask for more than that");
  if (c.partitions > limits_.partitions_per_topic_max)
    return refuse(
        verdict::invalid,
        "a topic has at most " + std::to_string(limits_.partitions_per_topic_max) + " partitions");
  const auto more = static_cast<size_t>(c.partitions - before);
  if (partitions_ + more > limits_.partitions_max)
    return refuse(verdict::limit, "the cluster has " + std::to_string(partitions_) +
                                      " partitions: there is no room for more");
  uint32_t newest = 0;
  for (const auto& p : next.partitions) newest = std::max(newest, p.generation);
  if (answer bad = add_placed(next, c.partitions - before); !bad.ok()) return bad;
  for (size_t i = static_cast<size_t>(before); i < next.partitions.size(); ++i)
    next.partitions[i].generation = newest;
  cut_keys(next);
  partitions_ += more;
  for (int32_t i = 0; i < c.partitions; ++i) {
    auto& p = next.partitions[static_cast<size_t>(i)];
    if (i < before) ++p.version;  // its keys are others now
    changes_.partitions.emplace_back(c.id, i);
  }
  changes_.topics.push_back(c.id);
  it->second = std::move(next);
  return done();
}

}  // namespace weir::meta
