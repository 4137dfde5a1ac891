#include "actors/job.hpp"

#include <algorithm>

#include "runtime/column/text.hpp"
#include "runtime/connectors/kafka/settings.hpp"

namespace weir {
namespace {

// A node that does not say by then how loaded it is counts as idle.
constexpr auto survey_timeout = std::chrono::seconds(1);

bool is_same_connection(const placement& a, const placement& b) {
  return a.id == b.id && a.node == b.node && a.connection == b.connection;
}

}  // namespace

const std::string& job_state_actor::source_id(uint32_t chain) const {
  return seed_.plan->operators[seed_.graph->chains[chain].operators.front().value].id;
}

/// Topics of this cluster that the chain's source reads by their names; none: it is placed like
/// others. Rows that leave it without an exchange keep it with those that get them.
std::vector<std::string> job_state_actor::topics_of(uint32_t chain) const {
  const auto& c = seed_.graph->chains[chain];
  const auto* s = std::get_if<source_spec>(&seed_.plan->operators[c.operators.front().value].spec);
  if (!s || s->connector != "topic" || s->options.contains("bootstrap")) return {};
  for (auto e : c.out_edges)
    if (seed_.plan->edges[e].exchange == exchange_kind::forward) return {};
  auto settings = kafka_source_settings_of(s->options);
  return settings ? settings->topics : std::vector<std::string>();
}

/// Of all partitions that the chain's source reads, as far as they are known.
std::vector<int32_t> job_state_actor::leaders_of(uint32_t chain) const {
  std::vector<int32_t> leaders;
  for (const auto& topic : topics_of(chain))
    if (auto known = leaders_.find(topic); known != leaders_.end())
      leaders.insert(leaders.end(), known->second.begin(), known->second.end());
  return leaders;
}

/// Who leads the partition that the split is; -1: nobody knows.
int32_t job_state_actor::leader_of(const std::string& split_id) const {
  auto slash = split_id.rfind('/');
  if (slash == std::string::npos) return -1;
  auto topic = leaders_.find(split_id.substr(0, slash));
  auto number = parse_int32(std::string_view(split_id).substr(slash + 1));
  if (topic == leaders_.end() || !number || *number < 0 ||
      static_cast<size_t>(*number) >= topic->second.size())
    return -1;
  return topic->second[static_cast<size_t>(*number)];
}

bool job_state_actor::is_near(task_id t, const source_split& s) {
  auto leader = leader_of(s.id);
  return leader >= 0 && t.value < tasks_.size() && placements_[tasks_[t.value].node].id == leader;
}

/// Asks the nodes how they are, and the ledger who leads what is read; `then` when all have
/// answered or taken too long.
void job_state_actor::survey(bool to_start, std::function<void()> then) {
  auto s = survey_ = std::make_shared<surveyed>();
  s->to_start = to_start;
  s->left = 1;
  auto one_less = [this, s, then] {
    if (--s->left != 0 || survey_ != s || over_) return;
    survey_.reset();
    surveyed_nodes_ = std::move(s->nodes);
    then();
  };
  s->nodes.resize(placements_.size());
  for (size_t n = 0; n < placements_.size(); ++n) {
    if (!placements_[n].store) continue;
    ++s->left;
    self_->request(placements_[n].node, survey_timeout, load_atom::value, seed_.id)
        .then(
            [s, n, one_less](uint32_t cpus, uint64_t memory, uint32_t tasks) {
              s->nodes[n].cpus = cpus;
              s->nodes[n].memory = memory;
              s->nodes[n].tasks = tasks;
              one_less();
            },
            [one_less](const caf::error&) { one_less(); });  // it counts as idle
  }
  auto me = caf::actor_cast<job_actor>(self_);
  std::set<std::string> topics;
  for (uint32_t c = 0; c < seed_.graph->chains.size(); ++c)
    for (auto& t : topics_of(c)) topics.insert(std::move(t));
  for (const auto& topic : topics) {
    ++s->left;
    seed_.ledger->partition_leaders(
        topic, [this, me, topic, one_less](std::vector<int32_t> leaders) {
          caf::anon_send(me, call_message{[this, topic, one_less, found = std::move(leaders)] {
                           leaders_[topic] = found;
                           one_less();
                         }});
        });
  }
  one_less();
}

/// How many slots there are: subtask i of each chain that is not placed by itself is on the node of
/// slot i, so that rows that need no exchange stay on their node.
uint32_t job_state_actor::slot_count() const {
  uint32_t widest = 0;
  for (uint32_t c = 0; c < seed_.graph->chains.size(); ++c)
    if (!source_slots_.contains(c)) widest = std::max(widest, seed_.graph->chains[c].parallelism);
  return widest;
}

/// Which node runs which tasks. What the last placement had stays, as far as it is balanced.
void job_state_actor::place() {
  auto nodes = surveyed_nodes_;
  nodes.resize(placements_.size());
  bool any = false;
  for (size_t n = 0; n < nodes.size(); ++n) {
    nodes[n].id = placements_[n].id;
    nodes[n].usable = placements_[n].store && !placements_[n].draining;
    any |= nodes[n].usable;
  }
  // Nodes that drain are better than none.
  for (size_t n = 0; n < nodes.size() && !any; ++n)
    nodes[n].usable = static_cast<bool>(placements_[n].store);
  why_there_.clear();
  place_sources(nodes);
  std::set<std::pair<int32_t, int32_t>> copies;
  for (const auto& p : manifest_.parts)
    if (p.copy >= 0) copies.emplace(p.writer, p.copy);
  // Jobs that are narrower than the cluster do not all begin with the same node.
  size_t first = seed_.ledger ? std::hash<std::string>{}(seed_.id) : 0;
  auto placed = placing::place_slots(nodes, slot_count(), manifest_.slots,
                                     {copies.begin(), copies.end()}, first);
  slots_.assign(slot_count(), 0);
  for (size_t s = 0; s < placed.size(); ++s) slots_[s] = placed[s].node;
  for (const auto& t : seed_.graph->tasks)
    if (!source_slots_.contains(t.chain) && t.subtask < placed.size())
      why_there_[t.id.value] = placed[t.subtask].why;
}

void job_state_actor::place_sources(const std::vector<placing::node>& nodes) {
  source_slots_.clear();
  for (uint32_t c = 0; c < seed_.graph->chains.size(); ++c) {
    const auto leaders = leaders_of(c);
    if (leaders.empty()) continue;
    auto before = manifest_.sources.find(source_id(c));
    auto placed = placing::place_beside(
        nodes, seed_.graph->chains[c].parallelism, leaders,
        before == manifest_.sources.end() ? std::vector<int32_t>() : before->second);
    if (placed.empty()) continue;
    auto& own = source_slots_[c];
    for (uint32_t i = 0; i < placed.size(); ++i) {
      own.push_back(placed[i].node);
      why_there_[seed_.graph->task_of(c, i).id.value] = placed[i].why;
    }
  }
}

/// Places anew what is on nodes that drain, or too much on some while others have nothing.
std::optional<std::set<uint32_t>> job_state_actor::regions_to_move() {
  if (!seed_.ledger) return std::nullopt;
  if (placements_.empty()) return std::set<uint32_t>();  // it waits for a node
  place();
  // Copies leave a node that drains, too: the next epoch begins with whole ones elsewhere.
  std::erase_if(copies_, [this](const auto& c) {
    return std::any_of(placements_.begin(), placements_.end(), [&c](const placement& p) {
      return p.id == c.second && p.store && p.draining;
    });
  });
  std::set<uint32_t> regions;
  for (const auto& t : seed_.graph->tasks)
    if (node_of(t) != tasks_[t.id.value].node) regions.insert(t.region);
  return regions;
}

/// By placement: slots and source tasks there.
std::vector<size_t> job_state_actor::slots_in_use() const {
  std::vector<size_t> load(placements_.size(), 0);
  for (auto n : slots_) ++load[n];
  for (const auto& [chain, nodes] : source_slots_)
    for (auto n : nodes) ++load[n];
  return load;
}

/// Who has the copy of node n's part: a node of another rack where there is one. Stays the same
/// while it lives.
std::optional<size_t> job_state_actor::copy_of(size_t n) {
  std::optional<size_t> best;
  const auto load = slots_in_use();
  for (size_t i = 1; i < placements_.size(); ++i) {
    size_t other = (n + i) % placements_.size();
    const auto& p = placements_[other];
    if (!p.store || (p.id >= 0 && p.id == placements_[n].id)) continue;
    if (auto it = copies_.find(n); it != copies_.end() && p.id >= 0 && it->second == p.id)
      return other;
    // Who has few tasks can take more, should this node be lost.
    auto worth = [&](size_t x) {
      return std::tuple(!placements_[x].draining, placements_[x].rack != placements_[n].rack,
                        -static_cast<int64_t>(load[x]));
    };
    if (!best || worth(other) > worth(*best)) best = other;
  }
  if (best) copies_[n] = placements_[*best].id;
  return best;
}

std::vector<store_actor> job_state_actor::copies_of(size_t n) {
  auto other = copy_of(n);
  return other ? std::vector<store_actor>{placements_[*other].store} : std::vector<store_actor>();
}

/// As the newest epoch has them: who has a copy needs only what changes. Not those on nodes that
/// drain.
void job_state_actor::know_copies() {
  copies_.clear();
  auto index_of = [this](int32_t id) {
    return static_cast<size_t>(
        std::find_if(placements_.begin(), placements_.end(),
                     [id](const placement& p) { return p.id == id && p.store; }) -
        placements_.begin());
  };
  for (const auto& p : manifest_.parts) {
    const auto writer = index_of(p.writer), copy = index_of(p.copy);
    if (writer < placements_.size() && copy < placements_.size() && !placements_[copy].draining)
      copies_[writer] = p.copy;
  }
}

/// New nodes for the slots whose nodes are gone; all others stay.
void job_state_actor::replace_lost() {
  auto load = slots_in_use();
  std::vector<size_t> usable;
  for (bool draining : {false, true}) {
    for (size_t n = 0; n < placements_.size(); ++n)
      if (placements_[n].store && placements_[n].draining == draining) usable.push_back(n);
    if (!usable.empty()) break;
  }
  if (usable.empty()) return;
  auto least = [&] {
    return *std::min_element(usable.begin(), usable.end(),
                             [&](size_t a, size_t b) { return load[a] < load[b]; });
  };
  for (auto& [chain, nodes] : source_slots_) {
    const auto leaders = leaders_of(chain);
    for (uint32_t i = 0; i < nodes.size(); ++i) {
      if (placements_[nodes[i]].store) continue;
      size_t best = least();
      auto beside = [&](size_t n) {
        return std::count(leaders.begin(), leaders.end(), placements_[n].id) -
               std::count(nodes.begin(), nodes.end(), n);
      };
      auto why = placing::reason::load;
      for (size_t n : usable)
        if (beside(n) > 0 && (why == placing::reason::load || beside(n) > beside(best))) {
          best = n;
          why = placing::reason::leaders;
        }
      ++load[best];
      nodes[i] = best;
      why_there_[seed_.graph->task_of(chain, i).id.value] = why;
    }
  }
  for (auto& slot : slots_) {
    if (placements_[slot].store) continue;
    // Where the copy of its part is, nothing has to be read from elsewhere.
    auto has_copy = [&](size_t n) {
      return std::any_of(
          manifest_.parts.begin(), manifest_.parts.end(), [&](const job_manifest::part& p) {
            return p.writer == placements_[slot].id && p.copy >= 0 && p.copy == placements_[n].id;
          });
    };
    size_t best = least();
    auto why = placing::reason::load;
    for (size_t n : usable)
      if (has_copy(n)) {
        best = n;
        why = placing::reason::copy;
      }
    ++load[best];
    slot = best;
    for (const auto& t : seed_.graph->tasks)
      if (!source_slots_.contains(t.chain) && &slots_[t.subtask] == &slot)
        why_there_[t.id.value] = why;
  }
}

/// Those that any of the tasks is being started with.
void job_state_actor::forget_deployments(const std::set<uint32_t>& of) {
  std::erase_if(deployments_, [&of](const auto& entry) {
    const auto& d = entry.second;
    bool hit =
        std::any_of(d.tasks.begin(), d.tasks.end(), [&of](uint32_t t) { return of.contains(t); });
    if (hit && d.collecting) d.collecting->over = true;
    return hit;
  });
}

/// Its tasks are gone, or belong to nobody: their regions restart elsewhere.
void job_state_actor::lose_node(size_t n, error why) {
  if (!placements_[n].store) return;
  placements_[n].store = store_actor();
  std::set<uint32_t> lost;
  for (uint32_t t = 0; t < tasks_.size(); ++t)
    if (tasks_[t].node == n) lost.insert(t);
  // Who was asked for state may never answer: not waited for, but begun anew.
  for (const auto& [attempt, d] : deployments_)
    if (d.collecting) lost.insert(d.tasks.begin(), d.tasks.end());
  if (lost.empty()) return;
  forget_deployments(lost);
  std::vector<task_id> gone;
  for (auto t : lost) {
    gone.push_back(task_id{t});
    auto& handle = tasks_[t].handle;
    if (tasks_[t].node != n || !handle) continue;
    self_->demonitor(handle.address());
    handle = task_actor();
  }
  coordinator_->tasks_lost(gone, std::move(why), now());
}

void job_state_actor::down(const caf::down_msg& m) {
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (!tasks_[i].handle || tasks_[i].handle.address() != m.source) continue;
    size_t node = tasks_[i].node;
    tasks_[i].handle = task_actor();
    error why{errc::internal, "task " + std::to_string(i) + " on node " + placements_[node].name +
                                  " is gone: " + caf::to_string(m.reason)};
    // With its node, or killed by it because the cluster has given the node up: tasks have to be
    // placed anew.
    if (m.reason == caf::exit_reason::remote_link_unreachable || m.reason == caf::exit_reason::kill)
      lose_node(node, std::move(why));
    else
      coordinator_->deployment_failed(coordinator_->whole_attempt(), std::move(why), now());
    return;
  }
}

void job_state_actor::refresh() {
  if (over_ || !seed_.ledger) return;
  auto now_there = seed_.nodes();
  bool moves = false;
  std::vector<size_t> lost;
  for (size_t n = 0; n < placements_.size(); ++n) {
    auto& p = placements_[n];
    auto it = std::find_if(now_there.begin(), now_there.end(),
                           [&p](const placement& x) { return is_same_connection(x, p); });
    if (it == now_there.end()) {
      if (p.store) lost.push_back(n);
      continue;
    }
    moves |= it->draining && !p.draining;
    p.draining = it->draining;
  }
  if (takeover_) {
    for (auto n : lost) placements_[n].store = store_actor();
    if (!lost.empty()) nodes_lost_while_taking_over();
    lost.clear();
  }
  if (!lost.empty()) {
    error why{errc::internal, "node " + placements_[lost.back()].name + " is given up"};
    // Who was asked for state or given tasks may never answer: not waited for, but begun anew.
    bool starting = collecting_ || starts_with_survey() ||
                    std::any_of(deployments_.begin(), deployments_.end(),
                                [](const auto& d) { return d.second.whole; });
    if (starting) {
      for (auto n : lost) placements_[n].store = store_actor();
      if (collecting_) collecting_->over = true;
      collecting_.reset();
      survey_.reset();
      deployments_.clear();
      return coordinator_->node_lost(coordinator_->whole_attempt(), std::move(why), now());
    }
    for (auto n : lost) lose_node(n, why);
    if (over_) return;
  }
  for (auto& x : now_there) {
    bool known = std::any_of(placements_.begin(), placements_.end(), [&x](const placement& p) {
      return is_same_connection(x, p) && p.store;
    });
    if (known) continue;
    // Whatever it runs of the job is from before it was cut off.
    self_->send(x.node, fence_atom::value, seed_.id, seed_.token,
                coordinator_->attempt().value + 1);
    // So are its parts that were dropped meanwhile.
    if (commits_until_drop_ == 0 && manifest_.number != 0 && epochs_of_ == seed_.id)
      drop_old_parts_of(x);
    placements_.push_back(std::move(x));
  }
  if (placements_.empty()) return;  // slots name none
  std::vector<size_t> load(placements_.size(), 0);
  for (size_t s : slots_) ++load[s];
  auto in_use = slots_in_use();
  for (size_t n = 0; n < placements_.size(); ++n) {
    const auto& p = placements_[n];
    moves |= p.draining && p.store && in_use[n] != 0;
    // A node that has nothing beside one that has twice its share.
    if (p.store && !p.draining && load[n] == 0)
      moves |= std::any_of(load.begin(), load.end(), [](size_t l) { return l > 1; });
  }
  bool elsewhere = std::any_of(placements_.begin(), placements_.end(),
                               [](const placement& p) { return p.store && !p.draining; });
  // What was known when the tasks were placed may have changed, or been another master's.
  if (moves && elsewhere && !survey_) survey(false, [this] { coordinator_->move(now()); });
}

}  // namespace weir
