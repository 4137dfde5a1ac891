// What a plan says about itself: its tree, the guarantee from source to sink, which operators keep
// state, and what a changed job keeps of an old one's state. For `weir plan`, `weir run`'s first
// lines and the dry check of a restore. Pure functions over plans.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace weir::planner {

/// As a tree, sinks at the root, with exchanges, keys, parallelism, changes, state, guarantee.
std::string explain_text(const physical_plan&);
/// The same facts as one JSON object: name, mode, parallelism, key_groups, guarantee, operators,
/// edges.
std::string explain_json(const physical_plan&);
/// The same as a graph in Graphviz's language: operators with parallelism and state, edges with
/// exchange and keys; edges that carry changes are dashed.
std::string explain_dot(const physical_plan&);

enum class guarantee_level : uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };
struct sink_guarantee {
  std::string sink;  // stable id
  guarantee_level level = guarantee_level::exactly_once;
  std::string reason;  // "file flights is read again from its position; ..."
};
/// Of every sink, from all the sources that reach it.
std::vector<sink_guarantee> guarantees(const physical_plan&);
/// "exactly once: ..." of the weakest sink; one line.
std::string guarantee_text(const physical_plan&);

enum class state_bound : uint8_t { none, bounded, unbounded, custom };
struct state_info {
  state_bound bound = state_bound::none;
  std::string text;  // "one entry per key (carrier)", ...
};
state_info state_of(const physical_plan&, operator_index);
/// Names of an aggregate's calls that keep all values of a group, not one number; empty: none.
/// Where the values are sorted for whoever asks (percentiles, mode), what they are, over `input`.
std::string calls_that_keep_values(const aggregate_spec&, const schema& input);

struct state_change {
  enum class kind : uint8_t { kept, lost, fresh };
  kind what = kind::kept;
  std::string id;
  std::string reason;
};
/// By stable id: what `now` can restore of a snapshot of `before`. Operators without state are
/// left out. `recorded`: state fingerprints by id, as the snapshot has them.
std::vector<state_change> compare_state(const physical_plan& before, const physical_plan& now,
                                        const std::map<std::string, uint64_t>& recorded = {});
/// One line per operator; "all state is kept" when nothing is lost or new.
std::string to_text(const std::vector<state_change>&);

}  // namespace weir::planner
