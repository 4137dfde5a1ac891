// What the nodes of a cluster agree on about jobs, as actors see it: who is there, which jobs run,
// who is the master of each and by which token, the newest complete epoch. Implemented where the
// metadata is known (cluster/node); tests have one in memory. Thread-safe; callbacks come on any
// thread, once each, must hand on and return.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/flow/coordinator.hpp"
#include "runtime/kafka/protocol/types.hpp"

namespace weir {

/// A node that is registered; a new epoch each time it starts or comes back after it was given up.
struct ledger_node {
  int32_t id = -1;
  uint64_t epoch = 0;
  std::string name, rack;
  std::string actors;       // HOST:PORT where its node actor is published
  std::string http, kafka;  // HOST:PORT; kafka may be empty
  bool alive = false;
  bool draining = false;  // gets no new tasks or masters
  friend bool operator==(const ledger_node&, const ledger_node&) = default;
};

struct ledger_job {
  std::string id;    // a UUID's text
  std::string name;  // unique among jobs that have not ended: what users call it
  std::string plan;  // hash of the plan's file: files() below
  int64_t snapshot_interval_us = 0;
  job_state state = job_state::running;  // running, or how it ended
  std::string error;                     // of a failed job
  uint64_t newest = 0;                   // the newest complete epoch; 0: none
  std::string manifest;                  // of that epoch; at most 64 KiB
  int32_t master = -1;                   // node that holds the lease; -1: nobody
  uint64_t master_epoch = 0;             // that node's epoch when it got it
  uint64_t token = 0;                    // of the newest tenure; grows
  std::vector<std::string> libraries;    // hashes of the operator libraries that its plan names
  std::string origin;                    // it starts from an epoch of this job; empty: afresh
  uint64_t origin_epoch = 0;
  std::map<uint64_t, std::string> savepoints;  // epochs that are kept, with their manifests
  friend bool operator==(const ledger_job&, const ledger_job&) = default;
};

/// Under which name stores keep a savepoint of a job.
inline std::string savepoint_job(const std::string& job, uint64_t number) {
  return job + "+" + std::to_string(number);
}

/// Ids of jobs in the usual form of UUIDs, 8-4-4-4-12 hexadecimal digits: they are typed by people.
std::string job_id_text(const kafka::uuid&);
/// Nothing for anything else.
std::optional<kafka::uuid> parse_job_id(std::string_view);

/// Never changes; a newer one replaces it.
struct ledger_view {
  int32_t self = -1;
  uint64_t self_epoch = 0;
  bool leads = false;  // this node leads the metadata: for show
  std::map<int32_t, ledger_node> nodes;
  std::map<std::string, ledger_job> jobs;
};

/// errc::cancelled: the token, node epoch or phase is over: stop acting. errc::timeout: nobody
/// answered; it may have happened, asking again is safe.
using ledger_done = std::function<void(status)>;

class job_ledger {
 public:
  virtual ~job_ledger() = default;

  virtual std::shared_ptr<const ledger_view> view() const = 0;
  /// Called after each change of what view() gives, until the handle is destroyed.
  virtual std::shared_ptr<void> listen(std::function<void()>) = 0;

  /// Makes a file (a plan, an operator library) durable on several nodes; its hash then names it.
  virtual void store_file(std::string content, std::function<void(result<std::string> hash)>) = 0;
  /// From this node's disk or another node that has it. errc::not_found.
  virtual void read_file(const std::string& hash, std::function<void(result<std::string>)>) = 0;
  /// Where the file lies on this node's disk, with the content that its hash names; it is fetched
  /// from another node when it is not there. errc::not_found: no node that is up has it.
  virtual void local_file(const std::string& hash,
                          std::function<void(result<std::string> path)>) = 0;
  /// Removes this node's files that no job needs any more; those that came only now may be of a job
  /// that is being submitted. Brings those here that are needed and that this node is one of two to
  /// have, now that others are gone.
  virtual void look_after_files() = 0;

  /// The node that leads each partition of a topic of this cluster, by partition; -1: nobody at the
  /// moment. Empty: there is no such topic.
  virtual void partition_leaders(const std::string& topic,
                                 std::function<void(std::vector<int32_t>)>) = 0;
  virtual void submit_job(ledger_job, ledger_done) = 0;
  /// This node asks to be the master: when the job runs and nobody (who is alive) holds the lease,
  /// or it holds it itself (a new tenure). The token fences all older tenures.
  virtual void acquire_master(const std::string& job, std::function<void(result<uint64_t>)>) = 0;
  virtual void release_master(const std::string& job, uint64_t token, ledger_done) = 0;
  /// The epoch is complete, and counts from now on. Refused (cancelled) for a token that is over.
  virtual void complete_epoch(const std::string& job, uint64_t token, uint64_t number,
                              std::string manifest, ledger_done) = 0;
  /// `token` 0: an administrator's word, which needs no lease.
  virtual void end_job(const std::string& job, uint64_t token, job_state, std::string error,
                       ledger_done) = 0;
  virtual void delete_job(const std::string& job, ledger_done) = 0;
  /// The epoch is kept until it is dropped.
  virtual void keep_savepoint(const std::string& job, uint64_t token, uint64_t number,
                              std::string manifest, ledger_done) = 0;
  virtual void drop_savepoint(const std::string& job, uint64_t number, ledger_done) = 0;
};

/// Whose turn a node is to have a thing that needs a new place, lower ones first: the same for all
/// who ask.
uint32_t turn_of(const std::string& thing, int32_t node);

}  // namespace weir
