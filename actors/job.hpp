// The job master: an actor around a job_coordinator. Deploys the tasks over nodes, forwards what
// happens to the coordinator and carries out what it decides. One per job.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/job_ledger.hpp"
#include "actors/job_manifest.hpp"
#include "runtime/flow/task_builder.hpp"

namespace weir {

/// A node that takes tasks, with the store that keeps their share of the snapshots.
struct placement {
  std::string name;
  node_actor node;
  store_actor store;
  int32_t id = -1;  // in the ledger
  std::string rack;
  bool draining = false;  // takes no new tasks
};

struct job_seed {
  std::string id;
  std::shared_ptr<const physical_plan> plan;
  std::shared_ptr<const task_graph> graph;
  coordinator_options options;
  credit window;
  int64_t alignment_limit_us = 500'000;
  /// The nodes that take tasks now; asked before each deployment. Tasks are spread by subtask.
  std::function<std::vector<placement>()> nodes;
  store_actor home;  // has the manifests of the whole job, unless the ledger has
  /// Each node keeps its own part of the epochs, and a copy on another one; else all is at home.
  bool parts = false;
  /// Decides which epochs are complete; then `parts`. None: the home store does.
  std::shared_ptr<job_ledger> ledger;
  uint64_t token = 0;            // of this master's tenure
  std::string master;            // name of the node that it is on, for reports
  std::function<void()> fenced;  // told once: the tenure is over; the master says nothing more
  task_environment environment;  // of the master's own process: enumerators, clock
  std::function<void(std::string)> log;
  std::function<void(const job_report&)> ended;  // told once, with the last counters
};

class job_state_actor : public coordinator_port {
 public:
  static inline const char* name = "weir.job";

  job_actor::behavior_type start(job_actor::stateful_pointer<job_state_actor>, job_seed);

  void load() override;
  void deploy(attempt_id, const std::vector<task_id>&) override;
  void kill(const std::vector<task_id>&) override;
  void begin_epoch(epoch) override;
  void trigger(task_id, epoch, epoch completed) override;
  void commit(epoch_summary) override;
  void abort(epoch) override;
  void tell_complete(epoch) override;
  void tell_aborted(epoch) override;
  void assign(task_id, split_pool::assignment) override;
  void release_watermark(task_id) override;
  void discover(operator_index, std::vector<std::string> known) override;
  void wake_at(timestamp_us) override;
  void state_changed(job_state, const std::optional<error>&) override;
  void log(std::string) override;

 private:
  struct deployed_task {
    task_actor handle;
    size_t node = 0;
  };
  timestamp_us now() const { return seed_.environment.time->now(); }
  size_t node_of(const task&) const;
  void place();
  std::optional<size_t> copy_of(size_t node);
  std::vector<store_actor> copies_of(size_t node);
  void load_from_ledger();
  void complete_in_ledger(epoch, std::string manifest);
  void answered(epoch, const std::string& manifest, const status&);
  void stop_acting();
  void refresh();
  caf::result<job_answer> savepoint();
  void answer_savepoints();
  /// Tasks that are being started together: all, or one region.
  struct deployment {
    std::vector<uint32_t> tasks;
    bool whole = false;
    size_t replies_left = 0;  // nodes that have not spawned theirs yet
    size_t opens_left = 0;    // tasks that are not open yet
    std::map<task_id, std::vector<source_split>> begun;
  };
  deployment* find(attempt_id);
  std::vector<std::vector<uint32_t>> by_node(const deployment&) const;
  void spawned(attempt_id, const std::vector<uint32_t>& ids, const deploy_reply&);
  task_state_request state_of(uint32_t task) const;
  std::vector<state_chunk> collected_for(const task_state_request&) const;
  void note_begun(deployment&, uint32_t task, const std::vector<state_chunk>&) const;
  void restore_from(latest_reply&);
  void collect_parts(latest_reply);
  void collect_part(std::shared_ptr<latest_reply>, size_t part, size_t from);
  bool writers_are_missing(const latest_reply&) const;
  bool describe_from(latest_reply&, latest_reply& about);
  bool has_part(size_t node) const;
  std::string part_owner(const placement&) const;
  std::vector<size_t> asking_order(size_t part) const;
  void drop_old_parts();
  void wait_to_load(std::string why);
  std::string part_key(size_t node) const;
  void start_parts();
  void commit_home(commit_message);
  void load_state(attempt_id);
  void connect(attempt_id, size_t node, const std::vector<uint32_t>& ids,
               std::vector<std::vector<state_chunk>>);
  void opened(attempt_id);
  void handle(const task_event&);
  void down(const caf::down_msg&);
  void fail_deployment(attempt_id, error);
  void collect();
  job_report report() const;
  void end_if_over();

  job_actor::stateful_pointer<job_state_actor> self_ = nullptr;
  job_seed seed_;
  std::unique_ptr<job_coordinator> coordinator_;
  std::vector<deployed_task> tasks_;            // by task id
  std::map<uint32_t, deployment> deployments_;  // under way, by attempt
  size_t stopping_ = 0;  // stop requests under way: their reports are the final ones
  std::vector<task_report> reports_;
  std::vector<caf::typed_response_promise<job_report>> waiters_;
  timestamp_us timer_ = watermark_end;
  timestamp_us started_at_ = 0;
  bool over_ = false, ended_told_ = false;
  std::string waits_for_;  // why the job cannot start yet
  std::vector<char> plan_bytes_;
  std::vector<placement> placements_;  // of the attempt that is deployed; grows
  std::vector<size_t> slots_;          // by subtask: index of its node
  std::map<size_t, int32_t> copies_;   // by node: id of the one that has its part's copy
  bool completing_ = false;            // the ledger was asked and has not answered
  // Of the epoch that is being committed: how many are not durable yet; SIZE_MAX: it was given up.
  std::shared_ptr<size_t> parts_to_commit_;
  uint32_t restarts_before_ = 0;  // this master
  uint64_t newest_number_ = 0;    // the last epoch that it has answered for
  std::string newest_manifest_;
  job_manifest manifest_;                     // of the epoch that was restored
  std::vector<state_chunk> collected_;        // parts: every chunk of the restored epoch
  std::shared_ptr<latest_reply> collecting_;  // whose parts are being collected
  size_t parts_left_ = 0;
  std::string part_suffix_;  // tells the parts of attempts apart
  int commits_until_drop_ = 0;
  std::deque<std::string> lines_;  // the last ones that were logged
  std::vector<std::pair<uint64_t, caf::typed_response_promise<job_answer>>> savepoints_;
  std::set<std::string> changed_;  // operators whose state in the snapshot has another form
};

job_actor spawn_job(caf::actor_system&, job_seed);

}  // namespace weir
