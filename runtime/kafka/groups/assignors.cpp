#include "runtime/kafka/groups/assignors.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "runtime/base/assert.hpp"

namespace weir::kafka::membership {

namespace {

/// Rounds over all topics that balancing different subscriptions takes at most. Each round only
/// improves; Kafka stops after as many.
constexpr int balance_rounds_max = 16;

class uniform_builder {
 public:
  uniform_builder(const std::vector<assignor_member>& members, const assignor_topics& topics)
      : members_(members), load_(members.size(), 0), order_(members.size()) {
    std::iota(order_.begin(), order_.end(), 0U);
    std::sort(order_.begin(), order_.end(),
              [&](uint32_t a, uint32_t b) { return members_[a].id < members_[b].id; });
    std::vector<uint32_t> rank(members.size());
    for (uint32_t i = 0; i < order_.size(); ++i) rank[order_[i]] = i;
    rank_ = std::move(rank);
    for (const uint32_t m : order_) {
      for (const uuid& topic : members[m].topics) {
        const auto it = topics.find(topic);
        if (it == topics.end()) continue;
        auto& t = topics_[topic];
        if (t.owners.empty()) t.owners.assign(static_cast<size_t>(it->second), none);
        t.subscribers.push_back(m);
      }
    }
  }

  std::vector<assignment> build() {
    keep_current();
    std::vector<topic_state*> sorted = sorted_topics();
    if (homogeneous()) trim_to_quota(sorted);
    for (topic_state* t : sorted) fill(*t);
    if (!homogeneous()) {
      for (int round = 0; round < balance_rounds_max; ++round) {
        bool moved = false;
        for (topic_state* t : sorted) moved = balance(*t) || moved;
        if (!moved) break;
      }
    }
    return result();
  }

 private:
  static constexpr uint32_t none = UINT32_MAX;
  struct topic_state {
    std::vector<uint32_t> owners;       // by partition
    std::vector<uint32_t> subscribers;  // by member id
  };

  bool homogeneous() const {
    return std::all_of(topics_.begin(), topics_.end(), [&](const auto& t) {
      return t.second.subscribers.size() == members_.size();
    });
  }

  void keep_current() {
    for (const uint32_t m : order_) {
      if (members_[m].current == nullptr) continue;
      for (const auto& [topic, partitions] : *members_[m].current) {
        const auto it = topics_.find(topic);
        if (it == topics_.end() ||
            !std::binary_search(members_[m].topics.begin(), members_[m].topics.end(), topic))
          continue;
        for (const int32_t p : partitions) {
          if (p < 0 || static_cast<size_t>(p) >= it->second.owners.size()) continue;
          uint32_t& owner = it->second.owners[static_cast<size_t>(p)];
          if (owner != none) continue;
          owner = m;
          ++load_[m];
        }
      }
    }
  }

  /// Same subscriptions: nobody keeps more than his share. The members with the most keep the
  /// extra partitions of an uneven division, so that as few as possible move.
  void trim_to_quota(const std::vector<topic_state*>& topics) {
    size_t total = 0;
    for (const topic_state* t : topics) total += t->owners.size();
    const size_t least = total / members_.size();
    size_t extra = total % members_.size();
    std::vector<uint32_t> fullest = order_;
    std::stable_sort(fullest.begin(), fullest.end(),
                     [&](uint32_t a, uint32_t b) { return load_[a] > load_[b]; });
    std::vector<size_t> quota(members_.size(), least);
    for (const uint32_t m : fullest) {
      if (extra == 0) break;
      ++quota[m];
      --extra;
    }
    for (topic_state* t : topics) {
      for (size_t p = t->owners.size(); p-- > 0;) {
        uint32_t& owner = t->owners[p];
        if (owner == none || load_[owner] <= quota[owner]) continue;
        --load_[owner];
        owner = none;
      }
    }
  }

  /// The topics that are hardest to balance first: most partitions per subscriber.
  std::vector<topic_state*> sorted_topics() {
    std::vector<topic_state*> out;
    for (auto& [id, t] : topics_) out.push_back(&t);
    std::stable_sort(out.begin(), out.end(), [](const topic_state* a, const topic_state* b) {
      const size_t left = a->owners.size() * b->subscribers.size();
      const size_t right = b->owners.size() * a->subscribers.size();
      if (left != right) return left > right;
      return a->subscribers.size() < b->subscribers.size();
    });
    return out;
  }

  struct by_load {
    const uniform_builder* b;
    bool operator()(uint32_t x, uint32_t y) const {
      if (b->load_[x] != b->load_[y]) return b->load_[x] < b->load_[y];
      return b->rank_[x] < b->rank_[y];
    }
  };
  using load_order = std::set<uint32_t, by_load>;

  void add_load(load_order& order, uint32_t member, int change) {
    order.erase(member);
    load_[member] = static_cast<size_t>(static_cast<int64_t>(load_[member]) + change);
    order.insert(member);
  }

  void fill(topic_state& t) {
    if (std::find(t.owners.begin(), t.owners.end(), none) == t.owners.end()) return;
    load_order order(t.subscribers.begin(), t.subscribers.end(), by_load{this});
    for (uint32_t& owner : t.owners) {
      if (owner != none) continue;
      owner = *order.begin();
      add_load(order, owner, +1);
    }
  }

  /// Moves this topic's partitions from its most to its least loaded subscribers, as long as that
  /// brings them closer.
  bool balance(topic_state& t) {
    if (t.subscribers.size() < 2) return false;
    std::map<uint32_t, std::vector<size_t>> owned;
    for (size_t p = 0; p < t.owners.size(); ++p) owned[t.owners[p]].push_back(p);
    load_order all(t.subscribers.begin(), t.subscribers.end(), by_load{this});
    load_order givers(by_load{this});
    for (const auto& [member, partitions] : owned) givers.insert(member);
    bool moved = false;
    while (!givers.empty()) {
      const uint32_t from = *std::prev(givers.end());
      const uint32_t to = *all.begin();
      if (load_[from] <= load_[to] + 1) break;
      const size_t p = owned[from].back();
      owned[from].pop_back();
      owned[to].push_back(p);
      t.owners[p] = to;
      givers.erase(from);
      givers.erase(to);
      add_load(all, from, -1);
      add_load(all, to, +1);
      if (!owned[from].empty()) givers.insert(from);
      givers.insert(to);
      moved = true;
    }
    return moved;
  }

  std::vector<assignment> result() const {
    std::vector<assignment> out(members_.size());
    for (const auto& [topic, t] : topics_) {
      for (size_t p = 0; p < t.owners.size(); ++p) {
        weir_assert(t.owners[p] != none, "a subscribed partition was left unassigned");
        out[t.owners[p]][topic].push_back(static_cast<int32_t>(p));
      }
    }
    return out;
  }

  const std::vector<assignor_member>& members_;
  std::vector<size_t> load_;
  std::vector<uint32_t> order_;  // member indexes by id
  std::vector<uint32_t> rank_;   // the reverse
  std::map<uuid, topic_state> topics_;
};

/// Members with an instance id first, so that static members keep their ranges over restarts.
bool range_before(const assignor_member& a, const assignor_member& b) {
  if (a.instance_id && b.instance_id) return *a.instance_id < *b.instance_id;
  if (a.instance_id || b.instance_id) return a.instance_id.has_value();
  return a.id < b.id;
}

std::vector<assignment> assign_ranges(const std::vector<assignor_member>& members,
                                      const assignor_topics& topics) {
  std::vector<uint32_t> order(members.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return range_before(members[a], members[b]); });
  std::map<uuid, std::vector<uint32_t>> subscribers;
  for (const uint32_t m : order)
    for (const uuid& topic : members[m].topics) subscribers[topic].push_back(m);
  std::vector<assignment> out(members.size());
  for (const auto& [topic, list] : subscribers) {
    const auto it = topics.find(topic);
    if (it == topics.end()) continue;
    const auto n = static_cast<int32_t>(list.size());
    int32_t next = 0;
    for (int32_t i = 0; i < n; ++i) {
      const int32_t end = next + it->second / n + (i < it->second % n ? 1 : 0);
      if (next == end) continue;
      auto& mine = out[list[static_cast<size_t>(i)]][topic];
      while (next < end) mine.push_back(next++);
    }
  }
  return out;
}

}  // namespace

std::optional<assignor> parse_assignor(std::string_view name) noexcept {
  if (name == "uniform") return assignor::uniform;
  if (name == "range") return assignor::range;
  return std::nullopt;
}

std::string_view to_string(assignor a) noexcept {
  return a == assignor::uniform ? "uniform" : "range";
}

std::vector<assignment> assign(assignor kind, const std::vector<assignor_member>& members,
                               const assignor_topics& topics) {
  if (members.empty()) return {};
  if (kind == assignor::range) return assign_ranges(members, topics);
  return uniform_builder(members, topics).build();
}

}  // namespace weir::kafka::membership
