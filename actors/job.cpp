#include "actors/job.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/column/text.hpp"
#include "runtime/flow/source_driver.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

// Every request ends: a remote that died may never answer.
constexpr auto deploy_timeout = std::chrono::seconds(30);
constexpr auto restore_timeout = std::chrono::seconds(120);
constexpr auto commit_timeout = std::chrono::seconds(120);
constexpr auto report_timeout = std::chrono::seconds(5);
// How often the nodes are asked again for a snapshot's parts that none of them has.
constexpr auto load_retry_interval = std::chrono::milliseconds(200);
// How long a job that is taken up again waits for all nodes that it ran on; then fewer must do.
constexpr int64_t assembly_limit_us = 5'000'000;
// Of what the master says, for `job logs`.
constexpr size_t log_lines_max = 500;

error to_error(const caf::error& e, const std::string& what) {
  return {errc::timeout, what + ": " + caf::to_string(e)};
}

}  // namespace

job_actor spawn_job(caf::actor_system& system, job_seed seed) {
  return system.spawn(
      [](job_actor::stateful_pointer<job_state_actor> self,
         job_seed s) -> job_actor::behavior_type { return self->state.start(self, std::move(s)); },
      std::move(seed));
}

size_t job_state_actor::node_of(const task& t) const {
  return slots_[t.subtask];
}

void job_state_actor::log(std::string line) {
  if (lines_.size() == log_lines_max) lines_.pop_front();
  char stamp[timestamp_chars_max];
  lines_.push_back(std::string(stamp, format_timestamp(stamp, now())) + " " + line);
  if (seed_.log) seed_.log(std::move(line));
}

/// Which node runs which subtasks: those of one number are together, so that rows that need no
/// exchange stay on their node. What the last placement had stays, as far as it is balanced.
void job_state_actor::place() {
  uint32_t widest = 1;
  for (const auto& c : seed_.graph->chains) widest = std::max(widest, c.parallelism);
  std::vector<size_t> usable;
  for (size_t n = 0; n < placements_.size(); ++n)
    if (!placements_[n].draining) usable.push_back(n);
  if (usable.empty())
    for (size_t n = 0; n < placements_.size(); ++n) usable.push_back(n);
  slots_.assign(widest, 0);
  if (usable.empty()) return;
  const size_t least = widest / usable.size();
  size_t one_more_left = widest % usable.size();  // nodes that may have one more than the least
  std::vector<size_t> load(placements_.size(), 0);
  auto take = [&](uint32_t slot, int32_t id) {
    for (size_t n : usable) {
      if (placements_[n].id != id || id < 0) continue;
      if (load[n] > least || (load[n] == least && one_more_left == 0)) continue;
      if (load[n]++ == least) --one_more_left;
      slots_[slot] = n;
      return true;
    }
    return false;
  };
  std::vector<uint32_t> left;
  for (uint32_t s = 0; s < widest; ++s)
    if (s >= manifest_.slots.size() || !take(s, manifest_.slots[s])) left.push_back(s);
  // A node that is gone: where the copy of its part is, little has to be read from elsewhere.
  std::erase_if(left, [&](uint32_t s) {
    if (s >= manifest_.slots.size()) return false;
    return std::any_of(manifest_.parts.begin(), manifest_.parts.end(),
                       [&](const job_manifest::part& p) {
                         return p.writer == manifest_.slots[s] && p.copy >= 0 && take(s, p.copy);
                       });
  });
  // Jobs that are narrower than the cluster do not all begin with the same node.
  size_t first = seed_.ledger ? std::hash<std::string>{}(seed_.id) % usable.size() : 0;
  for (uint32_t s : left) {
    size_t best = usable[(first + s) % usable.size()];
    for (size_t i = 0; i < usable.size(); ++i) {
      size_t n = usable[(first + s + i) % usable.size()];
      if (load[n] < load[best]) best = n;
    }
    slots_[s] = best;
    ++load[best];
  }
}

/// Who has the copy of node n's part: a node of another rack where there is one. Stays the same
/// while it lives.
std::optional<size_t> job_state_actor::copy_of(size_t n) {
  std::optional<size_t> best;
  for (size_t i = 1; i < placements_.size(); ++i) {
    size_t other = (n + i) % placements_.size();
    const auto& p = placements_[other];
    if (!p.store || (p.id >= 0 && p.id == placements_[n].id)) continue;
    if (auto it = copies_.find(n); it != copies_.end() && p.id >= 0 && it->second == p.id)
      return other;
    auto worth = [&](const placement& x) {
      return std::pair(!x.draining, x.rack != placements_[n].rack);
    };
    if (!best || worth(p) > worth(placements_[*best])) best = other;
  }
  if (best) copies_[n] = placements_[*best].id;
  return best;
}

std::vector<store_actor> job_state_actor::copies_of(size_t n) {
  auto other = copy_of(n);
  return other ? std::vector<store_actor>{placements_[*other].store} : std::vector<store_actor>();
}

void job_state_actor::load() {
  placements_ = seed_.nodes();
  copies_.clear();
  collected_.clear();
  if (seed_.ledger) return load_from_ledger();
  place();
  self_->request(seed_.home, restore_timeout, latest_atom::value, seed_.id)
      .then(
          [this](latest_reply& r) {
            if (r.error.empty() && r.found && !r.parts.empty())
              collect_parts(std::move(r));
            else
              restore_from(r);
          },
          [this](const caf::error& e) {
            coordinator_->restored(to_error(e, "the snapshot store does not answer"), now());
          });
}

void job_state_actor::load_from_ledger() {
  // What becomes of an epoch that is being completed has to be known first.
  if (completing_) return wait_to_load(waits_for_);
  auto view = seed_.ledger->view();
  auto job = view->jobs.find(seed_.id);
  if (job == view->jobs.end() || job->second.token < seed_.token)
    return wait_to_load(waits_for_);  // the view is behind this tenure
  if (job->second.token > seed_.token) return stop_acting();
  const auto& text = newest_number_ > job->second.newest ? newest_manifest_ : job->second.manifest;
  manifest_ = {};
  if (std::max(newest_number_, job->second.newest) != 0) {
    auto m = decode_job_manifest(text);
    if (!m) return coordinator_->restored(m.err(), now());
    manifest_ = std::move(*m);
    // A new master's first start is a restart of the job, too.
    if (newest_number_ == 0 && coordinator_->restarts() == 0)
      restarts_before_ = manifest_.restarts + (seed_.token > 1 ? 1 : 0);
  }
  place();
  for (const auto& p : placements_)
    self_->send(p.node, fence_atom::value, seed_.id, seed_.token,
                coordinator_->whole_attempt().value);
  if (manifest_.number == 0) {
    latest_reply nothing;
    return restore_from(nothing);
  }
  latest_reply r;
  r.found = true;
  r.number = manifest_.number;
  for (const auto& p : manifest_.parts) r.parts.push_back(p.name);
  collect_parts(std::move(r));
}

void job_state_actor::stop_acting() {
  if (std::exchange(over_, true)) return;
  deployments_.clear();
  // Whoever asked gets no answer from a master that is none any more.
  for (auto& w : waiters_) w.deliver(caf::make_error(caf::sec::request_receiver_down));
  waiters_.clear();
  answer_savepoints();
  if (seed_.fenced) seed_.fenced();
  self_->quit();
}

void job_state_actor::restore_from(latest_reply& r) {
  for (auto& w : r.warnings) log(std::move(w));
  if (!r.error.empty())
    return coordinator_->restored(error{static_cast<errc>(r.code), r.error}, now());
  changed_.clear();
  if (!r.found) return coordinator_->restored(std::optional<restored_job>(), now());
  for (uint32_t i = 0; i < seed_.plan->operators.size(); ++i) {
    const auto& node = seed_.plan->operators[i];
    auto mine = state_fingerprint(node, input_schemas(*seed_.plan, operator_index{i}));
    for (const auto& o : r.operators)
      if (o.id == node.id && o.state_fingerprint != mine) {
        log("operator '" + node.id + "' has changed: its state is dropped");
        changed_.insert(node.id);
      }
  }
  restored_job from;
  from.number = epoch{r.number};
  // A changed job has work to do where the old one had ended.
  from.finished = r.finished && r.fingerprint == fingerprint(*seed_.plan);
  from.split_pools = std::move(r.split_pools);
  for (const auto& [id, text] : r.begun_splits) {
    auto splits = decode_splits(text);
    if (!splits) return coordinator_->restored(splits.err(), now());
    from.begun[id] = std::move(*splits);
  }
  coordinator_->restored(std::optional(std::move(from)), now());
}

bool job_state_actor::writers_are_missing(const latest_reply& r) const {
  return std::any_of(r.parts.begin(), r.parts.end(), [this](const std::string& part) {
    auto writer = part.substr(0, part.find('.'));
    if (seed_.ledger) {
      // Those that the ledger has given up are not waited for.
      auto view = seed_.ledger->view();
      auto id = std::strtol(writer.c_str(), nullptr, 10);
      auto node = view->nodes.find(static_cast<int32_t>(id));
      if (node == view->nodes.end() || !node->second.alive) return false;
    }
    return std::none_of(placements_.begin(), placements_.end(),
                        [&](const placement& p) { return part_owner(p) == writer; });
  });
}

void job_state_actor::collect_parts(latest_reply r) {
  // A cluster that starts again: with all its nodes the job runs as before, so they get a moment.
  if (coordinator_->restarts() == 0 && now() - started_at_ < assembly_limit_us &&
      writers_are_missing(r))
    return wait_to_load("waits for the nodes that it ran on");
  collecting_ = std::make_shared<latest_reply>(std::move(r));
  parts_left_ = collecting_->parts.size();
  for (size_t i = 0; i < collecting_->parts.size(); ++i) collect_part(collecting_, i, 0);
}

void job_state_actor::collect_part(std::shared_ptr<latest_reply> r, size_t part, size_t from) {
  // The node that wrote the part, or whoever has its copy: the first that answers with it. Those
  // who should have it are asked first.
  auto order = asking_order(part);
  if (from >= placements_.size())
    return wait_to_load("waits for a node that has part " + r->parts[part] + " of epoch " +
                        std::to_string(r->number) + ", or its copy");
  load_message m;
  m.job = seed_.id + "@" + r->parts[part];
  m.number = r->number;
  m.all = true;
  m.about = seed_.ledger && part == 0;
  self_->request(placements_[order[from]].store, restore_timeout, std::move(m))
      .then(
          [this, r, part, from](load_reply& reply) {
            if (collecting_ != r) return;
            if (!reply.error.empty() || reply.chunks.empty())
              return collect_part(r, part, from + 1);
            if (seed_.ledger && part == 0 && !describe_from(*r, reply.about))
              return collect_part(r, part, from + 1);
            auto& chunks = reply.chunks.front();
            std::move(chunks.begin(), chunks.end(), std::back_inserter(collected_));
            if (--parts_left_ != 0) return;
            collecting_.reset();
            waits_for_.clear();
            for (const auto& [id, pool] : r->split_pools)
              for (const auto& c : collected_)
                if (c.operator_id == id && c.state == source_driver::state_name)
                  r->begun_splits[id].append(c.bytes.as<char>(), c.bytes.size());
            restore_from(*r);
          },
          [this, r, part, from](const caf::error&) {
            if (collecting_ == r) collect_part(r, part, from + 1);
          });
}

/// What the ledger's manifest leaves out; false when it is of something else.
bool job_state_actor::describe_from(latest_reply& r, latest_reply& about) {
  if (checksum_of_pools(about.split_pools) != manifest_.pools) return false;
  r.finished = about.finished;
  r.fingerprint = about.fingerprint;
  r.split_pools = std::move(about.split_pools);
  r.operators = std::move(about.operators);
  return true;
}

/// Nodes without tasks have no part.
bool job_state_actor::has_part(size_t node) const {
  return std::find(slots_.begin(), slots_.end(), node) != slots_.end();
}

std::string job_state_actor::part_owner(const placement& p) const {
  return seed_.ledger ? std::to_string(p.id) : p.name;
}

std::vector<size_t> job_state_actor::asking_order(size_t part) const {
  std::vector<size_t> order(placements_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (!seed_.ledger || part >= manifest_.parts.size()) return order;
  const auto& p = manifest_.parts[part];
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    auto rank = [&](size_t n) {
      int32_t id = placements_[n].id;
      return id == p.writer ? 0 : id == p.copy ? 1 : 2;
    };
    return rank(a) < rank(b);
  });
  return order;
}

void job_state_actor::wait_to_load(std::string why) {
  collecting_.reset();
  if (waits_for_ != why) log(why);
  waits_for_ = std::move(why);
  self_->delayed_send(self_, load_retry_interval, load_atom::value);
}

std::string job_state_actor::part_key(size_t node) const {
  return seed_.id + "@" + part_owner(placements_[node]) + part_suffix_;
}

void job_state_actor::start_parts() {
  // Each deployment has parts of its own: what the last one left belongs to its epochs only.
  part_suffix_ = "." + std::to_string(coordinator_->completed().value) + "." +
                 (seed_.token ? std::to_string(seed_.token) + "-" : "") +
                 std::to_string(coordinator_->attempt().value);
  commits_until_drop_ = 3;
  std::vector<seed_message> seeds(placements_.size());
  for (const auto& c : collected_) {
    if (c.key_group == no_key_group || changed_.contains(c.operator_id)) continue;
    for (uint32_t i = 0; i < seed_.plan->operators.size(); ++i) {
      if (seed_.plan->operators[i].id != c.operator_id) continue;
      const auto& chain = seed_.graph->chains[seed_.graph->chain_of[i]];
      uint32_t owner = subtask_of_group(seed_.plan->key_groups, chain.parallelism, c.key_group);
      seeds[node_of(seed_.graph->tasks[chain.first_task + owner])].chunks.push_back(c);
    }
  }
  for (size_t n = 0; n < placements_.size(); ++n) {
    if (!has_part(n)) continue;
    seeds[n].job = part_key(n);
    seeds[n].copies = copies_of(n);
    seeds[n].token = seed_.token;
    self_->send(placements_[n].store, std::move(seeds[n]));
  }
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
  if (d.whole && seed_.parts) start_parts();
  if (d.whole) tasks_.assign(seed_.graph->tasks.size(), {});
  for (auto t : which) {
    d.tasks.push_back(t.value);
    if (d.whole) tasks_[t.value].node = node_of(seed_.graph->tasks[t.value]);
  }
  auto ids = by_node(d);
  for (const auto& list : ids) d.replies_left += list.empty() ? 0 : 1;
  for (size_t n = 0; n < ids.size(); ++n) {
    if (ids[n].empty()) continue;
    deploy_message m;
    m.job = seed_.id;
    m.run = std::to_string(seed_.token ? static_cast<int64_t>(seed_.token) : started_at_);
    m.token = seed_.token;
    m.attempt = attempt.value;
    m.plan = plan_bytes_;
    m.tasks = ids[n];
    m.window_bytes = seed_.window.bytes;
    m.window_batches = seed_.window.batches;
    m.alignment_limit_us = seed_.alignment_limit_us;
    self_->request(placements_[n].node, deploy_timeout, std::move(m))
        .then([this, attempt, list = ids[n]](const deploy_reply& r) { spawned(attempt, list, r); },
              [this, attempt, n](const caf::error& e) {
                if (!find(attempt)) return;
                deployments_.erase(attempt.value);
                coordinator_->node_lost(
                    attempt,
                    to_error(e, "node " + placements_[n].name + " does not take its tasks"), now());
              });
  }
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
  if (!r.error.empty()) return fail_deployment(attempt, {static_cast<errc>(r.code), r.error});
  for (size_t i = 0; i < ids.size(); ++i) {
    tasks_[ids[i]].handle = r.tasks[i];
    self_->monitor(r.tasks[i]);
  }
  if (--d->replies_left == 0) load_state(attempt);
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
  for (auto e : c.out_edges) want.operator_ids.push_back(edge_state_id(keys[e]));
  auto range = range_of_subtask(seed_.plan->key_groups, c.parallelism, t.subtask);
  want.group_begin = range.begin;
  want.group_end = range.end;
  return want;
}

std::vector<state_chunk> job_state_actor::collected_for(const task_state_request& want) const {
  std::vector<state_chunk> mine;
  for (const auto& chunk : collected_) {
    bool wanted = std::find(want.operator_ids.begin(), want.operator_ids.end(),
                            chunk.operator_id) != want.operator_ids.end();
    if (wanted && (chunk.key_group == no_key_group ||
                   (chunk.key_group >= want.group_begin && chunk.key_group < want.group_end)))
      mine.push_back(chunk);
  }
  return mine;
}

void job_state_actor::load_state(attempt_id attempt) {
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
    if (seed_.parts && d.whole) {
      std::vector<std::vector<state_chunk>> from_parts;
      for (const auto& want : m.tasks) from_parts.push_back(collected_for(want));
      connect(attempt, n, ids[n], std::move(from_parts));
      continue;
    }
    // A region that restarts is where it was, and so is its part of the epoch.
    m.job = seed_.parts ? part_key(n) : seed_.id;
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
    m.store_job = seed_.parts ? part_key(node) : seed_.id;
    m.continues = coordinator_->completed() != epoch{};
    m.restored = std::move(chunks[i]);
    auto add = [&](channel_id c, task_id other) {
      m.channels.push_back(c.value);
      m.receivers.push_back(tasks_[other.value].handle);
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
  deployments_.erase(attempt.value);
  coordinator_->deployed(attempt, std::move(begun), now());
}

void job_state_actor::handle(const task_event& e) {
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
  }
}

void job_state_actor::down(const caf::down_msg& m) {
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (!tasks_[i].handle || tasks_[i].handle.address() != m.source) continue;
    tasks_[i].handle = task_actor();
    error why{errc::internal, "task " + std::to_string(i) + " on node " +
                                  placements_[tasks_[i].node].name +
                                  " is gone: " + caf::to_string(m.reason)};
    // With its node, or killed by it because the cluster has given the node up: tasks have to be
    // placed anew.
    if (m.reason == caf::exit_reason::remote_link_unreachable || m.reason == caf::exit_reason::kill)
      coordinator_->node_lost(coordinator_->whole_attempt(), std::move(why), now());
    else
      coordinator_->deployment_failed(coordinator_->whole_attempt(), std::move(why), now());
    return;
  }
}

void job_state_actor::kill(const std::vector<task_id>& which) {
  if (which.size() == seed_.graph->tasks.size()) deployments_.clear();
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

void job_state_actor::begin_epoch(epoch e) {
  if (!seed_.parts) {
    self_->send(seed_.home, begin_message{seed_.id, e.value, 0, 0, {}});
    return;
  }
  for (size_t n = 0; n < placements_.size(); ++n)
    if (has_part(n))
      self_->send(placements_[n].store,
                  begin_message{part_key(n), e.value, coordinator_->completed().value, seed_.token,
                                copies_of(n)});
}

void job_state_actor::trigger(task_id t, epoch e, epoch completed) {
  self_->send(tasks_[t.value].handle, trigger_message{e.value, completed.value, seed_.token});
}

void job_state_actor::commit(epoch_summary s) {
  epoch e = s.number;
  commit_message m;
  m.job = seed_.id;
  m.plan_name = seed_.plan->name;
  m.fingerprint = fingerprint(*seed_.plan);
  m.key_groups = seed_.plan->key_groups;
  m.mode = static_cast<uint8_t>(seed_.plan->mode);
  for (uint32_t i = 0; i < seed_.plan->operators.size(); ++i) {
    const auto& node = seed_.plan->operators[i];
    m.operators.push_back({node.id, node.name, seed_.plan->parallelism_of(operator_index{i}),
                           state_fingerprint(node, input_schemas(*seed_.plan, operator_index{i}))});
  }
  auto keys = edge_keys(*seed_.plan);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto& e2 = seed_.plan->edges[i];
    uint32_t both =
        std::max(seed_.plan->parallelism_of(e2.from), seed_.plan->parallelism_of(e2.to));
    m.operators.push_back({edge_state_id(keys[i]), "rows in flight", both, 0});
  }
  m.plan = plan_bytes_;
  m.number = e.value;
  m.began = s.began;
  m.ended = s.ended;
  m.finished = s.finished;
  m.split_pools = std::move(s.split_pools);
  if (!seed_.parts) return commit_home(std::move(m));
  // Every node's part with its copy first, then the manifest of the whole at home.
  m.token = seed_.token;
  auto left = parts_to_commit_ = std::make_shared<size_t>(0);
  auto whole = std::make_shared<commit_message>(m);
  whole->job = seed_.id;
  job_manifest about;
  about.number = e.value;
  about.restarts = restarts_before_ + coordinator_->restarts();
  about.finished = m.finished;
  about.fingerprint = m.fingerprint;
  about.pools = checksum_of_pools(m.split_pools);
  for (size_t n : slots_) about.slots.push_back(placements_[n].id);
  for (size_t n = 0; n < placements_.size(); ++n) {
    if (!has_part(n)) continue;
    ++*left;
    whole->parts.push_back(part_owner(placements_[n]) + part_suffix_);
    auto copy = copy_of(n);
    about.parts.push_back(
        {whole->parts.back(), placements_[n].id, copy ? placements_[*copy].id : -1});
  }
  auto manifest = encode_job_manifest(about);
  for (size_t n = 0; n < placements_.size(); ++n) {
    if (!has_part(n)) continue;
    m.job = part_key(n);
    auto failed = [this, left, e](error why) {
      if (std::exchange(*left, SIZE_MAX) == SIZE_MAX || over_) return;
      coordinator_->commit_failed(e, std::move(why), now());
    };
    self_->request(placements_[n].store, commit_timeout, m)
        .then(
            [this, left, whole, failed, manifest](const operation_reply& r) {
              if (seed_.ledger && !r.error.empty() &&
                  r.code == static_cast<uint8_t>(errc::cancelled))
                return stop_acting();
              if (!r.error.empty()) return failed({static_cast<errc>(r.code), r.error});
              if (*left == SIZE_MAX || --*left != 0 || over_) return;
              if (seed_.ledger)
                complete_in_ledger(epoch{whole->number}, manifest);
              else
                commit_home(std::move(*whole));
            },
            [failed](const caf::error& err) {
              failed(to_error(err, "a snapshot store does not answer"));
            });
  }
}

void job_state_actor::commit_home(commit_message m) {
  epoch e{m.number};
  self_->request(seed_.home, commit_timeout, std::move(m))
      .then(
          [this, e](const operation_reply& r) {
            if (over_) return;
            if (r.error.empty()) {
              drop_old_parts();
              coordinator_->committed(e, now());
            } else
              coordinator_->commit_failed(e, {static_cast<errc>(r.code), r.error}, now());
          },
          [this, e](const caf::error& err) {
            if (!over_)
              coordinator_->commit_failed(e, to_error(err, "the snapshot store does not answer"),
                                          now());
          });
}

/// Once every kept epoch is of this deployment's parts.
void job_state_actor::drop_old_parts() {
  if (!seed_.parts || --commits_until_drop_ != 0) return;
  std::vector<std::string> needed;
  for (size_t n = 0; n < placements_.size(); ++n)
    if (has_part(n)) needed.push_back(part_owner(placements_[n]) + part_suffix_);
  // The home store also has the manifests of the whole, under no part's name.
  if (!seed_.ledger) needed.emplace_back();
  for (const auto& p : placements_)
    self_->send(p.store, keep_atom::value, seed_.id, needed, seed_.token);
}

/// The word that makes an epoch count. Asked until there is an answer: whether it counts has to be
/// known before anything else is done with it.
void job_state_actor::complete_in_ledger(epoch e, std::string manifest) {
  completing_ = true;
  parts_to_commit_.reset();
  auto me = caf::actor_cast<job_actor>(self_);
  seed_.ledger->complete_epoch(
      seed_.id, seed_.token, e.value, manifest, [this, me, e, manifest](status s) {
        caf::anon_send(me, call_message{[this, e, manifest, s] { answered(e, manifest, s); }});
      });
}

void job_state_actor::answered(epoch e, const std::string& manifest, const status& s) {
  if (over_) return;
  if (!s && s.err().code == errc::cancelled) return stop_acting();
  if (!s && s.err().code == errc::timeout) {
    self_->delayed_send(self_, load_retry_interval, call_message{[this, e, manifest] {
                          if (!over_) complete_in_ledger(e, manifest);
                        }});
    return;
  }
  completing_ = false;
  if (!s) return coordinator_->commit_failed(e, s.err(), now());
  newest_number_ = e.value;
  newest_manifest_ = manifest;
  manifest_.slots = decode_job_manifest(manifest)->slots;
  drop_old_parts();
  coordinator_->committed(e, now());
  answer_savepoints();
  // Nodes that came while the job was starting are looked at once it stands.
  if (commits_until_drop_ == 0) refresh();
}

void job_state_actor::refresh() {
  if (over_ || !seed_.ledger) return;
  auto now_there = seed_.nodes();
  bool moves = false;
  std::string lost;
  for (auto& p : placements_) {
    auto it = std::find_if(now_there.begin(), now_there.end(),
                           [&p](const placement& x) { return x.id == p.id && x.node == p.node; });
    if (it == now_there.end()) {
      if (p.store) lost = p.name;
      p.store = store_actor();  // gets no copies any more; the end of its tasks is told by them
      continue;
    }
    moves |= it->draining && !p.draining;
    p.draining = it->draining;
  }
  // Who was asked for state or given tasks may never answer: not waited for, but begun anew.
  if (!lost.empty() && (collecting_ || !deployments_.empty())) {
    collecting_.reset();
    return coordinator_->node_lost(coordinator_->whole_attempt(),
                                   {errc::internal, "node " + lost + " is given up"}, now());
  }
  for (auto& x : now_there) {
    bool known = std::any_of(placements_.begin(), placements_.end(), [&x](const placement& p) {
      return x.id == p.id && x.node == p.node && p.store;
    });
    if (known) continue;
    // It may run tasks of another attempt, from before it was cut off.
    self_->send(x.node, fence_atom::value, seed_.id, seed_.token,
                coordinator_->whole_attempt().value);
    placements_.push_back(std::move(x));
  }
  std::vector<size_t> load(placements_.size(), 0);
  for (size_t s : slots_) ++load[s];
  for (size_t n = 0; n < placements_.size(); ++n) {
    const auto& p = placements_[n];
    moves |= p.draining && p.store && load[n] != 0;
    // A node that has nothing beside one that has twice its share.
    if (p.store && !p.draining && load[n] == 0)
      moves |= std::any_of(load.begin(), load.end(), [](size_t l) { return l > 1; });
  }
  bool elsewhere = std::any_of(placements_.begin(), placements_.end(),
                               [](const placement& p) { return p.store && !p.draining; });
  if (moves && elsewhere) coordinator_->move(now());
}

caf::result<job_answer> job_state_actor::savepoint() {
  auto promise = self_->make_response_promise<job_answer>();
  savepoints_.emplace_back(coordinator_->savepoint(now()).value, promise);
  return promise;
}

void job_state_actor::answer_savepoints() {
  std::erase_if(savepoints_, [this](auto& s) {
    job_answer a;
    a.epoch = coordinator_->completed().value;
    if (a.epoch < s.first) {
      if (!over_) return false;
      a.error = "the job has ended, its last complete epoch is " + std::to_string(a.epoch);
      a.code = static_cast<uint8_t>(errc::cancelled);
    }
    s.second.deliver(std::move(a));
    return true;
  });
}

void job_state_actor::abort(epoch e) {
  if (!seed_.parts) {
    self_->send(seed_.home, abort_atom::value, seed_.id, e.value, uint64_t{0});
    return;
  }
  // Whether an epoch that the ledger was asked for is given up is the ledger's word: until it has
  // answered, the stores keep what they have of it.
  if (completing_) return;
  // Parts that are durable all the same do not make it one that is asked for.
  if (parts_to_commit_) *std::exchange(parts_to_commit_, nullptr) = SIZE_MAX;
  for (size_t n = 0; n < placements_.size(); ++n)
    if (has_part(n) && placements_[n].store)
      self_->send(placements_[n].store, abort_atom::value, part_key(n), e.value, seed_.token);
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
  r.tasks = reports_;
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
        if (!over_) load();
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
      [this](savepoint_atom) { return savepoint(); },
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
