// The actor around a stream_task: decodes messages, calls the task, sends what it wants sent. Runs
// on CAF's scheduler, one slice of work per message, so that tasks of all jobs take turns.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "actors/data/exchange.hpp"
#include "actors/interfaces.hpp"
#include "runtime/flow/task_builder.hpp"

namespace weir {

/// What a node gives to a task that it spawns.
struct task_seed {
  std::string job;
  std::string run;   // of the job master; with the attempt it names a deployment
  std::string node;  // for reports
  std::shared_ptr<const physical_plan> plan;
  std::shared_ptr<const task_graph> graph;
  task_id id;
  attempt_id attempt;
  uint64_t token = 0;  // of the tenure that deploys it
  task_environment environment;
  credit window;
  int64_t alignment_limit_us = 500'000;
  data_exchange* exchange = nullptr;  // none: every task is in this process; outlives the task
};

class task_state : public task_port {
 public:
  static inline const char* name = "weir.task";

  task_actor::behavior_type start(task_actor::stateful_pointer<task_state> self, task_seed);
  ~task_state() override;

  void send(channel_message) override;
  void grant(channel_id, credit) override;
  void write_chunks(epoch, std::vector<state_chunk>) override;
  bool takes_chunks(epoch) const override;
  void acknowledge(epoch, int64_t stall_ns) override;
  void committed(epoch) override;
  void need_splits() override;
  void ended() override;
  void failed(error) override;
  void wake_at(timestamp_us) override;

 private:
  status build();
  void connect(connect_message&);
  void open(std::vector<state_chunk> restored);
  adopted_task adopt(const adopt_message&);
  void receive(stream_message&);
  void pump();
  task_event event(task_event::what) const;
  void tell(task_event::what, uint64_t number = 0, int64_t stall = 0);
  task_report report() const;
  status meet(uint32_t channel, task_actor other, const std::string& place);
  void end();
  /// Whether the master that says this has a successor; else it is the newest from now on.
  bool is_over(uint64_t token);
  /// The same of what the master sends itself, which shows the way to it: of two nodes one may have
  /// made a new connection unnoticed by the other, and the handle of before leads nowhere then.
  bool is_from_former(uint64_t token);

  task_actor::stateful_pointer<task_state> self_ = nullptr;
  task_seed seed_;
  std::unique_ptr<stream_task> task_;
  std::shared_ptr<task_metrics> metrics_;
  /// The other end of a channel: a mailbox of this process, or a task of another one, by its
  /// number.
  struct other_end {
    task_actor here;
    data_link_ptr link;
    uint64_t number = 0;
  };
  std::unordered_map<uint32_t, other_end> peers_;      // by channel
  std::unordered_map<uint32_t, schema_ptr> incoming_;  // by channel: rows from other processes
  job_actor master_;
  store_actor store_;
  std::string store_job_;
  uint64_t opened_from_ = 0;  // epoch
  /// Bytes of chunks that the store has not taken yet, of this epoch.
  uint64_t under_way_ = 0, under_way_of_ = 0;
  std::vector<int64_t> stalls_ns_;  // of the last barriers
  bool started_ = false, run_posted_ = false, over_ = false;
  bool wants_splits_ = false, ended_ = false;  // what it has told the master
  std::optional<task_event> failure_;
  /// A connection that rows went over is gone, and rows with it perhaps: nothing that comes behind
  /// is part of an epoch, and no other master goes on with this task.
  std::optional<task_event> cut_off_;
  timestamp_us timer_ = watermark_end;
  /// Set by other threads' wake-ups until the actor has seen them: at most one is in the mailbox.
  std::shared_ptr<std::atomic<bool>> woken_ = std::make_shared<std::atomic<bool>>(false);
};

task_actor spawn_task(caf::actor_system&, task_seed);

}  // namespace weir
