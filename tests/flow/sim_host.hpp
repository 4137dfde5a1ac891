// The host of one task in the simulated world: what actors/task.cpp is in a process.
#pragma once

#include "tests/flow/sim_world.hpp"

namespace weir::sim {

class world::host final : public task_port {
 public:
  host(world& w, const task& t) : world_(w), id_(t.id.value) { build(t); }
  ~host() override { task_->close(); }

  void send(channel_message m) override {
    world_.check_sent(m);
    uint32_t to = world_.graph_.channels[m.channel.value].to.value;
    world_.post(id_, to, [w = &world_, to, m = std::move(m)]() mutable {
      if (!w->tasks_[to]) return;  // it went with its node, and nobody has heard of it yet
      w->tasks_[to]->task_->receive(std::move(m));
      w->tasks_[to]->runnable_ = true;
    });
  }
  void grant(channel_id c, credit n) override {
    world_.check_granted(c, n);
    uint32_t to = world_.graph_.channels[c.value].from.value;
    world_.post(id_, to, [w = &world_, to, c, n] {
      if (!w->tasks_[to]) return;
      w->tasks_[to]->task_->receive_credit(c, n);
      w->tasks_[to]->runnable_ = true;
    });
  }
  void write_chunks(epoch e, std::vector<state_chunk> chunks) override {
    auto& all = world_.staged_[e.value];
    for (auto& c : chunks)
      if (c.operator_id.starts_with("edge:")) ++world_.epochs_with_rows_in_flight_;
    std::move(chunks.begin(), chunks.end(), std::back_inserter(all));
  }
  void acknowledge(epoch e, int64_t stall) override {
    tell([e, stall, this](job_coordinator& c) {
      c.acknowledged(task_id{id_}, attempt_, e, stall, world_.now());
    });
  }
  void committed(epoch e) override {
    tell([e, this](job_coordinator& c) { c.task_committed(task_id{id_}, attempt_, e); });
  }
  void need_splits() override {
    tell([this](job_coordinator& c) { c.splits_needed(task_id{id_}); });
  }
  void ended() override {
    tell([this](job_coordinator& c) { c.task_ended(task_id{id_}, attempt_, world_.now()); });
  }
  void failed(error e) override {
    tell([e = std::move(e), this](job_coordinator& c) {
      world_.outside_.violations.push_back("a task failed: " + e.message);
      c.task_failed(task_id{id_}, attempt_, e, world_.now());
    });
  }
  void wake_at(timestamp_us t) override {
    if (t >= timer_) return;
    timer_ = t;
    world_.at(t, [this, t, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      if (t == timer_) timer_ = watermark_end;
      runnable_ = true;
    });
  }
  void run() {
    runnable_ = task_->run(static_cast<uint32_t>(world_.outside_.random.between(1, 16))) ==
                stream_task::next::again;
  }

  std::unique_ptr<stream_task> task_;
  attempt_id attempt_;
  epoch opened_from_;
  bool runnable_ = false;

 private:
  template <class F>
  void tell(F f) {
    world_.post(id_, master, [w = &world_, f = std::move(f)] {
      if (!w->master_is_away_) f(*w->coordinator_);
    });
  }
  void build(const task& t);

  world& world_;
  uint32_t id_;
  std::vector<std::unique_ptr<operator_metrics>> metrics_;
  task_times times_;
  timestamp_us timer_ = watermark_end;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>();  // timers outlive tasks
};

}  // namespace weir::sim
