// The replicated metadata of a cluster as ONE deterministic state machine: it knows no clock,
// thread, socket or randomness; whoever applies the same requests in the same order has the same
// state, byte for byte. Owned by whoever applies the log (cluster/meta/raft) and used on its thread
// only. What always holds is checked after each command (invariants.cpp); a violation is our own
// bug and ends the process before it spreads.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/meta/state/command.hpp"
#include "cluster/meta/state/placement.hpp"
#include "runtime/base/result.hpp"
#include "runtime/kafka/quotas/client_quotas.hpp"

namespace weir::meta {

/// Of snapshots of the state, on disks and between nodes. Since 2: quotas of clients; since 3:
/// libraries, origins and savepoints of jobs.
inline constexpr uint16_t state_format = 3;

/// What a command touched: what to look at anew. May name what is gone by now.
struct change_set {
  std::vector<node_id> nodes;
  std::vector<uuid> topics;  // made, deleted, configured, widened
  std::vector<std::pair<uuid, int32_t>> partitions;
  std::vector<uuid> jobs;
  std::vector<home_key> homes;
  bool config = false;
  bool quotas = false;
};

struct outcome {
  answer reply;
  bool repeated = false;  // the answer to the same request before; nothing was applied
};

class cluster_state {
 public:
  explicit cluster_state(state_limits limits = {}) : limits_(limits) {}

  /// Every request counts as applied, also a refused one. Exactly once: a repetition of a client's
  /// last request is answered as before.
  outcome apply(const request&);
  /// Of the last apply().
  const change_set& changes() const noexcept { return changes_; }

  const std::map<node_id, node_record>& nodes() const noexcept { return nodes_; }
  const node_record* find_node(node_id) const;
  const node_record* find_node(const uuid& identity) const;
  const std::map<uuid, topic_record>& topics() const noexcept { return topics_; }
  const topic_record* find_topic(const uuid& id) const;
  const topic_record* find_topic(std::string_view name) const;
  const partition_record* find_partition(const uuid& topic, int32_t partition) const;
  size_t partition_count() const noexcept { return partitions_; }
  const std::map<uuid, job_record>& jobs() const noexcept { return jobs_; }
  const job_record* find_job(const uuid& id) const;
  const std::map<home_key, lease_record>& homes() const noexcept { return homes_; }
  const kafka::config_map& config() const noexcept { return config_; }
  const kafka::quota_map& quotas() const noexcept { return quotas_; }
  uint64_t next_producer_id() const noexcept { return next_producer_id_; }
  size_t session_count() const noexcept { return sessions_.size(); }
  /// How many in-sync replicas a write with acks=all needs: the topic's word, the cluster's, or 1.
  int32_t min_in_sync(const topic_record&) const;
  /// Whether such a write is possible by now.
  bool writable(const topic_record&, int32_t partition) const;
  /// What is still on a node: nothing when a drain is done.
  struct burden {
    uint32_t replicas = 0, leaders = 0, masters = 0, homes = 0;
  };
  burden burden_of(node_id) const;
  /// How many requests were applied since the beginning of the cluster.
  uint64_t applied() const noexcept { return applied_; }

  /// All of it as bytes, with version and checksum; equal states give equal bytes.
  std::string snapshot() const;
  /// errc::corrupt, errc::version_mismatch. Limits are the program's, not the snapshot's.
  static result<cluster_state> restore(std::string_view bytes, state_limits limits = {});

  /// Every invariant over the whole state; the error says what is broken.
  status check() const;

  friend bool operator==(const cluster_state& a, const cluster_state& b) {
    return a.snapshot() == b.snapshot();
  }

 private:
  friend struct state_format;

  answer run(const register_node&);
  answer run(const fence_node&);
  answer run(const drain_node&);
  answer run(const remove_node&);
  answer run(const create_topic&);
  answer run(const delete_topic&);
  answer run(const alter_topic&);
  answer run(const add_partitions&);
  answer run(const alter_in_sync&);
  answer run(const reassign_partition&);
  answer run(const confirm_leader&);
  answer run(const elect_leader&);
  answer run(const balance_leaders&);
  answer run(const balance_replicas&);
  answer run(const submit_job&);
  answer run(const acquire_master&);
  answer run(const release_master&);
  answer run(const complete_epoch&);
  answer run(const end_job&);
  answer run(const delete_job&);
  answer run(const keep_savepoint&);
  answer run(const drop_savepoint&);
  const job_record* starts_from(const uuid& job, std::optional<epoch> number) const;
  answer run(const find_home&);
  answer run(const drop_home&);
  answer run(const allocate_producer_ids&);
  answer run(const set_cluster_config&);
  answer run(const alter_client_quotas&);

  // nodes
  answer check_live(node_id, node_epoch, bool for_new_duties) const;
  /// Nodes that may get something new, with what they carry (or will, when moves are done).
  std::vector<node_load> candidates() const;
  void lose(node_record&);
  void drop_leases(node_id);
  void elect_leaderless();
  enum class move_start : uint8_t {
    begun,
    waits,   // for the move that brings it there: till then hardly anybody else has all records
    nowhere  // to go
  };
  /// Replaces `leaving` in a partition's replicas.
  move_start move_off(topic_record&, int32_t partition, node_id leaving, std::vector<node_load>&);

  // topics
  answer check_configs(const kafka::config_map&) const;
  answer check_assignment(const std::vector<std::vector<node_id>>&) const;
  answer find(const uuid& topic, int32_t partition, topic_record** out);
  answer check_leads(const partition_record&, node_id leader, int32_t leader_epoch) const;
  void cut_keys(topic_record&) const;
  answer add_placed(topic_record&, int32_t partitions);
  partition_record placed(std::vector<node_id> replicas) const;

  // partitions: every change of one goes through edit(), which gives epoch and version
  void edit(topic_record&, int32_t partition, partition_record next);
  /// A new version of what holds.
  void renew(topic_record&, int32_t partition);
  bool retarget(partition_record&, std::vector<node_id> target) const;
  void finish_if_done(partition_record&) const;
  void repair_leader(partition_record&) const;

  // leases
  answer check_master(const uuid& job, fencing_token, job_record** out);
  void grant(lease_record&, const node_record&);

  void touch_node(node_id n) { changes_.nodes.push_back(n); }
  void remember(const request&, const answer&);
  void assert_touched() const;
  const char* problem_of(const partition_record&) const;
  status rebuild_indexes();

  state_limits limits_;
  // What is in the snapshot.
  std::map<node_id, node_record> nodes_;
  std::map<uuid, topic_record> topics_;
  std::map<uuid, job_record> jobs_;
  std::map<home_key, lease_record> homes_;
  kafka::config_map config_;
  kafka::quota_map quotas_;
  std::map<uuid, session_record> sessions_;
  uint64_t applied_ = 0;
  int32_t next_node_ = 1;
  uint64_t next_producer_id_ = 0;
  uint64_t last_token_ = 0;  // of all leases, so that no token comes twice, whatever was deleted
  // What follows from it.
  std::map<uuid, node_id> node_of_identity_;
  std::map<std::string, uuid, std::less<>> topic_of_name_;
  std::map<std::string, uuid, std::less<>> topic_of_folded_name_;  // '.' and '_' alike
  std::map<uint64_t, uuid> session_of_use_;
  std::map<node_id, uint32_t> homes_of_node_;
  size_t partitions_ = 0;
  change_set changes_;
};

}  // namespace weir::meta
