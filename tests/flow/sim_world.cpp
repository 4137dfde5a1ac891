#include <algorithm>

#include "runtime/flow/split_list.hpp"
#include "runtime/flow/task_builder.hpp"
#include "tests/flow/sim_host.hpp"

namespace weir::sim {

void world::host::build(const task& t) {
  auto& w = world_;
  const auto& chain = w.graph_.chains[t.chain];
  stream_task::parts parts;
  for (auto op : chain.operators) {
    const auto& node = w.plan_.operators[op.value];
    metrics_.push_back(std::make_unique<operator_metrics>());
    operator_context c;
    c.operator_id = node.id;
    c.subtask = t.subtask;
    c.parallelism = chain.parallelism;
    c.key_groups = w.plan_.key_groups;
    c.groups = range_of_subtask(w.plan_.key_groups, chain.parallelism, t.subtask);
    c.memory = &w.pool_;
    c.metrics = metrics_.back().get();
    c.time = &w.clock_;
    c.wake = [this] { runnable_ = true; };
    c.set_processing_timer = [](timestamp_us) {};
    if (const auto* source = std::get_if<source_spec>(&node.spec)) {
      parts.reader = make_sim_reader(w.outside_, node.id);
      parts.source_context = std::move(c);
      parts.source_options.mode = w.plan_.mode;
      parts.source_options.time = {source->watermark_delay_us, source->idle_timeout_us};
      parts.source_options.event_time = 0;
    } else if (std::holds_alternative<sink_spec>(node.spec)) {
      parts.operators.push_back({make_sim_sink(w.outside_, node.id), std::move(c)});
    } else {
      parts.operators.push_back(
          {make_sim_operator(w.outside_, w.kinds_.at(node.id)), std::move(c)});
    }
  }
  parts.edge_keys = edge_keys(w.plan_);
  parts.task_key = w.plan_.operators[chain.operators.front().value].id;
  for (auto c : t.inputs) {
    const auto& channel = w.graph_.channels[c.value];
    parts.inputs.push_back(
        {c, channel.edge, w.plan_.edges[channel.edge].to_port, channel.from_subtask});
  }
  for (auto e : chain.out_edges) {
    const auto& edge = w.plan_.edges[e];
    output_edge_spec spec{
        e,  edge.from_port,   edge.exchange, edge.keys, edge_schema(w.plan_, edge),
        {}, chain.parallelism};
    for (auto c : t.outputs)
      if (w.graph_.channels[c.value].edge == e) spec.channels.push_back(c);
    parts.outputs.push_back(std::move(spec));
  }
  stream_task_options o;
  o.mode = w.plan_.mode;
  o.subtask = t.subtask;
  o.key_groups = w.plan_.key_groups;
  o.window = w.options_.window;
  o.alignment_limit_us = stays_aligned(w.plan_) ? -1 : w.options_.alignment_limit_us;
  // In some worlds batches are taken in parts, as if they took long.
  if (w.options_.interval_us % 3 == 0)
    o.input_rows_max = 1 + static_cast<uint32_t>(w.options_.interval_us % 4);
  task_ = std::make_unique<stream_task>(std::move(parts), std::move(o), *this, w.pool_, w.clock_,
                                        times_);
}

world::world(outside& o, world_options options) : outside_(o), options_(options) {
  clock_.set(1'000'000'000);
  outside_.later = [this](int64_t delay, std::function<void()> call) {
    at(now() + delay, std::move(call));
  };
}

world::~world() {
  crash();
}

void world::post(uint32_t from, uint32_t to, std::function<void()> deliver) {
  queues_[{from, to}].push_back(
      {now() + outside_.random.between(0, options_.delay_max_us), std::move(deliver)});
}

void world::at(timestamp_us t, std::function<void()> call) {
  timers_.emplace(t, std::move(call));
}

void world::start(physical_plan plan, std::map<std::string, part_kind> kinds) {
  plan_ = std::move(plan);
  kinds_ = std::move(kinds);
  auto graph = build_task_graph(plan_);
  weir_assert(graph.ok(), "the simulation's plans are valid");
  graph_ = std::move(*graph);
  for (auto& [id, s] : outside_.sources) s.waves_found = 0;
  start_master();
}

void world::start_master() {
  coordinator_options o;
  o.interval_us = options_.interval_us;
  o.epoch_timeout_us = options_.epoch_timeout_us;
  o.restarts_max = 1000;
  o.backoff_us = 1000;
  o.backoff_max_us = 50'000;
  coordinator_ = std::make_unique<job_coordinator>(plan_, graph_, o, *this);
  coordinator_->start(now());
}

void world::crash() {
  ++tenure_;
  master_is_away_ = false;
  may_take_over_ = false;
  tasks_.clear();
  queues_.clear();
  timers_.clear();
  staged_.clear();
  master_timer_ = watermark_end;
  coordinator_.reset();
}

void world::fail_task(uint32_t i) {
  if (!tasks_[i]) return;  // it has failed already
  coordinator_->task_failed(task_id{i}, tasks_[i]->attempt_, {errc::user_code, "simulated"}, now());
}

void world::lose_node() {
  std::vector<task_id> gone;
  for (uint32_t i = 0; i < tasks_.size(); ++i)
    if (outside_.random.one_in(2)) gone.push_back(task_id{i});
  kill(gone);
  coordinator_->tasks_lost(gone, {errc::timeout, "simulated"}, now());
}

void world::lose_master() {
  std::vector<task_id> gone;
  if (!outside_.random.one_in(3))
    for (uint32_t i = 0; i < tasks_.size(); ++i)
      if (outside_.random.one_in(4)) gone.push_back(task_id{i});
  if (state() != job_state::running) gone.clear();
  ++tenure_;
  master_timer_ = watermark_end;
  std::erase_if(queues_,
                [](const auto& q) { return q.first.first == master || q.first.second == master; });
  may_take_over_ = state() == job_state::running && !store_.empty() &&
                   !store_.rbegin()->second.summary.finished &&
                   epoch{store_.rbegin()->first} > deployed_from_;
  newest_attempt_ = coordinator_->attempt();
  if (!may_take_over_) {
    tasks_.clear();
    queues_.clear();
  }
  staged_.clear();
  kill(gone);
  master_is_away_ = true;
  start_master();
}

/// What the new master finds: the store's newest epoch, and the tasks that live.
bool world::take_over() {
  master_is_away_ = false;
  std::erase_if(queues_, [](const auto& q) { return q.first.second == master; });
  running_job found;
  found.from = restored_state();
  found.attempt = newest_attempt_;
  for (const auto& region : graph_.regions) {
    // As masters do: what a deployment was opened with nobody but its own master can hand to it, so
    // it goes on when the epoch is one that it has written.
    bool lives = std::all_of(region.begin(), region.end(), [&](task_id t) {
      return tasks_[t.value] && tasks_[t.value]->opened_from_ < found.from.number;
    });
    auto& attempt = found.regions.emplace_back();
    if (lives) attempt = tasks_[region.front().value]->attempt_;
    if (!lives) {
      kill(region);
      for (auto t : region)
        for (const auto& c : chunks_for(graph_.tasks[t.value], found.from.number.value))
          if (c.state == source_driver::state_name && c.subtask == graph_.tasks[t.value].subtask)
            found.begun[t] = *decode_splits({c.bytes.as<char>(), c.bytes.size()});
      continue;
    }
    for (auto t : region) {
      auto stands = tasks_[t.value]->task_->take_over(found.from.number);
      tasks_[t.value]->runnable_ = true;
      found.newest = std::max(found.newest, stands.newest);
      if (stands.ended) found.ended.insert(t);
      if (stands.source) found.sources[t] = std::move(*stands.source);
    }
  }
  if (!coordinator_->taken_over(std::move(found), now())) {
    tasks_.clear();
    queues_.clear();
    return false;
  }
  ++taken_over_;
  return true;
}

void world::at_master(timestamp_us t, std::function<void()> call) {
  at(t, [this, tenure = tenure_, call = std::move(call)] {
    if (tenure == tenure_) call();
  });
}

bool world::step() {
  std::vector<std::function<void()>> possible;
  timestamp_us next = watermark_end;
  for (auto& [pair, queue] : queues_) {
    if (queue.empty()) continue;
    if (queue.front().due > now()) {
      next = std::min(next, queue.front().due);
      continue;
    }
    possible.push_back([&queue] {
      auto deliver = std::move(queue.front().deliver);
      queue.pop_front();
      deliver();
    });
  }
  for (auto& t : tasks_)
    if (t && t->runnable_) possible.push_back([&t] { t->run(); });
  if (!timers_.empty()) {
    if (timers_.begin()->first <= now())
      possible.push_back([this] {
        auto call = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        call();
      });
    else
      next = std::min(next, timers_.begin()->first);
  }
  if (!possible.empty()) {
    // Work takes time too.
    if (outside_.random.one_in(20)) clock_.advance(outside_.random.between(1, 100));
    possible[outside_.random.between(0, static_cast<int64_t>(possible.size()) - 1)]();
    return true;
  }
  if (next == watermark_end) return false;
  clock_.set(next);
  return true;
}

std::string world::describe() const {
  std::string text = std::string("state ") + to_string(coordinator_->state()) + ", epoch " +
                     std::to_string(coordinator_->completed().value) + "\n" +
                     to_text(graph_, plan_);
  for (const auto& line : log_) text += line + "\n";
  return text;
}

void world::wake_at(timestamp_us t) {
  if (t >= master_timer_) return;
  master_timer_ = t;
  at_master(t, [this, t] {
    if (t == master_timer_) master_timer_ = watermark_end;
    coordinator_->tick(now());
  });
}

void world::check_sent(const channel_message& m) {
  auto& u = use_[m.channel.value];
  if (m.kind == message_kind::watermark) {
    if (m.value < u.watermark) outside_.violations.push_back("a channel's watermark went back");
    u.watermark = m.value;
  }
  if (m.kind != message_kind::data) return;
  // A batch over the window may go alone.
  if (u.batches + 1 > options_.window.batches ||
      (u.bytes + m.bytes > options_.window.bytes && u.bytes != 0))
    outside_.violations.push_back("a channel holds more than its credit");
  u.bytes += m.bytes;
  ++u.batches;
}

void world::check_granted(channel_id c, credit n) {
  auto& u = use_[c.value];
  if (n.bytes > u.bytes || n.batches > u.batches)
    outside_.violations.push_back("credit for what was not sent");
  u.bytes -= n.bytes;
  u.batches -= n.batches;
}

}  // namespace weir::sim
