#include "actors/job.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/flow/source_driver.hpp"
#include "runtime/flow/split_list.hpp"
#include "runtime/flow/task_snapshot.hpp"

namespace weir {
namespace {

// Every request ends: a remote that died may never answer.
constexpr auto commit_timeout = std::chrono::seconds(120);
// How long a job that is taken up again waits for all nodes that it ran on; then fewer must do.
constexpr int64_t assembly_limit_us = 5'000'000;

}  // namespace

void job_state_actor::load() {
  // Nothing that an earlier start still waits for goes on: tasks would be deployed twice.
  load_waits_ = false;
  if (collecting_) std::exchange(collecting_, nullptr)->over = true;
  load_newest();
}

void job_state_actor::load_newest() {
  // What becomes of an epoch that is being completed has to be known first. Its answer speaks of
  // the nodes as they are numbered now: stores are told which parts to keep.
  if (completing_) return wait_to_load(waits_for_);
  placements_ = seed_.nodes();
  copies_.clear();
  tasks_.clear();
  part_of_.clear();
  slots_.clear();
  source_slots_.clear();
  survey_.reset();
  if (seed_.ledger) {
    if (std::none_of(placements_.begin(), placements_.end(),
                     [](const placement& p) { return static_cast<bool>(p.store); }))
      return wait_to_load("waits for a node that takes its tasks");
    return load_from_ledger();
  }
  place();
  self_->request(seed_.home, restore_timeout, latest_atom::value, seed_.id)
      .then([this](latest_reply& r) { restore_from(r); },
            [this](const caf::error& e) {
              coordinator_->restored(to_error(e, "the snapshot store does not answer"), now());
            });
}

void job_state_actor::load_from_ledger() {
  auto view = seed_.ledger->view();
  auto job = view->jobs.find(seed_.id);
  if (job == view->jobs.end() || job->second.token < seed_.token)
    return wait_to_load(waits_for_);  // the view is behind this tenure
  if (job->second.token > seed_.token) return stop_acting();
  const auto& text = newest_number_ > job->second.newest ? newest_manifest_ : job->second.manifest;
  manifest_ = {};
  origin_.reset();
  epochs_of_ = seed_.id;
  if (std::max(newest_number_, job->second.newest) == 0 && !job->second.origin.empty()) {
    if (begin_from_origin(job->second, *view)) learn_origin();
    return;
  }
  if (std::max(newest_number_, job->second.newest) != 0) {
    auto m = decode_job_manifest(text);
    if (!m) return coordinator_->restored(m.err(), now());
    manifest_ = std::move(*m);
    if (auto s = tell_tasks(manifest_, *seed_.plan, *seed_.graph); !s)
      return coordinator_->restored(s.err(), now());
    // A new master's first start is a restart of the job, too.
    if (newest_number_ == 0 && coordinator_->restarts() == 0)
      restarts_before_ = manifest_.restarts + (seed_.token > 1 ? 1 : 0);
  }
  // A cluster that starts again: with all its nodes the job runs as before, so they get a moment.
  if (manifest_.number != 0 && coordinator_->restarts() == 0 &&
      now() - started_at_ < assembly_limit_us && writers_are_missing())
    return wait_to_load("waits for the nodes that it ran on");
  if (!std::exchange(looked_for_tasks_, true) && manifest_.number != 0 && !manifest_.finished)
    return look_for_tasks();
  start_all();
}

/// Another job's epoch is the one that this job starts from.
bool job_state_actor::begin_from_origin(const ledger_job& job, const ledger_view& view) {
  const auto what = "savepoint " + std::to_string(job.origin_epoch) + " of job " + job.origin;
  auto from = view.jobs.find(job.origin);
  auto gone = [this, &what] {
    coordinator_->restored(error{errc::not_found, what + " is gone"}, now());
    return false;
  };
  if (from == view.jobs.end()) return gone();
  const auto& o = from->second;
  const std::string* text = nullptr;
  if (auto kept = o.savepoints.find(job.origin_epoch); kept != o.savepoints.end()) {
    text = &kept->second;
    epochs_of_ = savepoint_job(o.id, job.origin_epoch);
  } else if (has_ended(o.state) && o.newest == job.origin_epoch) {
    text = &o.manifest;
    epochs_of_ = o.id;
  }
  if (!text) return gone();
  auto m = decode_job_manifest(*text);
  if (!m) {
    coordinator_->restored(m.err().at(what), now());
    return false;
  }
  manifest_ = std::move(*m);
  return true;
}

/// Which chunks are whose is told by the plan of the job that wrote them.
void job_state_actor::learn_origin() {
  auto c = std::make_shared<collection>();
  c->parts = {0};
  c->about = true;
  c->done = [this](collection& got) {
    collecting_.reset();
    auto plan = decode_plan(std::as_bytes(std::span(got.epoch.plan)));
    if (!plan) return coordinator_->restored(plan.err().at("the savepoint's plan"), now());
    auto graph = build_task_graph(*plan);
    if (!graph) return coordinator_->restored(graph.err().at("the savepoint's plan"), now());
    if (auto s = tell_tasks(manifest_, *plan, *graph); !s)
      return coordinator_->restored(s.err().at("the savepoint"), now());
    origin_.emplace(origin{std::move(*plan), std::move(*graph)});
    start_all();
  };
  c->missing = [this](const std::string& why) {
    collecting_.reset();
    wait_to_load(why);
  };
  if (manifest_.parts.empty())
    return coordinator_->restored(error{errc::corrupt, "the savepoint has no parts"}, now());
  collecting_ = c;
  collect(c);
}

/// All tasks anew, from the manifest's epoch: what still runs of them ends.
void job_state_actor::start_all() {
  survey(true, [this] { start_placed(); });
}

void job_state_actor::start_placed() {
  part_of_.clear();
  place();
  know_copies();
  for (const auto& p : placements_)
    if (p.store)
      self_->send(p.node, fence_atom::value, seed_.id, seed_.token,
                  coordinator_->whole_attempt().value);
  if (manifest_.number == 0) {
    latest_reply nothing;
    return restore_from(nothing);
  }
  std::set<uint32_t> all;
  for (const auto& t : seed_.graph->tasks) all.insert(t.id.value);
  auto c = collection_of(all, false);
  c->about = true;
  c->done = [this](collection& got) {
    collecting_.reset();
    waits_for_.clear();
    collected_ = std::move(got.chunks);
    auto& r = got.epoch;
    for (const auto& [id, pool] : r.split_pools)
      for (const auto& chunk : collected_)
        if (chunk.operator_id == id && chunk.state == source_driver::state_name)
          r.begun_splits[id].append(chunk.bytes.as<char>(), chunk.bytes.size());
    restore_from(r);
  };
  c->missing = [this](const std::string& why) {
    collecting_.reset();
    wait_to_load(why);
  };
  collecting_ = c;
  resume(c);
}

bool job_state_actor::writers_are_missing() const {
  auto view = seed_.ledger->view();
  return std::any_of(manifest_.parts.begin(), manifest_.parts.end(), [&](const auto& part) {
    // Those that the ledger has given up are not waited for.
    auto node = view->nodes.find(part.writer);
    if (node == view->nodes.end() || !node->second.alive) return false;
    return std::none_of(placements_.begin(), placements_.end(),
                        [&](const placement& p) { return p.id == part.writer && p.store; });
  });
}

void job_state_actor::wait_to_load(std::string why) {
  if (waits_for_ != why) log(why);
  waits_for_ = std::move(why);
  load_waits_ = true;
  self_->delayed_send(self_, load_retry_interval, load_atom::value);
}

// -- collecting ------------------------------------------------------------------------------

void job_state_actor::collect(const std::shared_ptr<collection>& c) {
  c->left = c->parts.size();
  if (c->left == 0) return c->done(*c);
  for (size_t i = 0; i < c->parts.size(); ++i) collect_part(c, i, 0);
}

/// From the node that wrote the part, or from whoever has its copy: the first that answers with
/// it. Those who should have it are asked first.
void job_state_actor::collect_part(const std::shared_ptr<collection>& c, size_t i, size_t from) {
  const auto& part = manifest_.parts[c->parts[i]];
  auto order = asking_order(part);
  if (from >= order.size()) {
    c->over = true;
    return c->missing("waits for a node that has part " + part.name + " of epoch " +
                      std::to_string(manifest_.number) + ", or its copy");
  }
  load_message m;
  m.job = epochs_of_ + "@" + part.name;
  m.number = manifest_.epoch_of();
  m.about = c->about && i == 0;
  m.checked = true;
  // Of no key group: all; and what is keyed of tasks that it is brought to.
  m.tasks.push_back({0, c->operators, 0, 0});
  if (c->keyed && origin_) m.tasks.front().group_end = origin_->plan.key_groups;
  if (c->keyed && !origin_)
    for (auto t : c->tasks)
      if (manifest_.tasks[t] == c->parts[i] && !resumed_.contains(t))
        m.tasks.push_back(keyed_state_of(t));
  self_->request(placements_[order[from]].store, restore_timeout, std::move(m))
      .then(
          [this, c, i, from](load_reply& reply) {
            if (c->over || over_) return;
            if (!reply.error.empty() || reply.chunks.empty()) return collect_part(c, i, from + 1);
            if (c->about && i == 0 && !describe_from(c->epoch, reply.about))
              return collect_part(c, i, from + 1);
            // The first list has all that is of no key group.
            for (auto& list : reply.chunks)
              for (auto& chunk : list)
                if ((&list == &reply.chunks.front() || chunk.key_group != no_key_group) &&
                    is_wanted(*c, c->parts[i], chunk))
                  c->chunks.push_back(std::move(chunk));
            if (--c->left == 0) c->done(*c);
          },
          [this, c, i, from](const caf::error&) {
            if (!c->over && !over_) collect_part(c, i, from + 1);
          });
}

/// A part may have old chunks of tasks that went on elsewhere since.
bool job_state_actor::is_wanted(const collection& c, size_t part, const state_chunk& chunk) const {
  const auto t = task_of(chunk);
  return t && manifest_.tasks[*t] == part && (origin_ || c.tasks.contains(*t));
}

/// Of the task that wrote it; nothing for an operator that the plan has not.
std::optional<uint32_t> job_state_actor::task_of(const state_chunk& chunk) const {
  const auto& p = origin_ ? origin_->plan : *seed_.plan;
  const auto& g = origin_ ? origin_->graph : *seed_.graph;
  auto in_chain = [&](uint32_t chain) -> std::optional<uint32_t> {
    const auto& c = g.chains[chain];
    uint32_t subtask = chunk.key_group == no_key_group
                           ? chunk.subtask
                           : subtask_of_group(p.key_groups, c.parallelism, chunk.key_group);
    if (subtask >= c.parallelism) return std::nullopt;
    return g.task_of(chain, subtask).id.value;
  };
  for (uint32_t i = 0; i < p.operators.size(); ++i)
    if (p.operators[i].id == chunk.operator_id) return in_chain(g.chain_of[i]);
  auto keys = edge_keys(p);
  for (size_t e = 0; e < keys.size(); ++e) {
    if (edge_state_id(keys[e]) != chunk.operator_id) continue;
    const auto& edge = p.edges[e];
    auto end = chunk.state == task_snapshot::incoming_state ? edge.to : edge.from;
    return in_chain(g.chain_of[end.value]);
  }
  return std::nullopt;
}

/// What the ledger's manifest leaves out; false when it is of something else.
bool job_state_actor::describe_from(latest_reply& r, latest_reply& about) {
  if (checksum_of_pools(about.split_pools) != manifest_.pools) return false;
  r = std::move(about);
  r.begun_splits.clear();  // the parts have them all
  r.found = true;
  r.number = manifest_.number;
  return true;
}

std::vector<size_t> job_state_actor::asking_order(const job_manifest::part& p) const {
  std::vector<size_t> order;
  for (size_t n = 0; n < placements_.size(); ++n)
    if (placements_[n].store) order.push_back(n);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    auto rank = [&](size_t n) {
      int32_t id = placements_[n].id;
      return lacking_.contains({id, p.name}) ? 3 : asking_rank(id, p.writer, p.copy);
    };
    return rank(a) < rank(b);
  });
  return order;
}

/// For tasks that start: the chunks that these have in the newest epoch.
std::shared_ptr<job_state_actor::collection> job_state_actor::collection_of(
    const std::set<uint32_t>& tasks, bool only_sources) const {
  auto c = std::make_shared<collection>();
  c->tasks = tasks;
  c->keyed = !only_sources;
  std::set<std::string> ids;
  std::set<size_t> parts;
  // Of another job that it starts from, all: its tasks were others.
  const auto& plan = origin_ ? origin_->plan : *seed_.plan;
  const auto& graph = origin_ ? origin_->graph : *seed_.graph;
  const auto keys = edge_keys(plan);
  for (const auto& t : graph.tasks) {
    if (!origin_ && !tasks.contains(t.id.value)) continue;
    parts.insert(manifest_.tasks[t.id.value]);
    const auto& chain = graph.chains[t.chain];
    for (auto op : chain.operators) {
      const auto& node = plan.operators[op.value];
      if (!only_sources || std::holds_alternative<source_spec>(node.spec)) ids.insert(node.id);
    }
    if (only_sources) continue;
    for (auto e : chain.out_edges) ids.insert(edge_state_id(keys[e]));
    for (auto e : chain.in_edges) ids.insert(edge_state_id(keys[e]));
  }
  c->operators.assign(ids.begin(), ids.end());
  c->parts.assign(parts.begin(), parts.end());
  return c;
}

/// Where tasks that start go on with the part: beside others of it, which run or start, too; else
/// where its writer, or the holder of its copy, is to run some of them.
std::optional<size_t> job_state_actor::home_of(size_t part,
                                               const std::set<uint32_t>& starting) const {
  const auto& p = manifest_.parts[part];
  for (uint32_t t = 0; t < tasks_.size(); ++t) {
    if (starting.contains(t) || !placements_[tasks_[t].node].store) continue;
    const auto resumed = resumed_.find(t);
    if (resumed != resumed_.end() ? resumed->second == part
                                  : tasks_[t].handle && part_of_[t].name == p.name)
      return tasks_[t].node;
  }
  for (auto id : {p.writer, p.copy})
    for (auto t : starting) {
      const auto n = node_of(seed_.graph->tasks[t]);
      if (manifest_.tasks[t] == part && placements_[n].id == id && placements_[n].store &&
          !lacking_.contains({id, p.name}))
        return n;
    }
  return std::nullopt;
}

/// Which tasks go on with their parts where these are; then collects the rest. A large state is not
/// moved that way: tasks read it from their own node's store.
void job_state_actor::resume(const std::shared_ptr<collection>& c) {
  for (auto t : c->tasks) resumed_.erase(t);
  std::map<size_t, size_t> homes;  // by part, placement
  if (!origin_ && epochs_of_ == seed_.id)
    for (auto t : c->tasks) {
      const auto part = manifest_.tasks[t];
      auto home = homes.find(part);
      if (home == homes.end()) {
        const auto n = home_of(part, c->tasks);
        home = homes.emplace(part, n ? *n : placements_.size()).first;
      }
      if (home->second == node_of(seed_.graph->tasks[t])) resumed_[t] = part;
    }
  std::erase_if(homes, [this, &c](const auto& h) {
    return std::none_of(c->tasks.begin(), c->tasks.end(), [this, &h](uint32_t t) {
      const auto r = resumed_.find(t);
      return r != resumed_.end() && r->second == h.first;
    });
  });
  if (homes.empty()) return collect(c);
  struct asking {
    size_t left = 0;
    bool again = false;
  };
  auto asked = std::make_shared<asking>();
  asked->left = homes.size();
  auto answered = [this, c, asked](size_t n, const std::string& part, const std::string& problem) {
    if (c->over || over_) return;
    if (!problem.empty()) {
      log("node " + placements_[n].name + ": " + problem);
      lacking_.emplace(placements_[n].id, part);
      asked->again = true;
    }
    if (--asked->left != 0) return;
    if (asked->again)
      resume(c);
    else
      collect(c);
  };
  for (const auto& [part, n] : homes) {
    const auto& part_name = manifest_.parts[part].name;
    self_
        ->request(placements_[n].store, restore_timeout, resume_atom::value,
                  seed_.id + "@" + part_name, manifest_.epoch_of(), seed_.token)
        .then(
            [this, answered, n = n, part_name](const operation_reply& r) {
              if (!r.error.empty() && r.code == static_cast<uint8_t>(errc::cancelled))
                return stop_acting();
              answered(n, part_name, r.error);
            },
            [answered, n = n, part_name](const caf::error& e) {
              answered(n, part_name, "the snapshot store does not answer: " + caf::to_string(e));
            });
  }
}

// -- parts -----------------------------------------------------------------------------------

/// What tasks write to: each is a part of the epochs.
std::set<job_state_actor::live_part> job_state_actor::parts() const {
  return {part_of_.begin(), part_of_.end()};
}

std::string job_state_actor::part_key(const live_part& p) const {
  return seed_.id + "@" + p.name;
}

/// Tasks that do not go on with the parts that they had have new ones from now on, which begin with
/// what was collected: what they left elsewhere belongs to the epochs so far only.
void job_state_actor::start_parts(const std::vector<uint32_t>& tasks, attempt_id attempt,
                                  const std::vector<state_chunk>& from) {
  const auto suffix = "." + std::to_string(coordinator_->completed().value) + "." +
                      std::to_string(seed_.token) + "-" + std::to_string(attempt.value);
  part_of_.resize(seed_.graph->tasks.size());
  commits_until_drop_ = 3;
  std::map<live_part, seed_message> seeds;
  for (auto t : tasks) {
    const auto n = node_of(seed_.graph->tasks[t]);
    if (auto part = resumed_.find(t); part != resumed_.end()) {
      part_of_[t] = {n, manifest_.parts[part->second].name};
    } else {
      part_of_[t] = {n, std::to_string(placements_[n].id) + suffix};
      seeds[part_of_[t]];
    }
  }
  for (const auto& c : from) {
    if (c.key_group == no_key_group || changed_.contains(c.operator_id)) continue;
    for (uint32_t i = 0; i < seed_.plan->operators.size(); ++i) {
      if (seed_.plan->operators[i].id != c.operator_id) continue;
      uint32_t chain = seed_.graph->chain_of[i];
      uint32_t owner = subtask_of_group(seed_.plan->key_groups,
                                        seed_.graph->chains[chain].parallelism, c.key_group);
      // A job that it starts from is collected as a whole.
      if (auto seed = seeds.find(part_of_[seed_.graph->task_of(chain, owner).id.value]);
          seed != seeds.end())
        seed->second.chunks.push_back(c);
    }
  }
  for (auto& [part, m] : seeds) {
    m.job = part_key(part);
    m.copies = copies_of(part.node);
    m.token = seed_.token;
    self_->send(placements_[part.node].store, std::move(m));
  }
}

void job_state_actor::begin_epoch(epoch e) {
  if (!seed_.ledger) {
    self_->send(seed_.home, begin_message{seed_.id, e.value, 0, 0, {}});
    return;
  }
  copies_begun_.clear();
  const auto newest = coordinator_->completed().value;
  const agreed_epoch completed{newest, newest == manifest_.number ? manifest_.tenure : 0};
  for (const auto& p : parts()) {
    const auto copy = copy_of(p.node);
    copies_begun_[p.node] = copy ? placements_[*copy].id : -1;
    self_->send(placements_[p.node].store,
                begin_message{part_key(p), e.value, completed, seed_.token, copies_of(p.node)});
  }
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
  if (!seed_.ledger) return commit_home(std::move(m));
  // Every part with its copy first, then the word of the ledger.
  m.token = seed_.token;
  auto all = parts();
  auto left = parts_to_commit_ = std::make_shared<size_t>(all.size());
  job_manifest about;
  about.number = e.value;
  about.tenure = seed_.token;
  about.restarts = restarts_before_ + coordinator_->restarts();
  about.finished = m.finished;
  about.fingerprint = m.fingerprint;
  about.pools = checksum_of_pools(m.split_pools);
  for (size_t n : slots_) about.slots.push_back(placements_[n].id);
  for (const auto& [chain, nodes] : source_slots_) {
    auto& list = about.sources[source_id(chain)];
    for (size_t n : nodes) list.push_back(placements_[n].id);
  }
  for (const auto& p : all) {
    // Who was to have it when the epoch began; another one has nothing of it.
    const auto copy = copies_begun_.find(p.node);
    about.parts.push_back(
        {p.name, placements_[p.node].id, copy == copies_begun_.end() ? -1 : copy->second});
  }
  for (const auto& p : part_of_)
    about.tasks.push_back(static_cast<uint32_t>(std::distance(all.begin(), all.find(p))));
  auto manifest = encode_job_manifest(about);
  for (const auto& p : all) {
    m.job = part_key(p);
    auto failed = [this, left, e](error why) {
      if (std::exchange(*left, SIZE_MAX) == SIZE_MAX || over_) return;
      coordinator_->commit_failed(e, why, now());
      // The store does not have what its tasks' changes are changes of: the copy may.
      if (why.code == errc::not_found)
        coordinator_->node_lost(coordinator_->whole_attempt(), std::move(why), now());
    };
    self_->request(placements_[p.node].store, commit_timeout, m)
        .then(
            [this, left, e, failed, manifest](const operation_reply& r) {
              if (!r.error.empty() && r.code == static_cast<uint8_t>(errc::cancelled))
                return stop_acting();
              if (!r.error.empty()) return failed({static_cast<errc>(r.code), r.error});
              if (*left == SIZE_MAX || --*left != 0 || over_) return;
              complete_in_ledger(e, manifest);
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
            if (r.error.empty())
              coordinator_->committed(e, now());
            else
              coordinator_->commit_failed(e, {static_cast<errc>(r.code), r.error}, now());
          },
          [this, e](const caf::error& err) {
            if (!over_)
              coordinator_->commit_failed(e, to_error(err, "the snapshot store does not answer"),
                                          now());
          });
}

/// Once every kept epoch is of the present parts.
void job_state_actor::drop_old_parts() {
  if (commits_until_drop_ == 0 || --commits_until_drop_ != 0) return;
  for (const auto& p : placements_)
    if (p.store) drop_old_parts_of(p);
}

/// Whoever had a part before, and has neither it nor its copy now, does not need it.
void job_state_actor::drop_old_parts_of(const placement& at) {
  std::vector<std::string> needed;
  for (const auto& p : manifest_.parts)
    if (p.writer == at.id || p.copy == at.id) needed.push_back(p.name);
  for (const auto& p : parts())
    if (auto copy = copies_.find(p.node);
        placements_[p.node].id == at.id || (copy != copies_.end() && copy->second == at.id))
      needed.push_back(p.name);
  self_->send(at.store, keep_atom::value, seed_.id, std::move(needed), seed_.token);
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
  manifest_ = std::move(*decode_job_manifest(manifest));
  origin_.reset();
  epochs_of_ = seed_.id;
  changed_.clear();
  resumed_.clear();
  lacking_.clear();
  const bool drops = commits_until_drop_ == 1;
  drop_old_parts();
  coordinator_->committed(e, now());
  answer_savepoints();
  // Nodes that came while the job was starting are looked at once it stands.
  if (drops) refresh();
}

/// Every store that has a part of the newest epoch sets it aside, then the ledger remembers it.
void job_state_actor::keep_savepoint(askers promises) {
  auto k = std::make_shared<keeping>();
  k->number = manifest_.number;
  k->manifest = encode_job_manifest(manifest_);
  k->promises = std::move(promises);
  k->kept.resize(manifest_.parts.size());
  std::vector<std::pair<size_t, size_t>> asked;  // part, placement
  for (size_t i = 0; i < manifest_.parts.size(); ++i)
    for (size_t n = 0; n < placements_.size(); ++n) {
      const auto& p = placements_[n];
      if (p.store && (p.id == manifest_.parts[i].writer || p.id == manifest_.parts[i].copy)) {
        asked.emplace_back(i, n);
        k->stores.push_back(p.store);
      }
    }
  k->left = asked.size();
  auto one_less = [this, k] {
    if (--k->left != 0) return;
    if (std::find(k->kept.begin(), k->kept.end(), 0u) == k->kept.end()) return note_savepoint(k);
    fail_savepoint(*k, {errc::timeout, "epoch " + std::to_string(k->number) +
                                           " cannot be kept: " + k->problem + "; try again"});
  };
  if (asked.empty()) {
    k->left = 1;
    k->problem = "no node has its parts at the moment";
    return one_less();
  }
  for (auto [part, node] : asked)
    self_
        ->request(placements_[node].store, commit_timeout, pin_atom::value,
                  seed_.id + "@" + manifest_.parts[part].name, manifest_.epoch_of(), seed_.token)
        .then(
            [k, one_less, part = part](const operation_reply& reply) {
              if (reply.error.empty())
                ++k->kept[part];
              else
                k->problem = reply.error;
              one_less();
            },
            [k, one_less](const caf::error& e) {
              k->problem = "a snapshot store does not answer: " + caf::to_string(e);
              one_less();
            });
}

void job_state_actor::note_savepoint(const std::shared_ptr<keeping>& k) {
  auto me = caf::actor_cast<job_actor>(self_);
  auto noted = [this, k](const status& s) {
    if (!s && s.err().code == errc::timeout && !over_) {
      self_->delayed_send(self_, load_retry_interval,
                          call_message{[this, k] { note_savepoint(k); }});
      return;
    }
    if (!s) return fail_savepoint(*k, s.err());
    job_answer a;
    a.epoch = k->number;
    for (auto& p : k->promises) p.deliver(a);
  };
  seed_.ledger->keep_savepoint(
      seed_.id, seed_.token, k->number, k->manifest,
      [me, noted](status s) { caf::anon_send(me, call_message{[noted, s] { noted(s); }}); });
}

void job_state_actor::fail_savepoint(keeping& k, const error& why) {
  // What some stores have set aside is of no use. After a tenure, or when it is not known whether
  // it is noted, the keepers see to it.
  if (why.code != errc::cancelled && !over_)
    for (const auto& store : k.stores)
      self_->send(store, keep_atom::value, savepoint_job(seed_.id, k.number),
                  std::vector<std::string>(), uint64_t{0});
  job_answer a;
  a.epoch = k.number;
  a.error = why.message;
  a.code = static_cast<uint8_t>(why.code);
  for (auto& p : k.promises) p.deliver(a);
}

bool job_state_actor::may_give_up(epoch) {
  return seed_.ledger && !completing_;
}

void job_state_actor::abort(epoch e) {
  if (!seed_.ledger) {
    self_->send(seed_.home, abort_atom::value, seed_.id, e.value, uint64_t{0});
    return;
  }
  // Whether an epoch that the ledger was asked for is given up is the ledger's word: until it has
  // answered, the stores keep what they have of it.
  if (completing_) return;
  // Parts that are durable all the same do not make it one that is asked for.
  if (parts_to_commit_) *std::exchange(parts_to_commit_, nullptr) = SIZE_MAX;
  for (const auto& p : parts())
    if (placements_[p.node].store)
      self_->send(placements_[p.node].store, abort_atom::value, part_key(p), e.value, seed_.token);
}

}  // namespace weir
