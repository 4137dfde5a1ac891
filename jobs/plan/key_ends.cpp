#include "jobs/plan/key_ends.hpp"

#include <algorithm>
#include <set>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/lookups.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/unique_keys.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

/// Whether a row that was given may be given again because a state_ttl dropped it: then nothing is
/// unique.
bool forgets(const std::vector<logical_node>& nodes, relation r, std::set<uint32_t>& seen) {
  const auto& n = nodes[r.node];
  if (!seen.insert(r.node).second) return false;
  if (n.what == kind::distinct && n.state_ttl_us != 0) return true;
  return std::any_of(n.inputs.begin(), n.inputs.end(),
                     [&](relation in) { return forgets(nodes, in, seen); });
}

bool unique_for_ever(const std::vector<logical_node>& nodes, relation r,
                     const std::vector<uint32_t>& by) {
  std::set<uint32_t> seen;
  return r.port == 0 && !nodes[r.node].emits_changes && unique_by(nodes, r, by) &&
         !forgets(nodes, r, seen);
}

std::optional<key_end> of_join(const std::vector<logical_node>& nodes, const logical_node& j,
                               const std::vector<uint32_t>& keys) {
  if (j.join != join_kind::inner || looks_up(nodes, j)) return {};
  const auto parts = analyze_join(nodes, j);
  if (parts.windowed || !parts.left || !parts.right) return {};
  const auto lefts = static_cast<uint32_t>(output_of(nodes, j.inputs[0])->size());
  std::set<uint32_t> of_side[2];
  for (auto c : keys) c < lefts ? of_side[0].insert(c) : of_side[1].insert(c - lefts);
  for (const auto& k : parts.keys) {
    const auto l = bare_column(k.left), r = bare_column(k.right);
    if (!l || !r) continue;
    if (of_side[0].count(*l)) of_side[1].insert(*r);
    if (of_side[1].count(*r)) of_side[0].insert(*l);
  }
  for (size_t s : {0, 1}) {
    const auto& own = s == 0 ? *parts.left : *parts.right;
    const auto& other = s == 0 ? *parts.right : *parts.left;
    // A pair comes when the younger of its rows does, whose event time the watermark has not
    // passed. That of a partner is bounded by the column; that of the row itself by how much
    // younger than its partner it may be.
    if (own.by_column && other.by_column) continue;
    key_end out{own.column + (s == 0 ? 0 : lefts), own.retain_us};
    if (own.by_column && __builtin_add_overflow(own.retain_us, other.retain_us, &out.retain_us))
      continue;
    const std::vector<uint32_t> by(of_side[s].begin(), of_side[s].end());
    if (of_side[s].count(own.column) || unique_for_ever(nodes, j.inputs[s], by)) return out;
  }
  return {};
}

}  // namespace

std::optional<key_end> end_of_keys(const std::vector<logical_node>& nodes, relation r,
                                   const std::vector<uint32_t>& keys) {
  const auto& n = nodes[r.node];
  if (r.port != 0 || n.emits_changes) return {};
  switch (n.what) {
    case kind::filter:
      return end_of_keys(nodes, n.inputs[0], keys);
    case kind::project: {
      std::vector<uint32_t> below;
      for (auto k : keys)
        if (const auto c = bare_column(n.columns[k].value)) below.push_back(*c);
      auto end = end_of_keys(nodes, n.inputs[0], below);
      if (!end) return {};
      for (uint32_t c = 0; c < n.columns.size(); ++c)
        if (bare_column(n.columns[c].value) == end->column) return key_end{c, end->retain_us};
      return {};
    }
    case kind::join:
      return of_join(nodes, n, keys);
    default:
      return {};
  }
}

std::optional<key_end> end_of_partitions(const std::vector<logical_node>& nodes,
                                         const logical_node& n) {
  if (n.top.keys.empty() || n.top.by_window || n.top.last_arrived) return {};
  return end_of_keys(nodes, n.inputs[0], n.top.keys);
}

bool has_one_partner(const std::vector<logical_node>& nodes, const logical_node& j, bool right) {
  if (j.join != join_kind::inner || looks_up(nodes, j)) return false;
  std::vector<uint32_t> by;
  for (const auto& k : analyze_join(nodes, j).keys)
    if (const auto c = bare_column(right ? k.left : k.right)) by.push_back(*c);
  return !by.empty() && unique_for_ever(nodes, j.inputs[right ? 0 : 1], by);
}

std::optional<std::pair<uint32_t, uint32_t>> times_of_sides(const std::vector<logical_node>& nodes,
                                                            const logical_node& j) {
  if (one_sided(j.join) || is_as_of(j.join) || looks_up(nodes, j) || join_changes(nodes, j) ||
      nodes[j.inputs[0].node].emits_changes || nodes[j.inputs[1].node].emits_changes)
    return {};
  const auto parts = analyze_join(nodes, j);
  if (parts.windowed || !parts.left || !parts.right || parts.left->by_column ||
      parts.right->by_column)
    return {};
  const auto lefts = static_cast<uint32_t>(output_of(nodes, j.inputs[0])->size());
  return std::pair(parts.left->column, lefts + parts.right->column);
}

}  // namespace weir::planner
