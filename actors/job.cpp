#include "actors/job.hpp"

#include <algorithm>

#include "runtime/column/text.hpp"
#include "runtime/flow/source_driver.hpp"
#include "runtime/flow/split_list.hpp"
#include "runtime/plan/state_reuse.hpp"

namespace weir {
namespace {

// Every request ends: a remote that died may never answer.
constexpr auto deploy_timeout = std::chrono::seconds(30);
constexpr auto report_timeout = std::chrono::seconds(5);
// How often a node that lacks something is asked again to take its tasks.
constexpr auto deploy_retry_interval = std::chrono::seconds(1);
// Of what the master says, for `job logs`.
constexpr size_t log_lines_max = 500;

}  // namespace

job_actor spawn_job(caf::actor_system& system, job_seed seed) {
  return system.spawn(
      [](job_actor::stateful_pointer<job_state_actor> self,
         job_seed s) -> job_actor::behavior_type { return self->state.start(self, std::move(s)); },
      std::move(seed));
}

size_t job_state_actor::node_of(const task& t) const {
  auto own = source_slots_.find(t.chain);
  return own == source_slots_.end() ? slots_[t.subtask] : own->second[t.subtask];
}

void job_state_actor::log(std::string line) {
  if (lines_.size() == log_lines_max) lines_.pop_front();
  char stamp[timestamp_chars_max];
  lines_.push_back(std::string(stamp, format_timestamp(stamp, now())) + " " + line);
  if (seed_.log) seed_.log(std::move(line));
}

void job_state_actor::stop_acting() {
  if (std::exchange(over_, true)) return;
  deployments_.clear();
  // Whoever asked gets no answer from a master that is none any more.
  for (auto& w : waiters_) w.deliver(caf::make_error(caf::sec::request_receiver_down));
  waiters_.clear();
  job_answer moved;
  moved.error = "the job has another master by now; ask again";
  moved.code = static_cast<uint8_t>(errc::timeout);
  for (auto& s : std::exchange(savepoints_, {})) s.promise.deliver(moved);
  if (seed_.fenced) seed_.fenced();
  self_->quit();
}

void job_state_actor::restore_from(latest_reply& r) {
  for (auto& w : r.warnings) log(std::move(w));
  if (!r.error.empty())
    return coordinator_->restored(error{static_cast<errc>(r.code), r.error}, now());
  changed_.clear();
  if (!r.found) return coordinator_->restored(std::optional<restored_job>(), now());
  const bool same_plan = r.fingerprint == fingerprint(*seed_.plan);
  auto key_groups = origin_ ? origin_->plan.key_groups : seed_.plan->key_groups;
  if (!origin_ && !r.plan.empty() && !same_plan) {
    auto before = decode_plan(std::as_bytes(std::span(r.plan)));
    if (!before) return coordinator_->restored(before.err().at("the plan of the snapshot"), now());
    key_groups = before->key_groups;
  }
  for (uint32_t i = 0; i < seed_.plan->operators.size(); ++i) {
    const auto& node = seed_.plan->operators[i];
    auto mine = state_fingerprint(node, input_schemas(*seed_.plan, operator_index{i}));
    const bool regrouped = is_lost_with_key_groups(node, key_groups, seed_.plan->key_groups);
    for (const auto& o : r.operators)
      if (o.id == node.id && (o.state_fingerprint != mine || regrouped)) {
        log("operator '" + node.id + "' has changed: its state is dropped");
        changed_.insert(node.id);
      }
  }
  if (origin_) {
    // Rows in flight cannot be read as another type: where they were to be kept, it was refused.
    const auto before = edge_keys(origin_->plan), mine = edge_keys(*seed_.plan);
    for (size_t e = 0; e < mine.size(); ++e) {
      const auto old = std::find(before.begin(), before.end(), mine[e]);
      if (old == before.end()) continue;
      const auto& was = origin_->plan.edges[static_cast<size_t>(old - before.begin())];
      if (*edge_schema(origin_->plan, was) != *edge_schema(*seed_.plan, seed_.plan->edges[e]))
        changed_.insert(edge_state_id(mine[e]));
    }
  }
  restored_job from;
  from.number = epoch{r.number};
  // A changed job has work to do where the old one had ended.
  from.finished = r.finished && same_plan;
  from.split_pools = std::move(r.split_pools);
  for (const auto& [id, text] : r.begun_splits) {
    auto splits = decode_splits(text);
    if (!splits) return coordinator_->restored(splits.err(), now());
    from.begun[id] = std::move(*splits);
  }
  coordinator_->restored(std::optional(std::move(from)), now());
}

job_state_actor::deployment* job_state_actor::find(attempt_id attempt) {
  auto it = deployments_.find(attempt.value);
  return it == deployments_.end() || over_ ? nullptr : &it->second;
}

std::vector<std::vector<uint32_t>> job_state_actor::by_node(const deployment& d) const {
  std::vector<std::vector<uint32_t>> ids(placements_.size());
  for (auto t : d.tasks) ids[tasks_[t].node].push_back(t);
  return ids;
}

void job_state_actor::deploy(attempt_id attempt, const std::vector<task_id>& which) {
  if (placements_.empty())
    return fail_deployment(attempt, {errc::io, "no node is there to take tasks"});
  auto& d = deployments_[attempt.value];
  d.whole = which.size() == seed_.graph->tasks.size();
  d.opens_left = which.size();
  if (d.whole) tasks_.assign(seed_.graph->tasks.size(), {});
  for (auto t : which) {
    d.tasks.push_back(t.value);
    if (d.whole) tasks_[t.value].node = node_of(seed_.graph->tasks[t.value]);
  }
  if (!seed_.ledger) return spawn(attempt);
  if (!d.whole) return collect_tasks(attempt);
  start_parts(d.tasks, attempt, collected_);
  spawn(attempt);
}

/// Of regions that restart alone: what the newest epoch has of them, then their tasks.
void job_state_actor::collect_tasks(attempt_id attempt) {
  auto* d = find(attempt);
  if (!d) return;
  bool moves = std::any_of(d->tasks.begin(), d->tasks.end(), [this](uint32_t t) {
    return !placements_[tasks_[t].node].store || tasks_[t].node != node_of(seed_.graph->tasks[t]);
  });
  if (moves) {
    replace_lost();
    for (auto t : d->tasks) tasks_[t].node = node_of(seed_.graph->tasks[t]);
  }
  for (auto t : d->tasks)
    if (!placements_[tasks_[t].node].store)
      return fail_deployment(attempt, {errc::io, "no node is there to take tasks"});
  d->collecting = collection_of({d->tasks.begin(), d->tasks.end()}, false);
  d->collecting->done = [this, attempt](collection& got) {
    auto* mine = find(attempt);
    if (!mine) return;
    mine->chunks = std::move(got.chunks);
    mine->collecting.reset();
    waits_for_.clear();
    start_parts(mine->tasks, attempt, mine->chunks);
    spawn(attempt);
  };
  d->collecting->missing = [this, attempt](const std::string& why) {
    if (waits_for_ != why) log(why);
    waits_for_ = why;
    self_->delayed_send(self_, load_retry_interval,
                        call_message{[this, attempt] { collect_tasks(attempt); }});
  };
  resume(d->collecting);
}

void job_state_actor::spawn(attempt_id attempt) {
  auto& d = *find(attempt);
  auto ids = by_node(d);
  for (const auto& list : ids) d.replies_left += list.empty() ? 0 : 1;
  for (size_t n = 0; n < ids.size(); ++n)
    if (!ids[n].empty()) spawn_on(attempt, n, ids[n]);
}

void job_state_actor::spawn_on(attempt_id attempt, size_t n, const std::vector<uint32_t>& ids) {
  deploy_message m;
  m.job = seed_.id;
  m.run = std::to_string(seed_.token ? static_cast<int64_t>(seed_.token) : started_at_);
  m.token = seed_.token;
  m.attempt = attempt.value;
  m.plan = plan_bytes_;
  m.tasks = ids;
  m.window_bytes = seed_.window.bytes;
  m.window_batches = seed_.window.batches;
  m.alignment_limit_us = seed_.alignment_limit_us;
  self_->request(placements_[n].node, deploy_timeout, std::move(m))
      .then([this, attempt, ids](const deploy_reply& r) { spawned(attempt, ids, r); },
            [this, attempt, n](const caf::error& e) {
              auto* mine = find(attempt);
              if (!mine) return;
              auto why = to_error(e, "node " + placements_[n].name + " does not take its tasks");
              if (seed_.ledger && !mine->whole) return lose_node(n, std::move(why));
              deployments_.erase(attempt.value);
              coordinator_->node_lost(attempt, std::move(why), now());
            });
}

void job_state_actor::fail_deployment(attempt_id attempt, error e) {
  if (deployments_.erase(attempt.value) || placements_.empty())
    coordinator_->deployment_failed(attempt, std::move(e), now());
}

void job_state_actor::spawned(attempt_id attempt, const std::vector<uint32_t>& ids,
                              const deploy_reply& r) {
  auto* d = find(attempt);
  if (!d) {
    for (const auto& t : r.tasks) self_->send_exit(t, caf::exit_reason::user_shutdown);
    return;
  }
  if (seed_.ledger && r.code == static_cast<uint8_t>(errc::cancelled) && !r.error.empty())
    return stop_acting();
  if (r.code == static_cast<uint8_t>(errc::timeout) && !r.error.empty()) {
    // Something that it needs is on nodes that are away: no failure of the job, which waits.
    if (waits_for_ != r.error) log(r.error);
    waits_for_ = r.error;
    const size_t node = tasks_[ids.front()].node;
    self_->delayed_send(self_, deploy_retry_interval, call_message{[this, attempt, node, ids] {
                          if (find(attempt)) spawn_on(attempt, node, ids);
                        }});
    return;
  }
  if (!r.error.empty()) return fail_deployment(attempt, {static_cast<errc>(r.code), r.error});
  waits_for_.clear();
  for (size_t i = 0; i < ids.size(); ++i) {
    tasks_[ids[i]].handle = r.tasks[i];
    self_->monitor(r.tasks[i]);
  }
  if (--d->replies_left == 0) load_state(attempt);
}

/// What a task's store has of it under keys; not what was in flight.
task_state_request job_state_actor::keyed_state_of(uint32_t task) const {
  auto want = state_of(task);
  std::erase_if(want.operator_ids, is_edge_state);
  return want;
}

task_state_request job_state_actor::state_of(uint32_t task) const {
  const auto& t = seed_.graph->tasks[task];
  const auto& c = seed_.graph->chains[t.chain];
  task_state_request want;
  want.task = task;
  for (auto op : c.operators)
    if (const auto& id = seed_.plan->operators[op.value].id; !changed_.contains(id))
      want.operator_ids.push_back(id);
  auto keys = edge_keys(*seed_.plan);
  for (auto e : c.out_edges)
    if (auto id = edge_state_id(keys[e]); !changed_.contains(id))
      want.operator_ids.push_back(std::move(id));
  auto range = range_of_subtask(seed_.plan->key_groups, c.parallelism, t.subtask);
  want.group_begin = range.begin;
  want.group_end = range.end;
  return want;
}

std::vector<state_chunk> job_state_actor::collected_for(const std::vector<state_chunk>& all,
                                                        const task_state_request& want) const {
  std::vector<state_chunk> mine;
  for (const auto& chunk : all) {
    bool wanted = std::find(want.operator_ids.begin(), want.operator_ids.end(),
                            chunk.operator_id) != want.operator_ids.end();
    if (wanted && (chunk.key_group == no_key_group ||
                   (chunk.key_group >= want.group_begin && chunk.key_group < want.group_end)))
      mine.push_back(chunk);
  }
  return mine;
}

/// Tasks that are opened take back what was published behind their epoch. A master that is cut off
/// may not know that another one has gone on from there: whether it still is the job's master, and
/// the epoch its newest, is asked before any task is opened.
void job_state_actor::load_state(attempt_id attempt) {
  if (!find(attempt)) return;
  auto again = [this, attempt] {
    self_->delayed_send(self_, load_retry_interval,
                        call_message{[this, attempt] { load_state(attempt); }});
  };
  auto confirmed = [this, attempt, again](const status& s) {
    if (!find(attempt)) return;
    if (!s && s.err().code == errc::cancelled) return stop_acting();
    if (!s && s.err().code == errc::timeout) return again();
    if (!s) return fail_deployment(attempt, s.err());
    load_confirmed(attempt);
  };
  // Of another job's epoch nothing was published for this one.
  if (!seed_.ledger || manifest_.number == 0 || epochs_of_ != seed_.id)
    return load_confirmed(attempt);
  if (completing_) return again();
  const auto view = seed_.ledger->view();
  const auto job = view->jobs.find(seed_.id);
  const bool ours = newest_number_ == manifest_.number;
  if (!ours && (job == view->jobs.end() || job->second.newest != manifest_.number)) return again();
  auto me = caf::actor_cast<job_actor>(self_);
  seed_.ledger->complete_epoch(seed_.id, seed_.token, manifest_.number,
                               ours ? newest_manifest_ : job->second.manifest,
                               [me, confirmed](status s) {
                                 caf::anon_send(me, call_message{[confirmed, s] { confirmed(s); }});
                               });
}

void job_state_actor::load_confirmed(attempt_id attempt) {
  auto& d = *find(attempt);
  auto ids = by_node(d);
  for (size_t n = 0; n < ids.size(); ++n) {
    if (ids[n].empty()) continue;
    if (coordinator_->completed() == epoch{}) {
      connect(attempt, n, ids[n], std::vector<std::vector<state_chunk>>(ids[n].size()));
      continue;
    }
    load_message m;
    m.number = coordinator_->completed().value;
    for (auto task : ids[n]) m.tasks.push_back(state_of(task));
    if (seed_.ledger) {
      std::vector<std::vector<state_chunk>> from_parts;
      for (const auto& want : m.tasks)
        from_parts.push_back(collected_for(d.whole ? collected_ : d.chunks, want));
      connect(attempt, n, ids[n], std::move(from_parts));
      continue;
    }
    m.job = seed_.id;
    self_->request(placements_[n].store, restore_timeout, std::move(m))
        .then(
            [this, attempt, n, list = ids[n]](load_reply& r) {
              if (!find(attempt)) return;
              if (!r.error.empty())
                return fail_deployment(attempt, {static_cast<errc>(r.code), r.error});
              connect(attempt, n, list, std::move(r.chunks));
            },
            [this, attempt](const caf::error& e) {
              fail_deployment(attempt, to_error(e, "the snapshot store does not answer"));
            });
  }
}

/// Of a source task that restarts with its region: the splits that it had begun.
void job_state_actor::note_begun(deployment& d, uint32_t task,
                                 const std::vector<state_chunk>& chunks) const {
  const auto& t = seed_.graph->tasks[task];
  auto op = seed_.graph->chains[t.chain].operators.front();
  if (d.whole || !std::holds_alternative<source_spec>(seed_.plan->operators[op.value].spec)) return;
  for (const auto& c : chunks) {
    if (c.operator_id != seed_.plan->operators[op.value].id ||
        c.state != source_driver::state_name || c.subtask != t.subtask)
      continue;
    auto splits = decode_splits({c.bytes.as<char>(), c.bytes.size()});
    weir_assert(splits.ok(), "a chunk of a checked epoch is what its task has written");
    d.begun[task_id{task}] = std::move(*splits);
  }
}

void job_state_actor::connect(attempt_id attempt, size_t node, const std::vector<uint32_t>& ids,
                              std::vector<std::vector<state_chunk>> chunks) {
  const auto& g = *seed_.graph;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto& t = g.tasks[ids[i]];
    note_begun(*find(attempt), ids[i], chunks[i]);
    connect_message m;
    m.attempt = attempt.value;
    m.token = seed_.token;
    m.master = self_;
    m.store = placements_[node].store;
    m.store_job = seed_.ledger ? part_key(part_of_[ids[i]]) : seed_.id;
    m.from = coordinator_->completed().value;
    if (m.from != 0 && resumed_.contains(ids[i])) m.keyed = keyed_state_of(ids[i]);
    m.restored = std::move(chunks[i]);
    auto add = [&](channel_id c, task_id other) {
      m.channels.push_back(c.value);
      m.receivers.push_back(tasks_[other.value].handle);
      m.places.push_back(placements_[tasks_[other.value].node].rows);
    };
    for (auto c : t.inputs) add(c, g.channels[c.value].from);
    for (auto c : t.outputs) add(c, g.channels[c.value].to);
    self_->send(tasks_[ids[i]].handle, std::move(m));
  }
}

void job_state_actor::opened(attempt_id attempt) {
  auto* d = find(attempt);
  if (!d || --d->opens_left != 0) return;
  for (auto t : d->tasks) self_->send(tasks_[t].handle, start_atom::value, seed_.token);
  auto begun = std::move(d->begun);
  if (d->whole) collected_ = {};  // the stores have it
  deployments_.erase(attempt.value);
  coordinator_->deployed(attempt, std::move(begun), now());
  collect();  // whoever asks first is told of the tasks as they are now
}

void job_state_actor::handle(const task_event& e) {
  if (takeover_ && !over_) return takeover_->said.push_back(e);
  task_id id{e.task};
  attempt_id attempt{e.attempt};
  if (over_ || e.task >= tasks_.size() || attempt != coordinator_->attempt_of(id)) return;
  switch (e.kind) {
    case task_event::what::opened:
      opened(attempt);
      break;
    case task_event::what::acknowledged:
      coordinator_->acknowledged(id, attempt, epoch{e.number}, e.stall_ns, now());
      break;
    case task_event::what::committed:
      coordinator_->task_committed(id, attempt, epoch{e.number});
      break;
    case task_event::what::need_splits:
      coordinator_->splits_needed(id);
      break;
    case task_event::what::ended:
      coordinator_->task_ended(id, attempt, now());
      break;
    case task_event::what::failed:
      coordinator_->task_failed(id, attempt, {static_cast<errc>(e.code), e.text}, now());
      break;
    case task_event::what::cut_off:
      // As when a node is lost, which this is or looks like from there; all tasks that the
      // connection was for are of this one's region.
      forget_deployments({e.task});
      coordinator_->tasks_lost({id}, {static_cast<errc>(e.code), e.text}, now());
      break;
  }
}

void job_state_actor::kill(const std::vector<task_id>& which) {
  if (which.size() == seed_.graph->tasks.size()) {
    for (auto& [attempt, d] : deployments_)
      if (d.collecting) d.collecting->over = true;
    deployments_.clear();
  }
  for (auto id : which) {
    if (id.value >= tasks_.size()) continue;  // none was deployed yet
    auto& t = tasks_[id.value];
    if (!t.handle) continue;
    self_->demonitor(t.handle.address());
    ++stopping_;
    self_->request(t.handle, report_timeout, stop_atom::value, seed_.token)
        .then(
            [this](task_report& r) {
              if (r.task < reports_.size()) reports_[r.task] = std::move(r);
              --stopping_;
              end_if_over();
            },
            [this](const caf::error&) {  // it is gone already; its last report stands
              --stopping_;
              end_if_over();
            });
    t.handle = task_actor();
  }
}

void job_state_actor::trigger(task_id t, epoch e, epoch completed) {
  self_->send(tasks_[t.value].handle, trigger_message{e.value, completed.value, seed_.token});
}

caf::result<job_answer> job_state_actor::savepoint(bool keep) {
  auto promise = self_->make_response_promise<job_answer>();
  savepoints_.push_back({coordinator_->savepoint(now()).value, keep, promise});
  return promise;
}

void job_state_actor::answer_savepoints() {
  askers of_this_one;
  std::erase_if(savepoints_, [this, &of_this_one](auto& s) {
    job_answer a;
    a.epoch = coordinator_->completed().value;
    if (a.epoch < s.number) {
      if (!over_) return false;
      a.error = "the job has ended, its last complete epoch is " + std::to_string(a.epoch);
      a.code = static_cast<uint8_t>(errc::cancelled);
    }
    // The last epoch of a job that has ended is kept anyway.
    if (s.keep && !over_ && seed_.ledger)
      of_this_one.push_back(s.promise);
    else
      s.promise.deliver(std::move(a));
    return true;
  });
  if (!of_this_one.empty()) keep_savepoint(std::move(of_this_one));
}

void job_state_actor::tell_complete(epoch e) {
  for (const auto& t : tasks_)
    if (t.handle) self_->send(t.handle, epoch_outcome{e.value, true, seed_.token});
}

void job_state_actor::tell_aborted(epoch e) {
  for (const auto& t : tasks_)
    if (t.handle) self_->send(t.handle, epoch_outcome{e.value, false, seed_.token});
}

void job_state_actor::assign(task_id t, split_pool::assignment a) {
  if (!tasks_[t.value].handle) return;
  self_->send(tasks_[t.value].handle,
              splits_message{encode_splits(a.splits), a.last, a.hold, seed_.token});
}

void job_state_actor::release_watermark(task_id t) {
  // A task that is down learns it with its splits.
  if (tasks_[t.value].handle)
    self_->send(tasks_[t.value].handle, release_watermark_message{seed_.token});
}

void job_state_actor::discover(operator_index op, std::vector<std::string> known) {
  const auto& spec = std::get<source_spec>(seed_.plan->operators[op.value].spec);
  auto self = caf::actor_cast<job_actor>(self_);
  auto* files = seed_.environment.files;
  uint32_t parallelism = seed_.plan->parallelism_of(op);
  uint32_t attempt = coordinator_->whole_attempt().value;
  auto* io = seed_.environment.io;
  io->submit(
      io->new_lane(), [self, spec, files, parallelism, op, attempt, seen = std::move(known)] {
        auto found = std::make_shared<result<discovery>>(discovery{});
        auto enumerator = make_enumerator(spec, *files, parallelism);
        if (enumerator && !seen.empty()) (*enumerator)->restore(seen);
        *found = enumerator ? (*enumerator)->discover() : result<discovery>(enumerator.err());
        caf::anon_send(self, discovered_message{op.value, attempt, std::move(found)});
      });
}

void job_state_actor::wake_at(timestamp_us t) {
  if (t == watermark_end || t >= timer_) return;
  timer_ = t;
  self_->delayed_send(self_, std::chrono::microseconds(std::max<int64_t>(0, t - now())),
                      timer_atom::value, int64_t{t});
}

void job_state_actor::state_changed(job_state s, const std::optional<error>&) {
  over_ = has_ended(s);
  end_if_over();
}

void job_state_actor::end_if_over() {
  if (!over_ || stopping_ != 0) return;
  answer_savepoints();
  if (seed_.ended && !std::exchange(ended_told_, true)) seed_.ended(report());
  for (auto& w : waiters_) w.deliver(report());
  waiters_.clear();
}

void job_state_actor::collect() {
  for (const auto& t : tasks_) {
    if (!t.handle) continue;
    self_->request(t.handle, report_timeout, report_atom::value)
        .then(
            [this](task_report& r) {
              if (r.task < reports_.size()) reports_[r.task] = std::move(r);
            },
            [](const caf::error&) { /* the next round of reports will do */ });
  }
}

/// For whoever asks why nothing happens.
std::string job_state_actor::waits_for() const {
  if (takeover_) return "answers of nodes about their tasks";
  if (starts_with_survey()) return "answers of nodes about their load";
  if (!waits_for_.empty()) return waits_for_;
  if (completing_)
    return "the cluster's word that epoch " + std::to_string(coordinator_->pending().value) +
           " is complete";
  for (const auto& [attempt, d] : deployments_) {
    if (d.collecting) return "state of tasks that start";
    if (d.replies_left != 0) return "nodes that take tasks";
    return std::to_string(d.opens_left) + " of " + std::to_string(d.tasks.size()) +
           " tasks that open their state";
  }
  auto tasks = coordinator_->waits_for();
  if (tasks.empty() && parts_to_commit_ && *parts_to_commit_ != SIZE_MAX)
    return std::to_string(*parts_to_commit_) + " parts of epoch " +
           std::to_string(coordinator_->pending().value) + " that are made durable";
  return tasks;
}

job_report job_state_actor::report() const {
  job_report r;
  r.id = seed_.id;
  r.name = seed_.plan->name;
  r.state = static_cast<uint8_t>(coordinator_->state());
  r.error = waits_for_;
  // A failure that a restart has healed is no error of the job any more.
  auto state = coordinator_->state();
  if (coordinator_->failure() && (state == job_state::failed || state == job_state::restarting))
    r.error = coordinator_->failure()->message;
  r.completed_epoch = coordinator_->completed().value;
  r.completed_at = coordinator_->completed_at();
  r.started_at = started_at_;
  r.now = now();
  r.restarts = restarts_before_ + coordinator_->restarts();
  r.input_weight = coordinator_->input_weight();
  r.bounded = coordinator_->bounded();
  r.last_epoch_error = coordinator_->last_epoch_error();
  r.master = seed_.master;
  r.waits_for = waits_for();
  r.tasks = reports_;
  for (size_t i = 0; i < r.tasks.size(); ++i) {
    auto& t = r.tasks[i];
    if (t.node.empty()) {  // it has not reported yet
      const auto& of_graph = seed_.graph->tasks[i];
      t.task = static_cast<uint32_t>(i);
      t.chain = of_graph.chain;
      t.subtask = of_graph.subtask;
      if (i < tasks_.size() && tasks_[i].handle) t.node = placements_[tasks_[i].node].name;
    }
    auto why = why_there_.find(t.task);
    if (!t.node.empty())
      t.placed = placing::to_string(why == why_there_.end() ? placing::reason::stays : why->second);
  }
  return r;
}

job_actor::behavior_type job_state_actor::start(job_actor::stateful_pointer<job_state_actor> self,
                                                job_seed seed) {
  self_ = self;
  seed_ = std::move(seed);
  started_at_ = now();
  auto bytes = encode_plan(*seed_.plan);
  const auto* p = reinterpret_cast<const char*>(bytes.data());
  plan_bytes_.assign(p, p + bytes.size());
  reports_.resize(seed_.graph->tasks.size());
  coordinator_ = std::make_unique<job_coordinator>(*seed_.plan, *seed_.graph, seed_.options, *this);
  self->set_down_handler([this](const caf::down_msg& m) { down(m); });
  coordinator_->start(now());
  return {
      [this](const task_event& e) { handle(e); },
      [this](timer_atom, int64_t t) {
        if (t == timer_) timer_ = watermark_end;
        if (!over_) coordinator_->tick(now());
      },
      [this](const discovered_message& m) {
        if (m.attempt == coordinator_->whole_attempt().value && !over_)
          coordinator_->discovered(operator_index{m.source}, *m.found, now());
      },
      [this](load_atom) {
        if (std::exchange(load_waits_, false) && !over_) load_newest();
      },
      [this](describe_atom) {
        collect();
        return report();
      },
      [this](wait_atom) -> caf::result<job_report> {
        auto promise = self_->make_response_promise<job_report>();
        waiters_.push_back(promise);
        end_if_over();
        return promise;
      },
      [this](stop_atom) { coordinator_->stop(now()); },
      [this](cancel_atom) { coordinator_->cancel(); },
      [this](savepoint_atom, bool keep) { return savepoint(keep); },
      [this](logs_atom) {
        job_answer a;
        a.lines.assign(lines_.begin(), lines_.end());
        return a;
      },
      [this](refresh_atom) { refresh(); },
      [](const call_message& m) { m.run(); },
  };
}

}  // namespace weir
