#include "cluster/meta/service/leader_orders.hpp"

#include <map>

namespace weir::meta {

namespace {

// Beside all partitions: one topic often has most of the traffic. With less than 2 two topics that
// each have a node of their own would not get apart when all is even.
constexpr int64_t topic_weight = 4;

struct place {
  const topic_record* topic = nullptr;
  int32_t partition = 0;
  std::vector<node_id> replicas;
};

/// Another replica of a place becomes its first.
struct swap {
  place* where = nullptr;
  size_t instead = 0;
  int64_t topic_gain = 0;
  node_id from() const { return where->replicas[0]; }
  node_id to() const { return where->replicas[instead]; }
};

using counts = std::map<node_id, int64_t>;

/// Each round makes the sum of squares of what nodes are first of, in all and (weighted) of each
/// topic, smaller: so it ends.
class orders {
 public:
  explicit orders(const cluster_state& state) {
    for (const auto& [id, n] : state.nodes())
      if (n.takes_duties()) all_[id] = 0;
    for (const auto& [id, t] : state.topics())
      for (size_t i = 0; i < t.partitions.size(); ++i) {
        const auto& p = t.partitions[i];
        const auto first = all_.find(p.replicas[0]);
        if (first == all_.end()) continue;
        ++first->second;
        ++of_topic_[&t][first->first];
        if (!p.reassigning() && p.replicas.size() > 1)
          places_.push_back({&t, static_cast<int32_t>(i), p.replicas});
      }
  }
  /// The swap that gains most; or two, of which the second one's node gets what it gives away: then
  /// a node gets something from one with which it shares no partition. Empty: nothing gains.
  std::vector<swap> best() {
    const auto edges = swaps();
    std::vector<swap> found;
    int64_t most = 0;
    auto consider = [&](int64_t gain, std::vector<swap> s) {
      if (gain > most) most = gain, found = std::move(s);
    };
    for (const auto& [ends, a] : edges)
      consider(all_[ends.first] - all_[ends.second] - 1 + a.topic_gain, {a});
    if (!found.empty()) return found;
    for (const auto& [first, a] : edges)
      for (auto it = edges.lower_bound({first.second, node_id{INT32_MIN}});
           it != edges.end() && it->first.first == first.second; ++it) {
        const auto& b = it->second;
        if (b.to() == first.first) continue;
        const auto topics = a.where->topic == b.where->topic
                                ? topic_gain(a.where->topic, a.from(), b.to())
                                : a.topic_gain + b.topic_gain;
        consider(all_[a.from()] - all_[b.to()] - 1 + topics, {a, b});
      }
    return found;
  }
  command make(const swap& s) {
    auto& here = of_topic_[s.where->topic];
    --all_[s.from()], ++all_[s.to()];
    --here[s.from()], ++here[s.to()];
    std::swap(s.where->replicas[0], s.where->replicas[s.instead]);
    return reassign_partition{s.where->topic->id, s.where->partition, s.where->replicas};
  }

 private:
  int64_t topic_gain(const topic_record* t, node_id from, node_id to) {
    auto& here = of_topic_[t];
    return topic_weight * (here[from] - here[to] - 1);
  }
  /// From node to node, the one that is best for its topic.
  std::map<std::pair<node_id, node_id>, swap> swaps() {
    std::map<std::pair<node_id, node_id>, swap> out;
    for (auto& p : places_)
      for (size_t k = 1; k < p.replicas.size(); ++k) {
        if (!all_.contains(p.replicas[k])) continue;
        const swap s{&p, k, topic_gain(p.topic, p.replicas[0], p.replicas[k])};
        auto [it, first] = out.try_emplace({s.from(), s.to()}, s);
        if (!first && s.topic_gain > it->second.topic_gain) it->second = s;
      }
    return out;
  }

  counts all_;
  std::map<const topic_record*, counts> of_topic_;
  std::vector<place> places_;
};

}  // namespace

std::vector<command> even_out_leaders(const cluster_state& state, uint32_t moves_max) {
  orders now(state);
  std::vector<command> out;
  for (auto next = now.best(); !next.empty() && out.size() + next.size() <= moves_max;
       next = now.best())
    for (const auto& s : next) out.push_back(now.make(s));
  return out;
}

}  // namespace weir::meta
