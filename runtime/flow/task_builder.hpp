// From a physical plan to the parts of one task: operator instances with their contexts, channels
// and edges. A pure function of plan, graph and environment; called by whoever hosts tasks.
#pragma once

#include <memory>
#include <vector>

#include "runtime/flow/stream_task.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/plan/task_graph.hpp"

namespace weir {

/// What a process offers to the tasks on it; outlives them.
struct task_environment {
  memory_pool* memory = nullptr;
  io_executor* io = nullptr;
  file_system* files = nullptr;
  const clock* time = nullptr;
};

/// Counters of one task; whoever reports may hold it longer than the task lives.
struct task_metrics {
  std::vector<std::unique_ptr<operator_metrics>> operators;  // in the chain's order
  task_times times;
};

struct built_task {
  stream_task::parts parts;
  stream_task_options options;
  std::shared_ptr<task_metrics> metrics;
};

/// `attempt`: unique text of the deployment, for names of temporary files.
result<built_task> build_task(const physical_plan&, const task_graph&, task_id,
                              const task_environment&, const std::string& attempt,
                              std::function<void()> wake);

/// Schema of the rows on an edge.
schema_ptr edge_schema(const physical_plan&, const plan_edge&);
/// Names of the plan's edges that stay the same when unrelated parts of a job change.
std::vector<std::string> edge_keys(const physical_plan&);
/// Whether some edge copies rows to all receivers: such jobs keep barriers aligned, since rows in
/// flight could not be told from their copies.
bool has_broadcast(const physical_plan&);
/// Whether barriers of the job never overtake (alignment limit -1): it has a broadcast edge, or a
/// forward edge on which keyed rows stay with their subtask, whose rows in flight would not find
/// their key's owner at another parallelism.
bool stays_aligned(const physical_plan&);

}  // namespace weir
