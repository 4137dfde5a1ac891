#include "runtime/flow/coordinator.hpp"

#include <algorithm>

#include "runtime/base/permanent.hpp"

namespace weir {
namespace {

// How often a source that can grow is asked for new splits.
constexpr timestamp_us discovery_interval_us = 1'000'000;
// A disk that refuses so many commits in a row is broken; going on would only look like progress.
constexpr uint32_t commit_failures_max = 5;

}  // namespace

const char* to_string(job_state s) noexcept {
  switch (s) {
    case job_state::starting:
      return "starting";
    case job_state::running:
      return "running";
    case job_state::stopping:
      return "stopping";
    case job_state::restarting:
      return "restarting";
    case job_state::finished:
      return "finished";
    case job_state::stopped:
      return "stopped";
    case job_state::failed:
      return "failed";
  }
  return "unknown";
}

bool has_ended(job_state s) noexcept {
  return s == job_state::finished || s == job_state::failed || s == job_state::stopped;
}

job_coordinator::job_coordinator(const physical_plan& plan, const task_graph& graph,
                                 coordinator_options o, coordinator_port& port)
    : plan_(plan), graph_(graph), options_(o), port_(port), regions_(graph.regions.size()) {}

void job_coordinator::set_state(job_state s) {
  if (state_ == s) return;
  state_ = s;
  port_.state_changed(s, failure_);
}

/// Asks for the next tick that something waits for. A port remembers only its earliest timer, so
/// this follows every change and every tick.
void job_coordinator::arm() {
  timestamp_us t = watermark_end;
  if (state_ == job_state::restarting) t = restart_at_;
  if (state_ == job_state::running || state_ == job_state::stopping) {
    t = next_discovery_at_;
    if (pending_ && !pending_->committing)
      t = std::min(t, pending_->began + options_.epoch_timeout_us);
    if (!pending_ && !final_epoch_ && all_up()) t = std::min(t, next_epoch_at_);
    if (!pending_)
      for (const auto& r : regions_) t = std::min(t, r.restart_at);
  }
  if (t != watermark_end) port_.wake_at(t);
}

bool job_coordinator::all_up() const {
  return std::all_of(regions_.begin(), regions_.end(), [](const region& r) { return r.up; });
}

std::vector<task_id> job_coordinator::all_tasks() const {
  std::vector<task_id> all;
  for (const auto& t : graph_.tasks) all.push_back(t.id);
  return all;
}

void job_coordinator::start(timestamp_us) {
  port_.load();
}

status job_coordinator::restore_pools(const restored_job& from) {
  pools_.clear();
  for (uint32_t i = 0; i < plan_.operators.size(); ++i) {
    const auto& node = plan_.operators[i];
    if (!std::holds_alternative<source_spec>(node.spec)) continue;
    uint32_t parallelism = plan_.parallelism_of(operator_index{i});
    auto text = from.split_pools.find(node.id);
    if (text == from.split_pools.end()) {
      pools_.emplace(i, split_pool(parallelism));
      continue;
    }
    auto begun = from.begun.find(node.id);
    WEIR_ASSIGN(
        auto pool,
        split_pool::decode(text->second,
                           begun == from.begun.end() ? std::vector<source_split>() : begun->second,
                           parallelism));
    pools_.emplace(i, std::move(pool));
  }
  return {};
}

void job_coordinator::restored(result<std::optional<restored_job>> r, timestamp_us now) {
  // While it is to restart again: of a load that this has overtaken; another one follows.
  if (state_ == job_state::failed || state_ == job_state::stopped ||
      state_ == job_state::restarting)
    return;
  if (!r) return fail(r.err());
  restored_job from = r->value_or(restored_job{});
  if (auto s = restore_pools(from); !s) return fail(s.err());
  completed_ = from.number;
  if (completed_ != epoch{} && completed_at_ == 0) completed_at_ = now;
  next_ = epoch{std::max(next_.value, from.number.value + 1)};
  ended_.clear();
  publish_only_ = from.finished;
  deployed_from_ = completed_;
  whole_attempt_ = attempt_;
  for (auto& one : regions_) one = {attempt_, true, watermark_end};
  port_.deploy(attempt_, all_tasks());
}

void job_coordinator::deployed(attempt_id a, std::map<task_id, std::vector<source_split>> begun,
                               timestamp_us now) {
  bool alone = false;
  for (uint32_t r = 0; r < regions_.size(); ++r)
    if (!regions_[r].up && regions_[r].attempt == a) {
      region_deployed(r, begun);
      alone = true;
    }
  if (alone) {
    if (stop_requested_ || ended_.size() == graph_.tasks.size()) begin_epoch(now);
    return arm();
  }
  if (a != whole_attempt_ || state_ == job_state::running || state_ == job_state::stopping) return;
  if (publish_only_) {
    // The job had finished; what its sinks had prepared is all that may be left to do.
    final_epoch_ = completed_;
    publishing_.clear();
    for (const auto& t : graph_.tasks) publishing_.insert(t.id);
    port_.tell_complete(completed_);
    return;
  }
  set_state(stop_requested_ ? job_state::stopping : job_state::running);
  next_epoch_at_ = now + options_.interval_us;
  next_discovery_at_ = watermark_end;
  discovering_.clear();
  for (auto& [op, pool] : pools_) {
    if (!pool.ready() || !pool.bounded()) {
      discovering_.insert(op);
      port_.discover(operator_index{op}, pool.known());
    }
    hand_out(operator_index{op});
  }
  if (stop_requested_ || ended_.size() == graph_.tasks.size()) begin_epoch(now);
  arm();
}

void job_coordinator::discovered(operator_index op, result<discovery> d, timestamp_us now) {
  discovering_.erase(op.value);
  auto it = pools_.find(op.value);
  if (it == pools_.end()) return;
  if (!d) {
    // Only a start of the whole job looks for the source's splits again.
    deployment_failed(whole_attempt_, d.err().at("source '" + plan_.operators[op.value].id + "'"),
                      now);
    return;
  }
  it->second.discovered(std::move(*d));
  if (!it->second.bounded()) {
    next_discovery_at_ = std::min(next_discovery_at_, now + discovery_interval_us);
    arm();
  }
  hand_out(op);
}

void job_coordinator::hand_out(operator_index op) {
  auto& pool = pools_.at(op.value);
  uint32_t chain = graph_.chain_of[op.value];
  auto near = [this, chain](uint32_t subtask, const source_split& s) {
    return port_.is_near(graph_.task_of(chain, subtask).id, s);
  };
  for (auto& a : pool.assign(near)) {
    auto id = graph_.task_of(chain, a.subtask).id;
    port_.assign(id, std::move(a));
  }
  if (pool.released())
    for (uint32_t i = 0; i < graph_.chains[chain].parallelism; ++i)
      port_.release_watermark(graph_.task_of(chain, i).id);
}

void job_coordinator::splits_needed(task_id t) {
  const auto& task = graph_.tasks[t.value];
  auto op = graph_.chains[task.chain].operators.front();
  auto it = pools_.find(op.value);
  weir_assert(it != pools_.end(), "only source tasks ask for splits");
  it->second.request(task.subtask);
  hand_out(op);
}

void job_coordinator::begin_epoch(timestamp_us now) {
  if (pending_ || !all_up()) return;
  pending_ = pending_epoch{};
  pending_->number = next_;
  next_ = epoch{next_.value + 1};
  pending_->began = now;
  pending_->finished = ended_.size() == graph_.tasks.size();
  pending_->last = pending_->finished || stop_requested_;
  for (const auto& t : graph_.tasks) pending_->missing.insert(t.id);
  for (auto& [op, pool] : pools_) pool.epoch_triggered();
  // The pools and the triggers leave in one step: a split that is handed out later reaches its
  // task behind the trigger, so it is in the pool of this epoch and not in the task's share.
  for (const auto& [op, pool] : pools_) pending_->pools[plan_.operators[op].id] = pool.encode();
  port_.begin_epoch(pending_->number);
  for (const auto& [op, pool] : pools_) {
    uint32_t chain = graph_.chain_of[op];
    for (uint32_t i = 0; i < graph_.chains[chain].parallelism; ++i)
      port_.trigger(graph_.task_of(chain, i).id, pending_->number, completed_);
  }
  next_epoch_at_ = now + options_.interval_us;
  arm();
}

void job_coordinator::acknowledged(task_id t, attempt_id a, epoch e, int64_t stall,
                                   timestamp_us now) {
  if (a != attempt_of(t) || !pending_ || pending_->number != e) return;
  pending_->missing.erase(t);
  pending_->stall_ns_max = std::max(pending_->stall_ns_max, stall);
  if (!pending_->missing.empty() || pending_->committing) return;
  pending_->committing = true;
  epoch_summary s;
  s.number = e;
  s.began = pending_->began;
  s.ended = now;
  s.finished = pending_->finished;
  s.split_pools = std::move(pending_->pools);
  s.stall_ns_max = pending_->stall_ns_max;
  port_.commit(std::move(s));
}

void job_coordinator::committed(epoch e, timestamp_us now) {
  if (!pending_ || pending_->number != e) return;
  bool last = pending_->last, finished = pending_->finished;
  pending_.reset();
  completed_ = e;
  completed_at_ = now;
  for (auto& [op, pool] : pools_) pool.epoch_complete();
  last_epoch_error_.clear();
  commit_failures_ = 0;
  if (last) {
    publish_only_ = finished;
    final_epoch_ = e;
    publishing_.clear();
    for (const auto& t : graph_.tasks) publishing_.insert(t.id);
  }
  port_.tell_complete(e);
  // The sinks publish what the tasks before them had prepared when they are restored.
  if (move_requested_ && !last) {
    move_now(now);
    if (state_ == job_state::restarting) return;
  }
  restart_regions(now);
  if (!last && (stop_requested_ || ended_.size() == graph_.tasks.size())) begin_epoch(now);
  arm();
}

std::string job_coordinator::names_of(const std::set<task_id>& tasks) const {
  std::string who;
  for (auto t : tasks) {
    const auto& task = graph_.tasks[t.value];
    who += (who.empty() ? "" : ", ") +
           plan_.operators[graph_.chains[task.chain].operators.front().value].id + "[" +
           std::to_string(task.subtask) + "]";
  }
  return who;
}

std::string job_coordinator::waits_for() const {
  if (pending_ && !pending_->missing.empty())
    return "epoch " + std::to_string(pending_->number.value) + ": acknowledgements of " +
           names_of(pending_->missing);
  if (final_epoch_ && !publishing_.empty())
    return "publications of the last epoch by " + names_of(publishing_);
  return {};
}

void job_coordinator::give_up_epoch(const std::string& why) {
  epoch e = pending_->number;
  pending_.reset();
  for (auto& [op, pool] : pools_) pool.epoch_aborted();
  last_epoch_error_ = why;
  port_.log("epoch " + std::to_string(e.value) + " was given up: " + why);
  port_.abort(e);
  port_.tell_aborted(e);
}

void job_coordinator::commit_failed(epoch e, const error& why, timestamp_us now) {
  if (!pending_ || pending_->number != e) return;
  bool last = pending_->last;
  give_up_epoch(why.message);
  // Room may be made and a node that does not answer be replaced: those are waited for.
  bool passes = why.code == errc::no_space || why.code == errc::timeout;
  if (!passes && commit_failures_++ == 0) first_commit_error_ = why;
  if (commit_failures_ >= commit_failures_max)
    return fail(error{first_commit_error_.code,
                      first_commit_error_.message + "; " + std::to_string(commit_failures_) +
                          " epochs in a row were given up; the last complete one is " +
                          std::to_string(completed_.value)});
  // An end that cannot be made durable is tried again like any other epoch.
  if (last) next_epoch_at_ = now + options_.interval_us;
  restart_regions(now);
  arm();
}

void job_coordinator::task_committed(task_id t, attempt_id a, epoch e) {
  if (a != attempt_of(t) || !final_epoch_ || e != *final_epoch_) return;
  publishing_.erase(t);
  check_finished();
}

void job_coordinator::check_finished() {
  if (!final_epoch_ || !publishing_.empty()) return;
  port_.kill(all_tasks());
  set_state(publish_only_ ? job_state::finished : job_state::stopped);
}

void job_coordinator::task_ended(task_id t, attempt_id a, timestamp_us now) {
  if (a != attempt_of(t)) return;
  ended_.insert(t);
  // Tasks may end before the word that all are deployed comes; deployed() looks at them then.
  if (state_ != job_state::running && state_ != job_state::stopping) return;
  if (ended_.size() == graph_.tasks.size() && !pending_ && !final_epoch_) begin_epoch(now);
}

void job_coordinator::fail(error e) {
  failure_ = std::move(e);
  port_.kill(all_tasks());
  set_state(job_state::failed);
}

/// A region goes on alone from the newest complete epoch: only from one that its own tasks have
/// written, since its splits and parts are found by subtask; and not when the job is about to end.
bool job_coordinator::restarts_alone(uint32_t r) const {
  return regions_[r].up && may_restart_regions();
}

bool job_coordinator::may_restart_regions() const {
  return graph_.regions.size() > 1 && state_ == job_state::running && completed_ > deployed_from_ &&
         !final_epoch_ && !(pending_ && pending_->last);
}

void job_coordinator::task_failed(task_id t, attempt_id a, error e, timestamp_us now) {
  if (a != attempt_of(t) || has_ended(state_)) return;
  const auto& task = graph_.tasks[t.value];
  port_.log("task " + std::to_string(t.value) + " (" +
            plan_.operators[graph_.chains[task.chain].operators.front().value].id + "[" +
            std::to_string(task.subtask) + "]) failed: " + e.message);
  failure_ = std::move(e);
  if (give_up_restarting(!is_permanent(failure_->code), now)) return;
  if (!restarts_alone(task.region)) return restart_all(now, backoff(), count_of_restarts());
  ++restarts_total_;
  port_.log("restart " + std::to_string(failures_in_row_) + " of " +
            std::to_string(options_.restarts_max) + " of " +
            std::to_string(graph_.regions[task.region].size()) + " of " +
            std::to_string(graph_.tasks.size()) + " tasks from epoch " +
            std::to_string(completed_.value) + " in " + std::to_string(backoff() / 1000) + " ms");
  stop_region(task.region, attempt_id{++attempt_.value}, now + backoff());
  // An epoch that is being made durable becomes complete or not; the region waits for that.
  if (pending_ && !pending_->committing) give_up_epoch("a task failed");
  arm();
}

void job_coordinator::deployment_failed(attempt_id a, error e, timestamp_us now) {
  bool current =
      a == whole_attempt_ || std::any_of(regions_.begin(), regions_.end(),
                                         [a](const region& r) { return r.attempt == a; });
  if (!current || has_ended(state_) || state_ == job_state::restarting) return;
  port_.log("failed: " + e.message);
  failure_ = std::move(e);
  // Also of a region alone: with its node or its state gone, only a new look at the whole helps.
  bool heals = a != whole_attempt_ || !is_permanent(failure_->code);
  if (!give_up_restarting(heals, now)) restart_all(now, backoff(), count_of_restarts());
}

/// Counts the failure; true when it was one too many, or a restart does not heal it: the job has
/// failed.
bool job_coordinator::give_up_restarting(bool heals, timestamp_us now) {
  if (now - last_failure_at_ > options_.healthy_after_us) failures_in_row_ = 0;
  last_failure_at_ = now;
  ++failures_in_row_;
  if (failures_in_row_ <= options_.restarts_max && heals) return false;
  if (failures_in_row_ > 1)
    failure_->message += "; given up after " + std::to_string(failures_in_row_ - 1) + " restarts";
  end_attempt();
  set_state(job_state::failed);
  return true;
}

int64_t job_coordinator::backoff() const {
  return std::min(options_.backoff_us << std::min<uint32_t>(failures_in_row_ - 1, 20),
                  options_.backoff_max_us);
}

/// Ends all tasks; whatever they still say is ignored.
void job_coordinator::end_attempt() {
  ++attempt_.value;
  whole_attempt_ = attempt_;
  for (auto& r : regions_) r = {attempt_, true, watermark_end};
  if (pending_) {
    epoch given_up = pending_->number;
    pending_.reset();
    port_.abort(given_up);
  }
  final_epoch_.reset();
  port_.kill(all_tasks());
}

/// `which`: of how many restarts that are allowed, or why it is not counted.
void job_coordinator::restart_all(timestamp_us now, int64_t wait_us, const std::string& which) {
  end_attempt();
  move_requested_ = false;
  restart_at_ = now + wait_us;
  ++restarts_total_;
  port_.log("restart" + which + " from epoch " + std::to_string(completed_.value) + " in " +
            std::to_string(wait_us / 1000) + " ms");
  set_state(job_state::restarting);
  arm();
}

std::string job_coordinator::count_of_restarts() const {
  return " " + std::to_string(failures_in_row_) + " of " + std::to_string(options_.restarts_max);
}

void job_coordinator::node_lost(attempt_id a, error e, timestamp_us now) {
  bool current =
      a == whole_attempt_ || std::any_of(regions_.begin(), regions_.end(),
                                         [a](const region& r) { return r.attempt == a; });
  if (!current || has_ended(state_) || state_ == job_state::restarting) return;
  port_.log("a node is lost: " + e.message);
  failure_ = std::move(e);
  restart_all(now, options_.backoff_us, " on other nodes");
}

void job_coordinator::tasks_lost(const std::vector<task_id>& which, error e, timestamp_us now) {
  if (has_ended(state_) || state_ == job_state::restarting || which.empty()) return;
  port_.log("a node is lost: " + e.message);
  failure_ = std::move(e);
  std::set<uint32_t> lost;
  std::set<uint32_t> attempts;  // that were being deployed: what starts together is lost together
  for (auto t : which) {
    uint32_t r = graph_.tasks[t.value].region;
    lost.insert(r);
    if (!regions_[r].up) attempts.insert(regions_[r].attempt.value);
  }
  for (uint32_t r = 0; r < regions_.size(); ++r)
    if (!regions_[r].up && attempts.contains(regions_[r].attempt.value)) lost.insert(r);
  if (!may_restart_regions() || lost.size() == regions_.size())
    return restart_all(now, options_.backoff_us, " on other nodes");
  ++restarts_total_;
  size_t tasks = 0;
  ++attempt_.value;
  for (auto r : lost) {
    tasks += graph_.regions[r].size();
    stop_region(r, attempt_, now + options_.backoff_us);
  }
  port_.log("restart on other nodes of " + std::to_string(tasks) + " of " +
            std::to_string(graph_.tasks.size()) + " tasks from epoch " +
            std::to_string(completed_.value) + " in " + std::to_string(options_.backoff_us / 1000) +
            " ms");
  if (pending_ && (!pending_->committing || port_.may_give_up(pending_->number)))
    give_up_epoch("a node is lost");
  arm();
}

bool job_coordinator::taken_over(running_job found, timestamp_us now) {
  found.from.begun.clear();
  const bool any = std::any_of(found.regions.begin(), found.regions.end(),
                               [](const auto& attempt) { return attempt.has_value(); });
  if (!any || has_ended(state_) || !restore_pools(found.from)) return false;
  std::vector<std::pair<uint32_t, split_pool::assignment>> handed;  // by operator
  for (auto& [op, pool] : pools_) {
    uint32_t chain = graph_.chain_of[op];
    bool released = false;
    for (uint32_t i = 0; i < graph_.chains[chain].parallelism; ++i) {
      const auto& t = graph_.task_of(chain, i);
      if (!found.regions[t.region]) {
        pool.take_over_lost(i, found.begun[t.id]);
        continue;
      }
      const auto& stands = found.sources.at(t.id);
      pool.take_over(i, stands);
      released |= !stands.held;
    }
    auto missed = pool.settle(released);
    if (!missed) {
      pools_.clear();
      return false;
    }
    for (auto& a : *missed) handed.emplace_back(op, std::move(a));
  }
  completed_ = found.from.number;
  completed_at_ = now;
  next_ = epoch{std::max({next_.value, completed_.value + 1, found.newest.value + 1})};
  attempt_ = found.attempt;
  whole_attempt_ = attempt_;
  ended_ = std::move(found.ended);
  size_t lost = 0;
  for (uint32_t r = 0; r < regions_.size(); ++r) {
    if (found.regions[r]) {
      regions_[r] = {*found.regions[r], true, watermark_end};
      whole_attempt_ = std::min(whole_attempt_, *found.regions[r]);
      continue;
    }
    lost += graph_.regions[r].size();
    regions_[r] = {attempt_id{attempt_.value + 1}, false, now};
    for (auto t : graph_.regions[r]) ended_.erase(t);
  }
  if (lost != 0) {
    ++attempt_.value;
    ++restarts_total_;
  }
  port_.log("taken over with " + std::to_string(graph_.tasks.size() - lost) + " of " +
            std::to_string(graph_.tasks.size()) + " tasks, which go on; epoch " +
            std::to_string(completed_.value) + " is complete");
  set_state(job_state::running);
  next_epoch_at_ = now;
  for (auto& [op, a] : handed) {
    auto id = graph_.task_of(graph_.chain_of[op], a.subtask).id;
    port_.assign(id, std::move(a));
  }
  for (auto& [op, pool] : pools_) {
    if (!pool.ready() || !pool.bounded()) {
      discovering_.insert(op);
      port_.discover(operator_index{op}, pool.known());
    }
    hand_out(operator_index{op});
  }
  restart_regions(now);
  if (stop_requested_) set_state(job_state::stopping);
  if (all_up() && !pending_) begin_epoch(now);
  arm();
  return true;
}

void job_coordinator::move(timestamp_us now) {
  if (state_ != job_state::running || final_epoch_) return;
  move_requested_ = true;
  savepoint(now);
}

/// Nothing is done twice but what came since the epoch's barrier; regions without such tasks go on.
void job_coordinator::move_now(timestamp_us now) {
  const bool alone = may_restart_regions();
  if (alone && !all_up()) return;  // after the epoch that follows their return
  const auto which = port_.regions_to_move();
  if (!which || (!which->empty() && (!alone || which->size() == regions_.size())))
    return restart_all(now, 0, " on other nodes");
  move_requested_ = false;
  if (which->empty()) return;
  size_t tasks = 0;
  ++restarts_total_;
  ++attempt_.value;
  for (auto r : *which) {
    tasks += graph_.regions[r].size();
    stop_region(r, attempt_, now);
  }
  port_.log("restart on other nodes of " + std::to_string(tasks) + " of " +
            std::to_string(graph_.tasks.size()) + " tasks from epoch " +
            std::to_string(completed_.value));
}

epoch job_coordinator::savepoint(timestamp_us now) {
  epoch next = next_;
  next_epoch_at_ = now;
  if (state_ == job_state::running && !pending_ && !final_epoch_) begin_epoch(now);
  arm();
  return next;
}

void job_coordinator::stop_region(uint32_t r, attempt_id next, timestamp_us restart_at) {
  regions_[r] = {next, false, restart_at};
  for (auto t : graph_.regions[r]) {
    ended_.erase(t);
    const auto& task = graph_.tasks[t.value];
    auto pool = pools_.find(graph_.chains[task.chain].operators.front().value);
    if (pool != pools_.end()) pool->second.reader_lost(task.subtask);
  }
  port_.kill(graph_.regions[r]);
}

/// Deploys the regions whose backoff is over, once it is known what the newest complete epoch is.
void job_coordinator::restart_regions(timestamp_us now) {
  if (pending_) return;
  std::map<uint32_t, std::vector<task_id>> due;  // by attempt
  for (uint32_t r = 0; r < regions_.size(); ++r)
    if (regions_[r].restart_at <= now) {
      regions_[r].restart_at = watermark_end;
      auto& tasks = due[regions_[r].attempt.value];
      tasks.insert(tasks.end(), graph_.regions[r].begin(), graph_.regions[r].end());
    }
  for (const auto& [attempt, tasks] : due) port_.deploy(attempt_id{attempt}, tasks);
}

void job_coordinator::region_deployed(uint32_t r,
                                      std::map<task_id, std::vector<source_split>>& begun) {
  regions_[r].up = true;
  for (auto t : graph_.regions[r]) {
    const auto& task = graph_.tasks[t.value];
    auto op = graph_.chains[task.chain].operators.front();
    auto pool = pools_.find(op.value);
    if (pool == pools_.end()) continue;
    if (auto a = pool->second.hand_again(task.subtask, std::move(begun[t])))
      port_.assign(t, std::move(*a));
    hand_out(op);
  }
}

void job_coordinator::stop(timestamp_us now) {
  if (stop_requested_) return;
  stop_requested_ = true;
  port_.log("asked to stop");
  if (state_ != job_state::running) return;
  set_state(job_state::stopping);
  if (!pending_ && !final_epoch_) begin_epoch(now);
}

void job_coordinator::cancel() {
  if (state_ == job_state::finished || state_ == job_state::failed) return;
  end_attempt();
  set_state(job_state::stopped);
}

uint64_t job_coordinator::input_weight() const {
  uint64_t n = 0;
  for (const auto& [op, pool] : pools_) n += pool.weight_total();
  return n;
}

bool job_coordinator::bounded() const {
  return std::all_of(pools_.begin(), pools_.end(),
                     [](const auto& p) { return p.second.bounded(); });
}

void job_coordinator::tick(timestamp_us now) {
  if (state_ == job_state::restarting && now >= restart_at_) {
    restart_at_ = watermark_end;
    state_ = job_state::starting;
    port_.load();
    return;
  }
  if (state_ != job_state::running && state_ != job_state::stopping) return arm();
  if (pending_ && !pending_->committing && now >= pending_->began + options_.epoch_timeout_us) {
    give_up_epoch("no acknowledgement in time from " + names_of(pending_->missing));
  }
  restart_regions(now);
  if (!pending_ && !final_epoch_ && now >= next_epoch_at_) begin_epoch(now);
  if (now >= next_discovery_at_) {
    next_discovery_at_ = watermark_end;
    for (const auto& [op, pool] : pools_)
      if (!pool.bounded() && discovering_.insert(op).second)
        port_.discover(operator_index{op}, pool.known());
  }
  arm();
}

}  // namespace weir
