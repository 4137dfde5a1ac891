// Verbs of a cluster: node, cluster up|status|down, job submit|ls|describe|stop. Clients speak HTTP
// to any node.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/cli/run.hpp"
#include "runtime/io/tls.hpp"

namespace weir::cli {

struct cluster_verb_options {
  std::string data_dir;
  std::string name = "n1";
  std::string rack;
  std::vector<std::string> join;      // listeners for nodes of members; none: begins a cluster
  std::string peers = "127.0.0.1:0";  // HOST:PORT of the listener for nodes
  std::string advertised_peers;       // HOST:PORT that other nodes are told; empty: as it listens
  uint16_t actors_port = 0, rows_port = 0;  // on the host of peers; 0: free ones
  bool print_wire = false;                  // node: what it speaks to others, nothing else
  tls_files peers_tls;                      // between nodes
  std::string http = "127.0.0.1:0";
  std::string kafka = "127.0.0.1:0";  // HOST:PORT of the Kafka listener
  std::string advertised;  // HOST:PORT that Kafka's clients are told; empty: where it listens
  std::map<std::string, std::string> settings;              // of the broker, by Kafka's names
  size_t metrics_partitions = 1'000, metrics_groups = 200;  // with series of their own
  uint32_t nodes = 3;
  size_t memory_bytes = size_t{2} << 30;
  std::string cluster;  // HOST:PORT of any node's HTTP listener
  std::string file, id;
  std::map<std::string, std::string> set;
  std::optional<uint32_t> parallelism;
  std::optional<int64_t> snapshot_interval_us;  // else the job's, else a second
  bool undo = false, wait = true;               // drain
  std::string from_savepoint;                   // submit: JOB[:EPOCH]
  bool drop_state = false;                      // submit
  bool savepoint = false;                       // stop: waits for its last epoch
  std::optional<uint64_t> remove;               // savepoint: the epoch to remove
  std::string output;
};

/// One node in the foreground; prints "ready kafka=HOST:PORT http=HOST:PORT" when it takes work.
/// Waits for its cluster as long as that takes. Ends on SIGTERM.
int run_node(const cluster_verb_options&);

/// What this build says to other nodes: the hash that they compare, then what it is made of.
int print_wire();

/// Starts nodes n1 ... of DIR that are not running as background processes, waits until they are
/// ready, prints them.
int cluster_up(const cluster_verb_options&);
int cluster_down(const cluster_verb_options&);
int cluster_status(const cluster_verb_options&);
/// Moves everything off a node and waits until nothing is left on it.
int cluster_drain(const cluster_verb_options&);
/// Forgets a node that is gone and has nothing.
int cluster_forget(const cluster_verb_options&);

int job_submit(const cluster_verb_options&);
int job_ls(const cluster_verb_options&);
int job_describe(const cluster_verb_options&);
int job_stop(const cluster_verb_options&);
int job_cancel(const cluster_verb_options&);
int job_savepoint(const cluster_verb_options&);
int job_logs(const cluster_verb_options&);
/// Forgets a job that has ended, with its savepoints.
int job_delete(const cluster_verb_options&);

}  // namespace weir::cli
