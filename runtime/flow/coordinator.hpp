// The job master's decisions, without actors or clocks: epochs (trigger, acknowledge, commit, give
// up), splits, restarts of a region or of the whole job with backoff and a limit, the end of the
// job. Acts through a coordinator_port; one caller at a time. Invariants: one epoch is under way at
// a time, and none while a region is down; an epoch is announced as complete only after the store
// has made it durable; messages of older attempts are ignored.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/flow/split_pool.hpp"
#include "runtime/plan/task_graph.hpp"

namespace weir {

struct coordinator_options {
  int64_t interval_us = 1'000'000;        // between the starts of two epochs; at least 100 ms
  int64_t epoch_timeout_us = 60'000'000;  // an epoch that takes longer is given up
  uint32_t restarts_max = 5;     // failures in a row; a minute without one resets the count
  int64_t backoff_us = 100'000;  // before the first restart, doubled for each further one
  int64_t backoff_max_us = 10'000'000;
  int64_t healthy_after_us = 60'000'000;
};

enum class job_state : uint8_t {
  starting,
  running,
  stopping,
  restarting,
  finished,
  stopped,
  failed
};
const char* to_string(job_state) noexcept;
/// Whether the job can do no more.
bool has_ended(job_state) noexcept;

/// What a complete epoch needs besides its chunks.
struct epoch_summary {
  epoch number;
  timestamp_us began = 0, ended = 0;
  bool finished = false;  // every row of the bounded input is behind this epoch
  std::map<std::string, std::string> split_pools;  // by operator id of the source
  int64_t stall_ns_max = 0;
};

class coordinator_port {
 public:
  virtual ~coordinator_port() = default;
  /// Loads the newest complete epoch; answered by restored().
  virtual void load() = 0;
  /// Starts these tasks: all of them with what load() found, or one region with what the newest
  /// complete epoch has of it, where it ran. Answered by deployed() or deployment_failed().
  virtual void deploy(attempt_id, const std::vector<task_id>&) = 0;
  /// Ends these tasks at once; they say nothing more.
  virtual void kill(const std::vector<task_id>&) = 0;
  virtual void begin_epoch(epoch) = 0;
  virtual void trigger(task_id source, epoch, epoch completed) = 0;
  /// Makes the epoch durable; answered by committed() or commit_failed().
  virtual void commit(epoch_summary) = 0;
  /// The epoch that is being made durable need not become complete: whether it can still be given
  /// up. False: that is not in this side's hands any more, and commit() is answered.
  virtual bool may_give_up(epoch) = 0;
  virtual void abort(epoch) = 0;          // in the stores
  virtual void tell_complete(epoch) = 0;  // to all tasks that live
  virtual void tell_aborted(epoch) = 0;
  virtual void assign(task_id source, split_pool::assignment) = 0;
  virtual void release_watermark(task_id source) = 0;
  /// After move(), behind a complete epoch: which regions have tasks that are to be elsewhere;
  /// these are deployed anew, where they are to be, by a start of all tasks where regions cannot
  /// restart alone. None: all goes on as it is. Nothing: it takes a start of all tasks to tell.
  virtual std::optional<std::set<uint32_t>> regions_to_move() { return std::nullopt; }
  /// Whether the task is on the machine where the split lies.
  virtual bool is_near(task_id /*source*/, const source_split&) { return false; }
  /// Runs the source's enumerator, which gets the ids of the splits that are known already;
  /// answered by discovered().
  virtual void discover(operator_index source, std::vector<std::string> known) = 0;
  virtual void wake_at(timestamp_us) = 0;
  virtual void state_changed(job_state, const std::optional<error>&) = 0;
  virtual void log(std::string) = 0;
};

/// What a restart continues from: the newest complete epoch of the store.
struct restored_job {
  epoch number;
  bool finished = false;
  std::map<std::string, std::string> split_pools;
  /// By operator id: splits that tasks had begun when the barrier passed.
  std::map<std::string, std::vector<source_split>> begun;
};

/// What load() finds when tasks of the job still run, deployed by an earlier coordinator.
struct running_job {
  restored_job from;                               // the newest complete epoch; `begun` is not used
  epoch newest;                                    // of which any task has heard
  attempt_id attempt;                              // the newest of all that were found
  std::vector<std::optional<attempt_id>> regions;  // by region; none: it has to start anew
  std::map<task_id, source_standing> sources;      // of source tasks that go on
  /// Of source tasks that start anew: the splits that they had in the epoch.
  std::map<task_id, std::vector<source_split>> begun;
  std::set<task_id> ended;
};

class job_coordinator {
 public:
  job_coordinator(const physical_plan&, const task_graph&, coordinator_options, coordinator_port&);

  void start(timestamp_us now);
  /// What load() found: nothing for a fresh start. Errors fail the job.
  void restored(result<std::optional<restored_job>>, timestamp_us now);
  /// Instead of restored(), once: tasks go on, and only regions without them are deployed. False:
  /// nothing was done, since only a start of the whole job finds its splits again.
  bool taken_over(running_job, timestamp_us now);
  /// `begun`, when a region was deployed: by source task, the splits that it had in the epoch it
  /// was restored from.
  void deployed(attempt_id, std::map<task_id, std::vector<source_split>> begun, timestamp_us now);
  void deployment_failed(attempt_id, error, timestamp_us now);
  /// A node is gone with tasks of this attempt: the whole job restarts, which says nothing against
  /// the job and is not counted.
  void node_lost(attempt_id, error, timestamp_us now);
  /// Tasks are gone with their nodes: their regions restart elsewhere, the whole job where a region
  /// cannot alone. Not counted either.
  void tasks_lost(const std::vector<task_id>&, error, timestamp_us now);
  /// Tasks are to run elsewhere: after the next complete epoch the regions that have such are
  /// deployed anew, or all of them.
  void move(timestamp_us now);
  /// An epoch begins as soon as possible; its number, unless it has to be given up.
  epoch savepoint(timestamp_us now);
  void discovered(operator_index, result<discovery>, timestamp_us now);
  void splits_needed(task_id);
  void acknowledged(task_id, attempt_id, epoch, int64_t stall_ns, timestamp_us now);
  void committed(epoch, timestamp_us now);
  void commit_failed(epoch, const error&, timestamp_us now);
  void task_committed(task_id, attempt_id, epoch);
  void task_ended(task_id, attempt_id, timestamp_us now);
  void task_failed(task_id, attempt_id, error, timestamp_us now);
  /// A last epoch, commits, then the end.
  void stop(timestamp_us now);
  /// Ends at once; what is not in an epoch is lost.
  void cancel();
  void tick(timestamp_us now);

  job_state state() const noexcept { return state_; }
  epoch completed() const noexcept { return completed_; }
  timestamp_us completed_at() const noexcept { return completed_at_; }
  uint32_t restarts() const noexcept { return restarts_total_; }
  /// The newest attempt; each task belongs to the one that deployed it last.
  attempt_id attempt() const noexcept { return attempt_; }
  /// The attempt that deployed all tasks; regions that restarted alone have later ones.
  attempt_id whole_attempt() const noexcept { return whole_attempt_; }
  attempt_id attempt_of(task_id t) const { return regions_[graph_.tasks[t.value].region].attempt; }
  const std::optional<error>& failure() const noexcept { return failure_; }
  /// Of all splits of all sources: bytes or rows, for progress; and whether the input ends.
  uint64_t input_weight() const;
  bool bounded() const;
  /// The epoch under way, or 0; and whose acknowledgements it, or which tasks' publications the end
  /// of the job, waits for: "source[1], sum[0]".
  epoch pending() const noexcept { return pending_ ? pending_->number : epoch{}; }
  std::string waits_for() const;
  const std::string& last_epoch_error() const noexcept { return last_epoch_error_; }

 private:
  struct pending_epoch {
    epoch number;
    timestamp_us began = 0;
    std::set<task_id> missing;
    bool last = false;      // the job ends with it
    bool finished = false;  // ... because its input has ended
    bool committing = false;
    std::map<std::string, std::string> pools;
    int64_t stall_ns_max = 0;
  };
  struct region {
    attempt_id attempt{1};
    bool up = true;  // regions that are down and of one attempt are deployed together
    timestamp_us restart_at = watermark_end;  // while it is down and not being deployed
  };
  void set_state(job_state);
  void arm();
  bool all_up() const;
  std::vector<task_id> all_tasks() const;
  bool restarts_alone(uint32_t region) const;
  bool may_restart_regions() const;
  void stop_region(uint32_t region, attempt_id next, timestamp_us restart_at);
  void restart_regions(timestamp_us now);
  void move_now(timestamp_us now);
  void region_deployed(uint32_t region, std::map<task_id, std::vector<source_split>>& begun);
  bool give_up_restarting(bool heals, timestamp_us now);
  void end_attempt();
  void restart_all(timestamp_us now, int64_t wait_us, const std::string& which);
  int64_t backoff() const;
  std::string count_of_restarts() const;
  status restore_pools(const restored_job&);
  void begin_epoch(timestamp_us now);
  void give_up_epoch(const std::string& why);
  std::string names_of(const std::set<task_id>&) const;
  void hand_out(operator_index);
  void check_finished();
  void fail(error);

  const physical_plan& plan_;
  const task_graph& graph_;
  coordinator_options options_;
  coordinator_port& port_;
  job_state state_ = job_state::starting;
  attempt_id attempt_{1}, whole_attempt_{1};
  std::vector<region> regions_;           // by task_graph::regions
  epoch deployed_from_;                   // what all tasks were last started from
  std::map<uint32_t, split_pool> pools_;  // by operator index
  std::set<uint32_t> discovering_;
  epoch next_{1}, completed_;
  timestamp_us completed_at_ = 0;
  timestamp_us next_epoch_at_ = 0;
  timestamp_us next_discovery_at_ = watermark_end;
  std::optional<pending_epoch> pending_;
  std::set<task_id> ended_;
  std::optional<epoch> final_epoch_;  // complete; the tasks publish what it holds
  std::set<task_id> publishing_;
  bool stop_requested_ = false;
  bool move_requested_ = false;
  bool publish_only_ = false;  // restored behind the last epoch: only commits are left
  uint32_t failures_in_row_ = 0, restarts_total_ = 0;
  uint32_t commit_failures_ = 0;  // since the last complete epoch, those that waiting will not mend
  error first_commit_error_;
  timestamp_us last_failure_at_ = 0;
  timestamp_us restart_at_ = watermark_end;
  std::optional<error> failure_;
  std::string last_epoch_error_;
};

}  // namespace weir
