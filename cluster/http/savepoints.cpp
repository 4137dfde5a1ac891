#include "cluster/http/savepoints.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "jobs/plan/explain.hpp"
#include "runtime/flow/task_snapshot.hpp"

namespace weir::http {
namespace {

// Longer than the keeper's own limits: it knows more about what went wrong.
constexpr auto savepoint_timeout = std::chrono::seconds(70);

/// What the plan cannot use, one line each; empty: nothing is lost.
std::string losses(const job_answer& from, const physical_plan& before, const physical_plan& now) {
  std::string out;
  // What a sink has is of the place that it writes to, and published by who wrote it; a job may
  // write elsewhere from a savepoint on.
  std::set<std::string> sinks;
  for (const auto* plan : {&before, &now})
    for (const auto& n : plan->operators)
      if (std::holds_alternative<sink_spec>(n.spec)) sinks.insert(n.id);
  for (const auto& c : planner::compare_state(before, now))
    if (c.what == planner::state_change::kind::lost && !sinks.contains(c.id))
      out += "\n  " + c.id + ": " + c.reason;
  auto edges = [](const physical_plan& plan) {
    std::map<std::string, schema_ptr> types;
    const auto keys = edge_keys(plan);
    for (size_t e = 0; e < keys.size(); ++e)
      types[edge_state_id(keys[e])] = edge_schema(plan, plan.edges[e]);
    return types;
  };
  const auto old = edges(before), mine = edges(now);
  for (const auto& e : std::set<std::string>(from.in_flight.begin(), from.in_flight.end())) {
    const auto was = old.find(e), is = mine.find(e);
    const char* why = is == mine.end() ? "nothing leads there any more"
                      : was != old.end() && *was->second != *is->second
                          ? "rows there have other columns now"
                          : nullptr;
    if (why)
      out += "\n  rows that were on their way (" + e + "): " + why +
             "; a savepoint that is taken while the job is not behind has none";
  }
  return out;
}

}  // namespace

result<savepoint_start> find_start(cluster_node& node, const std::string& job, uint64_t number,
                                   const physical_plan& plan, bool drop_state) {
  job_request q;
  q.what = job_request::verb::examine_savepoint;
  q.job = job;
  q.epoch = number;
  caf::scoped_actor self(node.system());
  result<job_answer> found = error{errc::timeout, "the node does not answer"};
  self->request(node.keeper(), savepoint_timeout, q)
      .receive(
          [&](job_answer& a) {
            if (a.error.empty())
              found = std::move(a);
            else
              found = error{static_cast<errc>(a.code), a.error};
          },
          [&](const caf::error& e) {
            found = error{errc::timeout, caf::to_string(e)};
          });
  if (!found) return found.err();
  auto before = decode_plan(std::as_bytes(std::span(found->plan)));
  if (!before) return before.err().at("the savepoint's plan");
  if (!drop_state)
    if (auto lost = losses(*found, *before, plan); !lost.empty())
      return error{errc::invalid_argument,
                   "the job cannot use all that savepoint " + std::to_string(found->epoch) +
                       " of job " + found->report.name + " has:" + lost +
                       "\nChange the job, or go on without it: --drop-state"};
  return savepoint_start{found->report.id, found->epoch};
}

}  // namespace weir::http
