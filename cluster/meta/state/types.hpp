// What the replicated metadata of a cluster holds: plain records. Owned by cluster_state, which
// alone changes them; readers get const references on the thread that applies commands.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/kafka/protocol/types.hpp"
#include "runtime/kafka/topics/config_value.hpp"
#include "runtime/kafka/topics/topic_catalog.hpp"

namespace weir::meta {

using kafka::uuid;
/// A node as Kafka's clients know it: small, given once, never used again.
using node_id = strong_id<struct node_id_tag, int32_t>;
inline constexpr node_id no_node{-1};
/// Counts a node's registrations. Whoever speaks in the name of an older one is refused.
using node_epoch = strong_id<struct node_epoch_tag, uint64_t>;
/// Names one tenure of a lease (job master, home). Grows with each; older ones are refused.
using fencing_token = strong_id<struct fencing_token_tag, uint64_t>;

/// One place where a node listens: ("kafka", "10.0.0.1", 9092).
struct endpoint {
  std::string listener, host;
  uint16_t port = 0;
  friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// A node leads and joins in-sync sets only while it is alive; a draining one gets nothing new.
struct node_record {
  node_id id = no_node;
  uuid identity;  // made by the node itself when its data directory was
  std::string name, rack;
  std::vector<endpoint> endpoints;
  node_epoch epoch;
  bool fenced = false;
  bool draining = false;
  /// It lives and stays: what others give up may go there.
  bool takes_duties() const noexcept { return !fenced && !draining; }
  friend bool operator==(const node_record&, const node_record&) = default;
};

/// HOST:PORT of one of a node's listeners; empty: it has none of that name.
std::string address_of(const node_record&, std::string_view listener);

/// Invariants: replicas are distinct; the in-sync set is a part of them, in their order, and never
/// empty; the leader is none or a live member of it; a fenced node is in sync only if it is alone
/// in that; while a reassignment is under way the replicas are its target and then the rest of
/// origin. The last in-sync replica is never forgotten: who else led would lose records.
struct partition_record {
  std::vector<node_id> replicas;  // the first one is the preferred leader
  std::vector<node_id> in_sync;
  node_id leader = no_node;
  int32_t leader_epoch = 0;
  int32_t version = 0;          // of this record: grows with each change
  std::vector<node_id> target;  // where a reassignment under way leads to; empty: there is none
  std::vector<node_id> origin;  // the replicas before it
  uint32_t generation = 0;
  kafka::key_range keys;
  std::vector<int32_t> parents;
  bool reassigning() const noexcept { return !target.empty(); }
  friend bool operator==(const partition_record&, const partition_record&) = default;
};

struct topic_record {
  std::string name;
  uuid id;
  int64_t created_ms = 0;
  uint16_t replication = 1;  // wanted; a partition may have more while it moves
  kafka::config_map configs;
  std::vector<partition_record> partitions;  // by number
  friend bool operator==(const topic_record&, const topic_record&) = default;
};

/// A right that one node has at a time. The token names the tenure and never falls.
struct lease_record {
  node_id holder = no_node;
  node_epoch holder_epoch;
  fencing_token token;
  friend bool operator==(const lease_record&, const lease_record&) = default;
};

/// The numbers are part of the formats.
enum class job_phase : uint8_t {
  running = 0,
  finished = 1,
  failed = 2,
  cancelled = 3,
  stopped = 4
};
constexpr bool has_ended(job_phase p) noexcept {
  return p != job_phase::running;
}

struct job_record {
  uuid id;
  std::string name;
  std::string plan;  // where the plan is: a content hash
  int64_t snapshot_interval_us = 0;
  job_phase phase = job_phase::running;
  std::string error;     // of a failed job
  epoch newest;          // the newest complete epoch; 0 = none
  std::string manifest;  // of that epoch
  lease_record master;
  std::vector<std::string> libraries;  // content hashes of the operator libraries in its plan
  /// It starts from an epoch of this job: a savepoint, or the last one of a job that has ended.
  /// Zero: afresh.
  uuid origin;
  epoch origin_epoch;
  std::map<epoch, std::string> savepoints;  // epochs that are kept until dropped; their manifests
  friend bool operator==(const job_record&, const job_record&) = default;
};

enum class home_kind : uint8_t { group = 0, transaction = 1 };
/// The node that answers for a consumer group or a transactional id.
using home_key = std::pair<home_kind, std::string>;

/// A client's last request and what it was answered, so that a retry is not applied again.
struct session_record {
  uint64_t request = 0;
  uint64_t used = 0;   // number of the command that used it last
  std::string answer;  // encoded
  friend bool operator==(const session_record&, const session_record&) = default;
};

/// Bounds of what one cluster may hold: each record costs memory on every node.
struct state_limits {
  size_t nodes_max = 1'000;
  size_t topics_max = 50'000;
  size_t partitions_max = 200'000;
  int32_t partitions_per_topic_max = 10'000;  // one command may make as many
  size_t jobs_max = 100'000;
  size_t savepoints_per_job_max = 100;  // each has a manifest
  size_t homes_max = 1'000'000;
  size_t sessions_max = 10'000;  // the least recently used is forgotten first
};
/// Longest name, error text, plan reference, manifest or configuration value of a command.
inline constexpr size_t text_bytes_max = 64 * 1024;
inline constexpr size_t name_bytes_max = 1'000;
/// Operator libraries of one job.
inline constexpr size_t libraries_max = 1'000;
inline constexpr uint16_t replication_max = 32;

}  // namespace weir::meta
