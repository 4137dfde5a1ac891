// Random requests to the metadata, for the property test and the simulation: mostly such as can
// succeed in the state at hand, some that must be refused. Deterministic in the generator's seed.
#pragma once

#include <random>

#include "cluster/meta/state/state.hpp"

namespace weir::meta {

class command_maker {
 public:
  explicit command_maker(uint64_t seed) : random_(seed) {}

  /// `seen` may be older than the state that the command meets.
  command make(const cluster_state& seen);
  uuid make_id();
  uint64_t below(uint64_t n) { return n == 0 ? 0 : random_() % n; }

 private:
  bool one_in(uint64_t n) { return below(n) == 0; }
  template <class Map>
  auto pick(const Map& m) {
    auto it = m.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(below(m.size())));
    return it;
  }
  node_record some_node(const cluster_state&);
  const topic_record* some_topic(const cluster_state&);
  command about_nodes(const cluster_state&);
  command about_topics(const cluster_state&);
  command about_partitions(const cluster_state&);
  command about_jobs(const cluster_state&);

  std::mt19937_64 random_;
};

inline uuid command_maker::make_id() {
  uuid id;
  for (auto& b : id.bytes) b = static_cast<uint8_t>(random_());
  id.bytes[0] |= 1;  // never zero
  return id;
}

inline node_record command_maker::some_node(const cluster_state& s) {
  if (s.nodes().empty() || one_in(30)) {
    node_record nobody;
    nobody.id = node_id(static_cast<int32_t>(below(50)));
    return nobody;
  }
  node_record n = pick(s.nodes())->second;
  if (one_in(30)) --n.epoch.value;
  return n;
}

inline const topic_record* command_maker::some_topic(const cluster_state& s) {
  return s.topics().empty() ? nullptr : &pick(s.topics())->second;
}

inline command command_maker::about_nodes(const cluster_state& s) {
  constexpr size_t nodes_wanted = 7;
  if (s.nodes().size() < nodes_wanted && one_in(2)) {
    std::string name = "n" + std::to_string(below(1000));
    std::string rack = one_in(4) ? "" : "rack" + std::to_string(below(3));
    return register_node{make_id(), name, rack, {{"kafka", name + ".example", 9092}}};
  }
  node_record n = some_node(s);
  switch (below(8)) {
    case 0:
    case 1:
      return fence_node{n.id, n.epoch};
    case 2:
      return drain_node{n.id, !one_in(3)};
    case 3:
      return remove_node{n.id};
    default:
      return register_node{n.identity, n.name, n.rack, n.endpoints};
  }
}

inline command command_maker::about_topics(const cluster_state& s) {
  const topic_record* t = some_topic(s);
  if (!t || (s.topics().size() < 6 && one_in(2))) {
    create_topic c{"t" + std::to_string(below(12)) + (one_in(2) ? ".a" : "_a"),
                   make_id(),
                   static_cast<int32_t>(1 + below(6)),
                   static_cast<uint16_t>(1 + below(3)),
                   7,
                   {},
                   {}};
    if (one_in(3)) c.configs.emplace("min.insync.replicas", one_in(20) ? "x" : "2");
    if (one_in(5) && s.nodes().size() > 1) c.assignment = {{some_node(s).id, some_node(s).id}};
    return c;
  }
  switch (below(5)) {
    case 0:
      return delete_topic{one_in(5) ? make_id() : t->id};
    case 1:
    case 2:
      return add_partitions{t->id, static_cast<int32_t>(t->partitions.size() + below(3))};
    default:
      return alter_topic{t->id, {{"retention.ms", std::to_string(1000 * below(100))}}};
  }
}

inline command command_maker::about_partitions(const cluster_state& s) {
  const topic_record* t = some_topic(s);
  if (!t) return about_topics(s);
  const auto i = static_cast<int32_t>(below(t->partitions.size()));
  const partition_record& p = t->partitions[static_cast<size_t>(i)];
  switch (below(9)) {
    case 8: {
      const node_record* leader = s.find_node(p.leader);
      return confirm_leader{t->id, i, p.leader, leader ? leader->epoch : node_epoch(1),
                            p.leader_epoch - (one_in(4) ? 1 : 0)};
    }
    case 0:
      return elect_leader{t->id, i, one_in(2) ? no_node : p.replicas[below(p.replicas.size())]};
    case 1:
      return balance_leaders{static_cast<uint32_t>(1 + below(4))};
    case 2:
      return balance_replicas{static_cast<uint32_t>(1 + below(4))};
    case 3: {
      reassign_partition c{t->id, i, {}};
      for (size_t k = 1 + below(3); k > 0; --k) c.target.push_back(some_node(s).id);
      if (one_in(4)) c.target.clear();
      return c;
    }
    default: {
      const node_record* leader = s.find_node(p.leader);
      alter_in_sync c{t->id,          i,         p.leader, leader ? leader->epoch : node_epoch(1),
                      p.leader_epoch, p.version, {}};
      for (node_id n : p.replicas)
        if (n == p.leader || !one_in(4)) c.in_sync.push_back(n);
      if (one_in(20)) --c.version;
      if (one_in(20)) --c.leader_epoch;
      return c;
    }
  }
}

inline command command_maker::about_jobs(const cluster_state& s) {
  std::string key = "g" + std::to_string(below(8));
  auto kind = static_cast<home_kind>(below(2));
  switch (below(10)) {
    case 0:
    case 1:
      return find_home{kind, key};
    case 2: {
      auto it = s.homes().find({kind, key});
      return drop_home{kind, key, it == s.homes().end() ? fencing_token(1) : it->second.token};
    }
    case 3: {
      node_record n = some_node(s);
      return allocate_producer_ids{n.id, n.epoch, static_cast<uint32_t>(below(2000))};
    }
    case 4:
      if (one_in(2)) {
        kafka::alter_client_quotas_request r;
        auto& e = r.entries.emplace_back();
        e.entity.push_back({"client-id", "c" + std::to_string(below(5))});
        e.ops.push_back({"producer_byte_rate", static_cast<double>(below(1000)), one_in(4)});
        return alter_client_quotas{kafka::encode_alteration(r)};
      }
      return set_cluster_config{"min.insync.replicas", one_in(3) ? "" : "2"};
    default:
      break;
  }
  if (s.jobs().empty() || (s.jobs().size() < 5 && one_in(3))) {
    submit_job c{make_id(), "j" + std::to_string(below(8)), "sha256:00", 1000};
    for (auto n = below(3); n != 0; --n) c.libraries.push_back("l" + std::to_string(below(4)));
    if (!s.jobs().empty() && one_in(3)) {
      const job_record& from = pick(s.jobs())->second;
      c.origin = from.id;
      c.origin_epoch = from.savepoints.empty() ? from.newest : pick(from.savepoints)->first;
    }
    return c;
  }
  const job_record& j = pick(s.jobs())->second;
  fencing_token token = one_in(8) ? fencing_token(j.master.token.value - 1) : j.master.token;
  switch (below(10)) {
    case 8:
      return keep_savepoint{j.id, token, j.newest, j.manifest};
    case 9:
      return drop_savepoint{j.id, j.savepoints.empty() ? j.newest : pick(j.savepoints)->first};
    case 0:
    case 1: {
      node_record n = some_node(s);
      return acquire_master{j.id, n.id, n.epoch};
    }
    case 2:
      return release_master{j.id, token};
    case 3:
      return end_job{j.id, one_in(2) ? token : fencing_token(0), static_cast<job_phase>(below(5)),
                     "why"};
    case 4:
      return delete_job{j.id};
    default:
      return complete_epoch{j.id, token, epoch(j.newest.value + below(3)), "m" + key};
  }
}

inline command command_maker::make(const cluster_state& s) {
  switch (below(10)) {
    case 0:
    case 1:
      return about_nodes(s);
    case 2:
      return about_topics(s);
    case 3:
    case 4:
    case 5:
    case 6:
      return about_partitions(s);
    default:
      return about_jobs(s);
  }
}

}  // namespace weir::meta
