// The coordinator's side of the simulated world: deployments, the store, enumerators.
#include <algorithm>

#include "runtime/flow/split_list.hpp"
#include "runtime/flow/task_builder.hpp"
#include "tests/flow/sim_host.hpp"

namespace weir::sim {

restored_job world::restored_state() const {
  restored_job r;
  const auto& [number, stored] = *store_.rbegin();
  r.number = epoch{number};
  r.finished = stored.summary.finished;
  r.split_pools = stored.summary.split_pools;
  for (const auto& c : stored.chunks) {
    if (c.state != source_driver::state_name) continue;
    auto splits = decode_splits({c.bytes.as<char>(), c.bytes.size()});
    weir_assert(splits.ok(), "the simulation stores what it was given");
    auto& begun = r.begun[c.operator_id];
    std::move(splits->begin(), splits->end(), std::back_inserter(begun));
  }
  return r;
}

void world::load() {
  at_master(now() + outside_.random.between(0, options_.delay_max_us),
            [this, attempt = coordinator_->attempt()] {
              if (attempt != coordinator_->attempt())
                return;  // a node was lost meanwhile: loaded again
              if (std::exchange(may_take_over_, false) && take_over()) return;
              master_is_away_ = false;
              if (store_.empty())
                coordinator_->restored(std::optional<restored_job>(), now());
              else
                coordinator_->restored(std::optional(restored_state()), now());
            });
}

world::chunk_list world::chunks_for(const task& t, uint64_t number) const {
  if (number == 0) return {};
  const auto& chain = graph_.chains[t.chain];
  auto range = range_of_subtask(plan_.key_groups, chain.parallelism, t.subtask);
  std::set<std::string> wanted;
  for (auto op : chain.operators) wanted.insert(plan_.operators[op.value].id);
  auto keys = edge_keys(plan_);
  for (auto e : chain.out_edges) wanted.insert(edge_state_id(keys[e]));
  chunk_list found;
  for (const auto& c : store_.at(number).chunks)
    if (wanted.contains(c.operator_id) &&
        (c.key_group == no_key_group || range.contains(c.key_group)))
      found.push_back(c);
  return found;
}

void world::deploy(attempt_id attempt, const std::vector<task_id>& which) {
  bool whole = which.size() == graph_.tasks.size();
  if (!whole) ++regions_restarted_;
  if (whole) deployed_from_ = coordinator_->completed();
  tasks_.resize(graph_.tasks.size());
  std::map<task_id, std::vector<source_split>> begun;
  for (auto id : which) {
    const auto& t = graph_.tasks[id.value];
    for (auto c : t.inputs) use_.erase(c.value);
    auto& host_of = tasks_[id.value] = std::make_unique<host>(*this, t);
    host_of->attempt_ = attempt;
    host_of->opened_from_ = coordinator_->completed();
    auto chunks = chunks_for(t, coordinator_->completed().value);
    for (const auto& c : chunks)
      if (!whole && c.state == source_driver::state_name && c.subtask == t.subtask)
        begun[id] = *decode_splits({c.bytes.as<char>(), c.bytes.size()});
    host_of->task_->open(std::move(chunks), coordinator_->completed() != epoch{});
    host_of->runnable_ = true;
  }
  at_master(now() + outside_.random.between(0, options_.delay_max_us),
            [this, attempt, begun = std::move(begun)]() mutable {
              coordinator_->deployed(attempt, std::move(begun), now());
            });
}

void world::kill(const std::vector<task_id>& which) {
  for (auto id : which) {
    if (id.value < tasks_.size()) tasks_[id.value].reset();
    // What these tasks have said or are told is void.
    std::erase_if(queues_, [id](const auto& q) {
      return q.first.first == id.value || q.first.second == id.value;
    });
  }
}

void world::begin_epoch(epoch e) {
  staged_[e.value].clear();
  epoch_began_ = now();
}

void world::trigger(task_id t, epoch e, epoch completed) {
  weir_assert(tasks_[t.value] != nullptr, "an epoch begins when all tasks live");
  post(master, t.value, [this, t, e, completed] {
    tasks_[t.value]->task_->trigger(e, completed);
    tasks_[t.value]->runnable_ = true;
  });
}

/// As the store does it: a blob replaces its subtask's, an epoch's full chunks replace the group's,
/// and subtasks beyond an operator's parallelism are dropped.
world::chunk_list world::folded(chunk_list staged) const {
  std::map<std::string, uint32_t> parallelism;
  for (uint32_t i = 0; i < plan_.operators.size(); ++i)
    parallelism[plan_.operators[i].id] = plan_.parallelism_of(operator_index{i});
  auto keys = edge_keys(plan_);
  for (size_t e = 0; e < keys.size(); ++e)
    parallelism[edge_state_id(keys[e])] = std::max(plan_.parallelism_of(plan_.edges[e].from),
                                                   plan_.parallelism_of(plan_.edges[e].to));
  std::set<std::tuple<std::string, std::string, uint32_t, uint32_t>> replaced;
  auto address = [](const state_chunk& c) {
    return std::tuple(c.operator_id, c.state, c.key_group,
                      c.key_group == no_key_group ? c.subtask : 0);
  };
  for (const auto& c : staged)
    if (c.kind != chunk_kind::delta) replaced.insert(address(c));
  chunk_list all;
  if (!store_.empty())
    for (const auto& c : store_.rbegin()->second.chunks)
      if (!replaced.contains(address(c)) &&
          (c.key_group != no_key_group || c.subtask < parallelism[c.operator_id]))
        all.push_back(c);
  std::move(staged.begin(), staged.end(), std::back_inserter(all));
  return all;
}

void world::commit(epoch_summary s) {
  longest_epoch_us_ = std::max(longest_epoch_us_, now() - epoch_began_);
  auto took = outside_.random.between(0, options_.slow_store ? 300'000 : 2'000);
  bool fails = options_.commit_failures_in && outside_.random.one_in(options_.commit_failures_in);
  at_master(now() + took, [this, s = std::move(s), fails]() mutable {
    epoch e = s.number;
    auto staged = staged_.find(e.value);
    if (staged == staged_.end()) return;  // aborted before the store came to it
    auto all = folded(std::move(staged->second));
    staged_.erase(staged);
    if (!fails) {
      store_[e.value] = {std::move(all), std::move(s)};
      if (store_.size() > 3) store_.erase(store_.begin());
      ++epochs_committed_;
    }
    // The answer takes its time: a failure in between finds the epoch durable but not
    // announced.
    at_master(now() + outside_.random.between(0, options_.delay_max_us), [this, e, fails] {
      if (fails)
        coordinator_->commit_failed(e, {errc::no_space, "simulated"}, now());
      else
        coordinator_->committed(e, now());
    });
  });
}

bool world::may_give_up(epoch e) {
  return staged_.contains(e.value);  // the store has not come to it
}

void world::abort(epoch e) {
  staged_.erase(e.value);
}

void world::tell_complete(epoch e) {
  for (uint32_t i = 0; i < tasks_.size(); ++i)
    if (tasks_[i])
      post(master, i, [this, i, e] {
        tasks_[i]->task_->epoch_complete(e);
        tasks_[i]->runnable_ = true;
      });
}

void world::tell_aborted(epoch e) {
  for (uint32_t i = 0; i < tasks_.size(); ++i)
    if (tasks_[i])
      post(master, i, [this, i, e] {
        tasks_[i]->task_->epoch_aborted(e);
        tasks_[i]->runnable_ = true;
      });
}

void world::assign(task_id t, split_pool::assignment a) {
  if (!tasks_[t.value]) return;
  post(master, t.value, [this, t, a = std::move(a)]() mutable {
    tasks_[t.value]->task_->add_splits(std::move(a.splits), a.last, a.hold);
    tasks_[t.value]->runnable_ = true;
  });
}

void world::release_watermark(task_id t) {
  if (!tasks_[t.value]) return;
  post(master, t.value, [this, t] {
    tasks_[t.value]->task_->hold_watermark(false);
    tasks_[t.value]->runnable_ = true;
  });
}

void world::discover(operator_index op, std::vector<std::string>) {
  at_master(now() + outside_.random.between(0, 150'000),
            [this, op, attempt = coordinator_->whole_attempt()] {
              if (attempt != coordinator_->whole_attempt()) return;
              auto& content = outside_.sources.at(plan_.operators[op.value].id);
              discovery d;
              content.waves_found = std::min(content.waves, content.waves_found + 1);
              d.bounded = content.waves_found == content.waves;
              for (const auto& s : content.splits)
                if (s.wave < content.waves_found)
                  d.splits.push_back({s.id, s.ordered_by, "", 1, 0});
              coordinator_->discovered(op, std::move(d), now());
            });
}

}  // namespace weir::sim
