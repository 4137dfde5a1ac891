// A master that begins while tasks of its job run: they go on under it. What is found is compared
// with the newest complete epoch, which is the only truth: a region goes on when all of its tasks
// run and belong to the deployment that wrote the epoch; everything else starts anew from it.
#include <algorithm>

#include "actors/job.hpp"
#include "runtime/flow/source_driver.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

// Longer than a node waits for its tasks.
constexpr auto adopt_timeout = std::chrono::seconds(5);

}  // namespace

void job_state_actor::look_for_tasks() {
  takeover_ = std::make_unique<takeover>();
  adopt_message m;
  m.job = seed_.id;
  m.token = seed_.token;
  m.master = self_;
  for (size_t n = 0; n < placements_.size(); ++n) takeover_->asked.insert(n);
  for (size_t n = 0; n < placements_.size(); ++n) {
    // Who wrote nothing of the epoch may still have tasks of an earlier master, whose epoch of this
    // number never was complete: they publish nothing, and take nothing away.
    const bool wrote = std::any_of(manifest_.parts.begin(), manifest_.parts.end(),
                                   [&](const auto& p) { return p.writer == placements_[n].id; });
    m.completed = wrote ? manifest_.number : 0;
    self_->request(placements_[n].node, adopt_timeout, m)
        .then([this, n](adopt_reply& r) { node_answered(n, std::move(r)); },
              [this, n](const caf::error&) {
                // What it runs is not known: it is fenced when it is there again.
                if (over_ || !takeover_ || !takeover_->asked.contains(n)) return;
                placements_[n].store = store_actor();
                node_answered(n, {});
              });
  }
  if (placements_.empty()) choose_tasks();
}

void job_state_actor::node_answered(size_t n, adopt_reply r) {
  if (over_ || !takeover_ || takeover_->asked.erase(n) == 0) return;
  if (!r.error.empty() && r.code == static_cast<uint8_t>(errc::cancelled)) return stop_acting();
  if (placements_[n].store)
    for (auto& t : r.tasks) takeover_->found.emplace_back(n, std::move(t));
  if (takeover_->asked.empty()) choose_tasks();
}

void job_state_actor::nodes_lost_while_taking_over() {
  if (takeover_->collecting) {
    takeover_->collecting->over = true;
    takeover_->collecting.reset();
  }
  std::erase_if(takeover_->found, [this](const auto& f) { return !placements_[f.first].store; });
  std::erase_if(takeover_->asked, [this](size_t n) { return !placements_[n].store; });
  if (takeover_->asked.empty()) choose_tasks();
}

/// Which regions go on; then what the epoch says of the others' sources.
void job_state_actor::choose_tasks() {
  auto& t = *takeover_;
  const auto& g = *seed_.graph;
  t.chosen.clear();
  for (size_t i = 0; i < t.found.size(); ++i) {
    const auto& [node, task] = t.found[i];
    if (!task.runs || task.task >= g.tasks.size()) continue;
    // It has written the part's state in the epoch; one that was opened from that has not.
    const auto& part = manifest_.parts[manifest_.tasks[task.task]];
    if (part.writer != placements_[node].id || task.store_job != seed_.id + "@" + part.name ||
        task.opened_from >= manifest_.number)
      continue;
    auto [best, first] = t.chosen.emplace(task.task, i);
    if (!first && t.found[best->second].second.attempt < task.attempt) best->second = i;
  }
  t.regions.assign(g.regions.size(), std::nullopt);
  std::set<uint32_t> lost;
  for (uint32_t r = 0; r < g.regions.size(); ++r) {
    auto attempt_of_task = [&](task_id id) -> std::optional<uint32_t> {
      auto it = t.chosen.find(id.value);
      if (it == t.chosen.end()) return std::nullopt;
      return t.found[it->second].second.attempt;
    };
    auto attempt = attempt_of_task(g.regions[r].front());
    bool whole = attempt && std::all_of(g.regions[r].begin(), g.regions[r].end(),
                                        [&](task_id id) { return attempt_of_task(id) == attempt; });
    if (whole)
      t.regions[r] = attempt_id{*attempt};
    else
      lost.insert(r);
  }
  if (lost.size() == g.regions.size()) return give_up_taking_over();
  std::set<uint32_t> lost_tasks;
  for (auto r : lost)
    for (auto id : g.regions[r]) lost_tasks.insert(id.value);
  t.collecting = collection_of(lost_tasks, true);
  if (t.collecting->parts.empty()) t.collecting->parts.push_back(0);
  if (lost.empty()) t.collecting->operators.clear();
  t.collecting->about = true;
  t.collecting->done = [this](collection& got) {
    if (!take_over(got)) give_up_taking_over();
  };
  t.collecting->missing = [this](const std::string& why) {
    log(why);
    give_up_taking_over();
  };
  collect(t.collecting);
}

bool job_state_actor::take_over(collection& got) {
  auto& t = *takeover_;
  const auto& g = *seed_.graph;
  running_job found;
  found.from.number = epoch{manifest_.number};
  found.from.split_pools = got.epoch.split_pools;
  found.regions = t.regions;
  for (const auto& [node, task] : t.found)
    found.attempt = std::max(found.attempt, attempt_id{task.attempt});
  for (const auto& [node, task] : t.found)
    found.newest = std::max(found.newest, epoch{task.newest});
  // Who runs where: as the epoch says, which is where those that go on are.
  auto indices = [this](const std::vector<int32_t>& ids) {
    std::vector<size_t> out;
    for (auto id : ids) {
      auto it = std::find_if(placements_.begin(), placements_.end(),
                             [id](const placement& p) { return p.id == id; });
      out.push_back(static_cast<size_t>(it - placements_.begin()));
      if (it != placements_.end()) continue;
      placements_.emplace_back();  // a node that is gone
      placements_.back().id = id;
      placements_.back().name = std::to_string(id);
    }
    return out;
  };
  slots_ = indices(manifest_.slots);
  source_slots_.clear();
  for (uint32_t c = 0; c < g.chains.size(); ++c) {
    auto of = manifest_.sources.find(source_id(c));
    if (of == manifest_.sources.end()) continue;
    source_slots_[c] = indices(of->second);
    if (of->second.size() != g.chains[c].parallelism) return false;
  }
  if (slots_.size() != slot_count()) return false;
  tasks_.assign(g.tasks.size(), {});
  for (const auto& task : g.tasks) tasks_[task.id.value].node = node_of(task);
  part_of_.clear();
  for (const auto& task : g.tasks)
    part_of_.push_back({node_of(task), manifest_.parts[manifest_.tasks[task.id.value]].name});
  know_copies();
  for (const auto& [id, i] : t.chosen) {
    const auto& [node, task] = t.found[i];
    if (!t.regions[g.tasks[id].region]) continue;
    if (tasks_[id].node != node) return false;
    tasks_[id].handle = task.handle;
    if (task.ended) found.ended.insert(task_id{id});
    auto op = g.chains[g.tasks[id].chain].operators.front();
    if (!std::holds_alternative<source_spec>(seed_.plan->operators[op.value].spec)) continue;
    auto& s = found.sources[task_id{id}];
    auto given = decode_splits(task.given);
    if (!given) return false;
    s = {task.handed, std::move(*given), task.newest_order, task.stream,
         task.reads,  task.waiting,      task.told_last,    task.held};
  }
  for (const auto& c : got.chunks) {
    if (c.state != source_driver::state_name) continue;
    for (uint32_t i = 0; i < seed_.plan->operators.size(); ++i) {
      if (seed_.plan->operators[i].id != c.operator_id) continue;
      auto splits = decode_splits({c.bytes.as<char>(), c.bytes.size()});
      if (!splits || c.subtask >= g.chains[g.chain_of[i]].parallelism) return false;
      found.begun[g.task_of(g.chain_of[i], c.subtask).id] = std::move(*splits);
    }
  }
  restarts_before_ = manifest_.restarts;
  commits_until_drop_ = 3;
  auto ours = std::move(takeover_);
  if (!coordinator_->taken_over(std::move(found), now())) {
    takeover_ = std::move(ours);
    return false;
  }
  std::set<size_t> adopted;
  for (const auto& [id, i] : ours->chosen)
    if (ours->regions[g.tasks[id].region]) {
      adopted.insert(i);
      self_->monitor(ours->found[i].second.handle);
    }
  for (size_t i = 0; i < ours->found.size(); ++i)
    if (!adopted.contains(i))
      self_->send_exit(ours->found[i].second.handle, caf::exit_reason::kill);
  for (const auto& e : ours->said) handle(e);
  refresh();
  // Who leads what is read: splits that come go to tasks beside them.
  if (!over_ && !survey_) survey(false, [this] { refresh(); });
  return true;
}

/// None goes on, or it cannot be told what they were doing: all tasks start anew.
void job_state_actor::give_up_taking_over() {
  auto ours = std::move(takeover_);
  for (const auto& [node, task] : ours->found)
    self_->send_exit(task.handle, caf::exit_reason::kill);
  tasks_.clear();
  std::erase_if(placements_, [](const placement& p) { return !p.store; });
  copies_.clear();
  start_all();
}

}  // namespace weir
