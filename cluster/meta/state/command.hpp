// Commands of the replicated metadata and their answers. A command is complete in itself: ids and
// times come with it, so that every replica that applies it does the same. Values, safe on any
// thread; their byte form is command_codec.hpp.
#pragma once

#include <variant>

#include "cluster/meta/state/types.hpp"

namespace weir::meta {

// --- nodes
/// A node starts or comes back: it gets a new epoch, and whatever it led before it leads no more.
/// Answer: number = its node_id, second = its epoch.
struct register_node {
  uuid identity;
  std::string name, rack;
  std::vector<endpoint> endpoints;
};
/// The node's lease is over (the leader's clock said so). Leaders move, in-sync sets shrink, its
/// leases are free.
struct fence_node {
  node_id node;
  node_epoch epoch;
};
/// Starts (or ends) moving everything off a node, dead or alive. Answer: number = partitions that
/// are on the move, second = replicas that have nowhere to go.
struct drain_node {
  node_id node;
  bool drain = true;
};
/// Forgets a node that is fenced and has no replicas.
struct remove_node {
  node_id node;
};

// --- topics
/// Replicas are placed over racks, or as `assignment` says (then both numbers are ignored).
struct create_topic {
  std::string name;
  uuid id;
  int32_t partitions = 1;
  uint16_t replication = 1;
  int64_t created_ms = 0;
  kafka::config_map configs;  // canonical
  std::vector<std::vector<node_id>> assignment;
};
struct delete_topic {
  uuid id;
};
/// Replaces what the topic overrode before.
struct alter_topic {
  uuid id;
  kafka::config_map configs;  // canonical
};
/// `partitions` is the new number.
struct add_partitions {
  uuid id;
  int32_t partitions = 0;
};

// --- partitions
/// The leader says who is in sync. Refused unless it is the leader, in this epoch, of this version.
struct alter_in_sync {
  uuid topic;
  int32_t partition = 0;
  node_id leader;
  node_epoch leader_node_epoch;
  int32_t leader_epoch = 0;
  int32_t version = 0;
  std::vector<node_id> in_sync;
  /// Of each of them, the registration under which the leader heard it; 0, or nothing at all:
  /// unknown. Who joins and has registered anew since may have lost what it had: it is refused.
  std::vector<node_epoch> epochs;
};
/// Changes nothing: ok says that nobody else had become the partition's leader when this was asked,
/// stale that somebody has. For what a leader answers from memory.
struct confirm_leader {
  uuid topic;
  int32_t partition = 0;
  node_id leader;
  node_epoch leader_node_epoch;
  int32_t leader_epoch = 0;
};
/// Moves a partition to `target`; empty: back to where it was.
struct reassign_partition {
  uuid topic;
  int32_t partition = 0;
  std::vector<node_id> target;
};
/// Makes `leader` (none: the preferred one) the leader, if it is live and in sync.
struct elect_leader {
  uuid topic;
  int32_t partition = 0;
  node_id leader = no_node;
};
/// Gives partitions back to their preferred leaders. Answer: number = how many moved.
struct balance_leaders {
  uint32_t moves_max = 0;
};
/// Starts moving replicas from nodes with many to nodes with few, and off draining nodes.
/// Answer: number = how many moves began.
struct balance_replicas {
  uint32_t moves_max = 0;
};

// --- jobs
/// With an `origin` it starts from that job's savepoint `origin_epoch`, or from the newest epoch of
/// one that has ended.
struct submit_job {
  uuid id;
  std::string name, plan;
  int64_t snapshot_interval_us = 0;
  std::vector<std::string> libraries = {};
  uuid origin = {};
  epoch origin_epoch = {};
};
/// Answer: number = the fencing token. Granted when the job runs and nobody holds the lease, or to
/// the same node and epoch again (a new tenure).
struct acquire_master {
  uuid job;
  node_id node;
  node_epoch epoch;
};
struct release_master {
  uuid job;
  fencing_token token;
};
struct complete_epoch {
  uuid job;
  fencing_token token;
  epoch number;
  std::string manifest;
};
struct end_job {
  uuid job;
  fencing_token token;  // 0: an administrator's word, which needs no lease
  job_phase phase = job_phase::finished;
  std::string error;
};
/// Forgets a job that has ended, with its savepoints; not while a job that starts from it has no
/// epoch of its own.
struct delete_job {
  uuid job;
};
/// The epoch is kept until it is dropped: its stores have set it aside.
struct keep_savepoint {
  uuid job;
  fencing_token token;
  epoch number;
  std::string manifest;
};
/// Not while a job that starts from it has no epoch of its own.
struct drop_savepoint {
  uuid job;
  epoch number;
};

// --- homes
/// Answer: number = the node, second = the token. Finds the home or makes one on the live node
/// with the fewest.
struct find_home {
  home_kind kind = home_kind::group;
  std::string key;
};
struct drop_home {
  home_kind kind = home_kind::group;
  std::string key;
  fencing_token token;
};

// --- the rest
/// Answer: number = the first id of the block.
struct allocate_producer_ids {
  node_id node;
  node_epoch epoch;
  uint32_t count = 0;
};
/// A setting of the whole cluster, e.g. {"min.insync.replicas", "2"}; an empty value removes it.
struct set_cluster_config {
  std::string name, value;
};

/// Changes quotas of clients: kafka::encode_alteration. All of it or nothing.
struct alter_client_quotas {
  std::string change;
};

using command =
    std::variant<register_node, fence_node, drain_node, remove_node, create_topic, delete_topic,
                 alter_topic, add_partitions, alter_in_sync, reassign_partition, elect_leader,
                 balance_leaders, balance_replicas, submit_job, acquire_master, release_master,
                 complete_epoch, end_job, delete_job, find_home, drop_home, allocate_producer_ids,
                 set_cluster_config, alter_client_quotas, keep_savepoint, drop_savepoint,
                 confirm_leader>;

/// A command with who asks. A client has one request under way at a time and counts them from 1;
/// it repeats a request under the same number until it has an answer.
struct request {
  uuid client;  // zero: no session, a repetition is applied again
  uint64_t number = 0;
  command what;
};

/// The numbers are part of the formats.
enum class verdict : uint8_t {
  ok = 0,
  invalid = 1,         // a value is outside its documented range
  not_found = 2,       //
  already_exists = 3,  //
  stale = 4,        // an epoch, version, token or request number that is over: stop, or read anew
  fenced = 5,       // the node is not alive: register again
  conflict = 6,     // the present state forbids it; the text says what to do first
  no_capacity = 7,  // too few live nodes
  limit = 8,        // a bound of state_limits
};
const char* to_string(verdict) noexcept;

struct answer {
  verdict code = verdict::ok;
  std::string text;  // what, where, what to do; empty when ok
  uint64_t number = 0, second = 0;
  bool ok() const noexcept { return code == verdict::ok; }
  friend bool operator==(const answer&, const answer&) = default;
};

}  // namespace weir::meta
