// The physical plan as it is deployed: operators fused into chains, one task per chain and subtask,
// the channels between tasks, and the regions that restart together. A pure function of the plan:
// every process that holds the same plan computes the same ids. Plain values; any thread.
#pragma once

#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

/// Operators that run as one task: a batch passes from one to the next by a function call. Edge
/// numbers are indices into physical_plan::edges.
struct chain {
  std::vector<operator_index> operators;  // in the order of the data
  uint32_t parallelism = 1;
  std::vector<uint32_t> in_edges;   // into its first operator, in order of to_port
  std::vector<uint32_t> out_edges;  // from its last operator, by (from_port, edge)
  uint32_t first_task = 0;          // its tasks are tasks[first_task .. + parallelism)
};

struct task {
  task_id id;  // = index in task_graph::tasks
  uint32_t chain = 0;
  uint32_t subtask = 0;
  uint32_t region = 0;
  std::vector<channel_id> inputs;   // by (edge in order of to_port, from_subtask)
  std::vector<channel_id> outputs;  // by (edge in order of out_edges, to_subtask)
};

/// From one task to another over one edge. forward connects subtask i with i, every other exchange
/// all with all.
struct channel {
  channel_id id;  // = index in task_graph::channels
  uint32_t edge = 0;
  task_id from, to;
  uint32_t from_subtask = 0, to_subtask = 0;
};

struct task_graph {
  std::vector<chain> chains;  // topological order
  std::vector<task> tasks;
  std::vector<channel> channels;  // by edge, from_subtask, to_subtask
  /// Pipelined regions: tasks connected by channels, which restart together. Ascending ids.
  std::vector<std::vector<task_id>> regions;
  /// Of every operator of the plan: its chain.
  std::vector<uint32_t> chain_of;

  const task& task_of(uint32_t chain, uint32_t subtask) const {
    return tasks[chains[chain].first_task + subtask];
  }
};

/// More channels than this (a shuffle between 4096 and 4096 tasks is 16 M) are refused.
inline constexpr uint64_t channels_max = 1U << 20;

/// Validates the plan first. Two operators fuse when the edge between them is forward, both have
/// the same parallelism, and it is the only one out of the first and into the second.
result<task_graph> build_task_graph(const physical_plan&);
/// "source flights -> filter | hash(carrier) -> ...": one line per chain, for logs and tests.
std::string to_text(const task_graph&, const physical_plan&);

}  // namespace weir
