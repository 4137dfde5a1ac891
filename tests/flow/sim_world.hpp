// A job in a simulated world: real stream_tasks and a real job_coordinator, whose messages are
// delivered in random order between pairs of actors (in order within a pair) after random delays.
// One thread, a manual clock, no waiting. Crashes drop tasks or all processes; what was committed
// and published outlives them.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "runtime/flow/coordinator.hpp"
#include "runtime/flow/stream_task.hpp"
#include "tests/flow/sim_parts.hpp"

namespace weir::sim {

struct world_options {
  credit window{4000, 4};
  int64_t alignment_limit_us = 20'000;
  int64_t interval_us = 100'000;
  int64_t epoch_timeout_us = 3'000'000;
  int64_t delay_max_us = 2'000;
  int64_t watermark_delay_us = 0;
  int commit_failures_in = 0;  // one commit in so many fails; 0 = none
  bool slow_store = false;
};

class world final : public coordinator_port {
 public:
  /// `kinds`: what each operator of the plan does that is neither source nor sink.
  world(outside&, world_options);
  ~world() override;

  /// Starts the processes over the plan, from the newest committed epoch.
  void start(physical_plan, std::map<std::string, part_kind> kinds);
  /// The processes are gone.
  void crash();
  /// One task fails.
  void fail_task(uint32_t index);
  void stop() { coordinator_->stop(clock_.now()); }
  /// A node is gone with some of the tasks: whatever they have said and are told is lost.
  void lose_node();
  /// The master's node is gone, perhaps with some of the tasks; another master takes over.
  void lose_master();
  /// The tasks are to run elsewhere.
  void move() { coordinator_->move(clock_.now()); }
  void savepoint() { coordinator_->savepoint(clock_.now()); }
  /// One random thing happens, or time moves on. False when nothing is left that could happen.
  bool step();

  job_state state() const { return coordinator_->state(); }
  timestamp_us now() const { return clock_.now(); }
  size_t tasks() const { return tasks_.size(); }
  std::string describe() const;
  int64_t longest_epoch_us() const { return longest_epoch_us_; }
  uint64_t epochs_committed() const { return epochs_committed_; }
  uint64_t epochs_with_rows_in_flight() const { return epochs_with_rows_in_flight_; }
  uint64_t regions_restarted() const { return regions_restarted_; }
  uint64_t taken_over() const { return taken_over_; }

  void load() override;
  void deploy(attempt_id, const std::vector<task_id>&) override;
  void kill(const std::vector<task_id>&) override;
  void begin_epoch(epoch) override;
  void trigger(task_id, epoch, epoch completed) override;
  void commit(epoch_summary) override;
  bool may_give_up(epoch) override;
  void abort(epoch) override;
  void tell_complete(epoch) override;
  void tell_aborted(epoch) override;
  void assign(task_id, split_pool::assignment) override;
  void release_watermark(task_id) override;
  void discover(operator_index, std::vector<std::string> known) override;
  void wake_at(timestamp_us) override;
  void state_changed(job_state, const std::optional<error>&) override {}
  void log(std::string line) override {
    log_.push_back(std::move(line));
    if (log_.size() > log_lines_max) log_.pop_front();
  }

 private:
  class host;
  struct sent {
    timestamp_us due;
    std::function<void()> deliver;
  };
  using chunk_list = std::vector<state_chunk>;
  struct stored_epoch {
    chunk_list chunks;  // the whole state
    epoch_summary summary;
  };
  static constexpr uint32_t master = UINT32_MAX;
  static constexpr size_t log_lines_max = 10;  // the last ones say what went wrong

  void post(uint32_t from, uint32_t to, std::function<void()>);
  void at(timestamp_us, std::function<void()>);
  /// Something that the master waits for: void when there is another one by then.
  void at_master(timestamp_us, std::function<void()>);
  void start_master();
  bool take_over();
  restored_job restored_state() const;
  chunk_list chunks_for(const task&, uint64_t number) const;
  chunk_list folded(chunk_list staged) const;
  void check_sent(const channel_message&);
  void check_granted(channel_id, credit);

  outside& outside_;
  world_options options_;
  memory_pool pool_;
  manual_clock clock_;
  physical_plan plan_;
  std::map<std::string, part_kind> kinds_;
  task_graph graph_;
  std::unique_ptr<job_coordinator> coordinator_;
  std::vector<std::unique_ptr<host>> tasks_;  // by task id; none: it is down
  std::map<std::pair<uint32_t, uint32_t>, std::deque<sent>> queues_;
  std::multimap<timestamp_us, std::function<void()>> timers_;
  timestamp_us master_timer_ = watermark_end;
  uint64_t tenure_ = 0;
  bool master_is_away_ = false;  // what tasks say is lost
  bool may_take_over_ = false;   // the tasks' newest epoch is of their own deployment
  epoch deployed_from_;          // all of them together
  attempt_id newest_attempt_;

  std::map<uint64_t, stored_epoch> store_;
  std::map<uint64_t, chunk_list> staged_;
  timestamp_us epoch_began_ = 0;
  int64_t longest_epoch_us_ = 0;
  uint64_t epochs_committed_ = 0, epochs_with_rows_in_flight_ = 0, regions_restarted_ = 0;
  uint64_t taken_over_ = 0;
  struct channel_use {
    uint64_t bytes = 0, batches = 0;
    timestamp_us watermark = watermark_none;
  };
  std::map<uint32_t, channel_use> use_;
  std::deque<std::string> log_;
};

}  // namespace weir::sim
