#include "runtime/plan/task_graph.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/base/assert.hpp"

namespace weir {
namespace {

/// Whether edge `e` is inside a chain.
bool fuses(const physical_plan& plan, const plan_edge& e, const std::vector<uint32_t>& outs,
           const std::vector<uint32_t>& ins) {
  return e.exchange == exchange_kind::forward && e.from_port == 0 && outs[e.from.value] == 1 &&
         ins[e.to.value] == 1 && plan.parallelism_of(e.from) == plan.parallelism_of(e.to);
}

void make_chains(const physical_plan& plan, task_graph& g) {
  const auto n = plan.operators.size();
  std::vector<uint32_t> outs(n), ins(n);
  for (const auto& e : plan.edges) {
    ++outs[e.from.value];
    ++ins[e.to.value];
  }
  // The edges that fuse have at most one per operator at either end.
  std::vector<int64_t> before(n, -1);
  for (const auto& e : plan.edges)
    if (fuses(plan, e, outs, ins)) before[e.to.value] = e.from.value;
  g.chain_of.resize(n);
  for (uint32_t i = 0; i < n; ++i) {  // topological order: `before` already has its chain
    if (before[i] >= 0) {
      g.chain_of[i] = g.chain_of[static_cast<size_t>(before[i])];
    } else {
      g.chain_of[i] = static_cast<uint32_t>(g.chains.size());
      g.chains.push_back({{}, plan.parallelism_of(operator_index(i)), {}, {}, 0});
    }
    g.chains[g.chain_of[i]].operators.push_back(operator_index(i));
  }
  for (uint32_t e = 0; e < plan.edges.size(); ++e) {
    const auto& edge = plan.edges[e];
    auto from = g.chain_of[edge.from.value], to = g.chain_of[edge.to.value];
    if (from == to) continue;
    weir_assert(g.chains[from].operators.back() == edge.from, "an edge leaves a chain's last");
    weir_assert(g.chains[to].operators.front() == edge.to, "an edge enters a chain's first");
    g.chains[from].out_edges.push_back(e);
    g.chains[to].in_edges.push_back(e);
  }
  for (auto& c : g.chains) {
    std::stable_sort(c.in_edges.begin(), c.in_edges.end(), [&plan](uint32_t a, uint32_t b) {
      return plan.edges[a].to_port < plan.edges[b].to_port;
    });
    std::stable_sort(c.out_edges.begin(), c.out_edges.end(), [&plan](uint32_t a, uint32_t b) {
      return plan.edges[a].from_port < plan.edges[b].from_port;
    });
  }
}

void make_tasks(task_graph& g) {
  for (uint32_t c = 0; c < g.chains.size(); ++c) {
    g.chains[c].first_task = static_cast<uint32_t>(g.tasks.size());
    for (uint32_t s = 0; s < g.chains[c].parallelism; ++s) {
      task t;
      t.id = task_id(static_cast<uint32_t>(g.tasks.size()));
      t.chain = c;
      t.subtask = s;
      g.tasks.push_back(std::move(t));
    }
  }
}

/// The channels of an edge as (from_subtask, to_subtask), in order.
template <class F>
void each_channel(const plan_edge& e, uint32_t from_parallelism, uint32_t to_parallelism, F f) {
  for (uint32_t i = 0; i < from_parallelism; ++i) {
    if (e.exchange == exchange_kind::forward) {
      f(i, i);
      continue;
    }
    for (uint32_t j = 0; j < to_parallelism; ++j) f(i, j);
  }
}

status make_channels(const physical_plan& plan, task_graph& g) {
  // First channel of each edge, so that tasks can list theirs in port order afterwards.
  std::vector<uint32_t> first(plan.edges.size());
  for (uint32_t e = 0; e < plan.edges.size(); ++e) {
    const auto& edge = plan.edges[e];
    auto from = g.chain_of[edge.from.value], to = g.chain_of[edge.to.value];
    first[e] = static_cast<uint32_t>(g.channels.size());
    if (from == to) continue;
    uint64_t count = edge.exchange == exchange_kind::forward
                         ? g.chains[from].parallelism
                         : uint64_t{g.chains[from].parallelism} * g.chains[to].parallelism;
    if (g.channels.size() + count > channels_max)
      return {errc::unsupported, "the plan needs more than " + std::to_string(channels_max) +
                                     " channels between tasks; lower the parallelism of \"" +
                                     plan.operators[edge.from.value].name + "\" or \"" +
                                     plan.operators[edge.to.value].name + "\""};
    each_channel(edge, g.chains[from].parallelism, g.chains[to].parallelism,
                 [&g, e, from, to](uint32_t i, uint32_t j) {
                   channel c;
                   c.id = channel_id(static_cast<uint32_t>(g.channels.size()));
                   c.edge = e;
                   c.from = g.task_of(from, i).id;
                   c.to = g.task_of(to, j).id;
                   c.from_subtask = i;
                   c.to_subtask = j;
                   g.channels.push_back(c);
                 });
  }
  for (const auto& c : g.chains) {
    for (auto e : c.in_edges)
      for (auto id = first[e]; id < g.channels.size() && g.channels[id].edge == e; ++id)
        g.tasks[g.channels[id].to.value].inputs.push_back(channel_id(id));
    for (auto e : c.out_edges)
      for (auto id = first[e]; id < g.channels.size() && g.channels[id].edge == e; ++id)
        g.tasks[g.channels[id].from.value].outputs.push_back(channel_id(id));
  }
  return {};
}

void make_regions(task_graph& g) {
  std::vector<uint32_t> parent(g.tasks.size());
  std::iota(parent.begin(), parent.end(), 0U);
  auto root = [&parent](uint32_t t) {
    while (parent[t] != t) t = parent[t] = parent[parent[t]];
    return t;
  };
  for (const auto& c : g.channels) {
    auto a = root(c.from.value), b = root(c.to.value);
    parent[std::max(a, b)] = std::min(a, b);
  }
  for (auto& t : g.tasks) {
    auto r = root(t.id.value);
    if (r == t.id.value) {  // the smallest id of its region, thus seen first
      t.region = static_cast<uint32_t>(g.regions.size());
      g.regions.emplace_back();
    } else {
      t.region = g.tasks[r].region;
    }
    g.regions[t.region].push_back(t.id);
  }
}

}  // namespace

result<task_graph> build_task_graph(const physical_plan& plan) {
  WEIR_TRY(validate(plan));
  task_graph g;
  make_chains(plan, g);
  make_tasks(g);
  WEIR_TRY(make_channels(plan, g));
  make_regions(g);
  return g;
}

std::string to_text(const task_graph& g, const physical_plan& plan) {
  std::string out;
  for (uint32_t c = 0; c < g.chains.size(); ++c) {
    const auto& ch = g.chains[c];
    out += std::to_string(c) + " x" + std::to_string(ch.parallelism) + ": ";
    for (size_t i = 0; i < ch.operators.size(); ++i)
      out += (i ? " -> " : "") + plan.operators[ch.operators[i].value].id;
    for (auto e : ch.out_edges) {
      const auto& edge = plan.edges[e];
      out += std::string(" | ") + exchange_name(edge.exchange);
      if (edge.from_port) out += " of side output " + std::to_string(edge.from_port);
      out +=
          " to " + std::to_string(g.chain_of[edge.to.value]) + "." + std::to_string(edge.to_port);
    }
    out += '\n';
  }
  return out;
}

}  // namespace weir
