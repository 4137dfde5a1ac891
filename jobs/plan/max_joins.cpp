// Rows joined with the highest (or lowest) value of their own group are its first rank. An inner
// join
//
//   rows AS r JOIN (SELECT k, max(v) AS m FROM rows GROUP BY k) AS g ON r.k = g.k AND r.v = g.m
//
// gives exactly the rows whose rank() over (PARTITION BY k ORDER BY v DESC) is 1, each once, where
// both sides read the same rows, all keys of the group are asked for, and no k and v is NULL. So
// nothing need be held until the highest value is known but the best rows so far, and rows that
// cannot be among them stop in front of the exchange (preselect.cpp).
#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/lookups.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;
constexpr uint32_t none = UINT32_MAX;

/// A relation whose rows another one has, one for one; by column of that one, the column here.
struct same_rows {
  relation of;
  std::vector<uint32_t> columns;
};

/// The relations below projections, from the relation itself down; `none` for what is computed.
std::vector<same_rows> below(const std::vector<logical_node>& nodes, relation r) {
  std::vector<uint32_t> all(output_of(nodes, r)->size());
  for (uint32_t c = 0; c < all.size(); ++c) all[c] = c;
  std::vector<same_rows> out{{r, std::move(all)}};
  while (out.back().of.port == 0 && nodes[out.back().of.node].what == kind::project) {
    const auto& p = nodes[out.back().of.node];
    same_rows next{p.inputs[0], out.back().columns};
    for (auto& c : next.columns)
      if (c != none) c = bare_column(p.columns[c].value).value_or(none);
    out.push_back(std::move(next));
  }
  return out;
}

/// Types whose "=" and max() agree with the order of rows. (Intervals of 30 days and of a month are
/// equal, and are two groups.)
bool ordered_alike(type_id t) {
  switch (t) {
    case type_id::boolean:
    case type_id::int32:
    case type_id::int64:
    case type_id::float64:
    case type_id::decimal:
    case type_id::string:
    case type_id::bytes:
    case type_id::date:
    case type_id::timestamp:
      return true;
    default:
      return false;
  }
}

/// A join whose input `groups` (0 or 1) may be the highest values of the other input's groups.
class candidate {
 public:
  candidate(std::vector<logical_node>& nodes, uint32_t join, size_t groups,
            const std::vector<bool>& needed)
      : nodes_(nodes),
        join_(join),
        groups_(groups),
        rows_in_(nodes[join].inputs[1 - groups]),
        lefts_(static_cast<uint32_t>(output_of(nodes, nodes[join].inputs[0])->size())),
        needed_(needed) {}

  /// Whether it is one: then replace() may be called.
  bool matches() { return find_aggregate() && find_rows() && read_conditions() && fits(); }
  void replace();

 private:
  const logical_node& aggregate() const { return nodes_[aggregate_]; }

  bool find_aggregate() {
    for (auto& b : below(nodes_, nodes_[join_].inputs[groups_])) {
      if (b.of.port != 0 || nodes_[b.of.node].what != kind::aggregate) continue;
      aggregate_ = b.of.node;
      of_group_ = std::move(b.columns);
      places_.assign(aggregate().columns.size(), none);
      null_safe_.assign(aggregate().columns.size(), false);
      return aggregate().late.empty() && aggregate().state_ttl_us == 0;
    }
    return false;
  }

  /// What the rows and the aggregate's input have in common.
  bool find_rows() {
    for (auto& x : below(nodes_, rows_in_))
      for (auto& y : below(nodes_, aggregate().inputs[0]))
        if (x.of == y.of) {
          rows_ = std::move(x.columns);
          grouped_ = std::move(y.columns);
          return true;
        }
    return false;
  }

  bool read_conditions() {
    std::vector<expr::node_ptr> all;
    split_and(nodes_[join_].predicate, all);
    for (const auto& part : all)
      if (!take(part)) others_.push_back(part);
    return value_ != none && std::find(places_.begin(), places_.end(), none) == places_.end();
  }

  /// The condition says that a key is equal, or that the value is the highest, and nothing else
  /// did.
  bool take(const expr::node_ptr& part) {
    const auto* e = part.get();
    const bool null_safe = e->kind == expr::node_kind::call && e->function == "not" &&
                           e->args[0]->kind == expr::node_kind::call &&
                           e->args[0]->function == "is distinct";
    if (null_safe) e = e->args[0].get();
    if (e->kind != expr::node_kind::call || e->args.size() != 2) return false;
    const auto &a = *e->args[0], &b = *e->args[1];
    if (a.kind != expr::node_kind::column || b.kind != expr::node_kind::column ||
        !(a.type == b.type) || !ordered_alike(a.type.id) ||
        is_group(a.column) == is_group(b.column))
      return false;
    const bool turned = is_group(a.column);
    const uint32_t row = of_side(turned ? b.column : a.column);
    const uint32_t group = of_group_[of_side(turned ? a.column : b.column)];
    if (group == none || rows_[row] == none) return false;
    const bool equal = null_safe || e->function == "=";
    const auto keys = static_cast<uint32_t>(aggregate().columns.size());
    if (group < keys) {
      if (!equal || places_[group] != none ||
          origin(aggregate().columns[group].value) != rows_[row])
        return false;
      places_[group] = row;
      null_safe_[group] = null_safe;
      return true;
    }
    const auto& call = aggregate().calls[group - keys];
    const bool highest = call.function == aggregate_function::max;
    if (value_ != none || (!highest && call.function != aggregate_function::min) || call.filter ||
        !call.argument || origin(call.argument) != rows_[row])
      return false;
    // None is above the highest, so what is at least as high is as high.
    if (!equal && e->function != (highest != turned ? ">=" : "<=")) return false;
    value_ = row;
    value_null_safe_ = null_safe;
    highest_ = highest;
    value_in_group_ = group;
    return true;
  }
  bool is_group(uint32_t c) const { return (c < lefts_) == (groups_ == 0); }
  uint32_t of_side(uint32_t c) const { return c < lefts_ ? c : c - lefts_; }
  uint32_t origin(const expr::node_ptr& value) const {
    const auto c = bare_column(value);
    return c ? grouped_[*c] : none;
  }

  bool fits() {
    const auto& j = nodes_[join_];
    if (j.state_ttl_us != 0 || looks_up(nodes_, j)) return false;
    // Both leave with their window, or both change with their input.
    const auto& rows = nodes_[rows_in_.node];
    by_window_ = rows.window_end && rows_in_.port == 0 && !rows.emits_changes &&
                 std::find(places_.begin(), places_.end(), *rows.window_end) != places_.end();
    if (by_window_ != aggregate().window_end.has_value() || (aggregate().final_only && !by_window_))
      return false;
    // What is shown of the groups must stand in the rows as it is; zeros of floats may differ.
    std::vector<bool> read(j.output->size());
    for (const auto& c : others_)
      for (auto column : expr::columns_of(*c)) read[column] = true;
    for (uint32_t c = 0; c < read.size(); ++c) {
      read[c] = read[c] || needed_[c];
      if (read[c] && is_group(c) &&
          (row_of_group(of_side(c)) == none || j.output->fields[c].type.id == type_id::float64))
        return false;
    }
    return true;
  }
  /// The column of the rows that is equal to a column of the groups.
  uint32_t row_of_group(uint32_t c) const {
    const auto g = of_group_[c];
    if (g == none) return none;
    return g < places_.size() ? places_[g] : g == value_in_group_ ? value_ : none;
  }

  uint32_t add(logical_node n) {
    nodes_.push_back(std::move(n));
    return static_cast<uint32_t>(nodes_.size() - 1);
  }
  logical_node above(relation r, kind what, const std::string& id) const {
    const auto& in = nodes_[r.node];
    logical_node n;
    n.what = what;
    n.step.id = id;
    n.inputs = {r};
    n.output = output_of(nodes_, r);
    n.emits_changes = in.emits_changes;
    if (r.port == 0) {
      n.window_start = in.window_start;
      n.window_end = in.window_end;
    }
    n.parallelism = in.parallelism;
    return n;
  }
  /// NULL is equal to nothing.
  relation without_nulls(const std::string& id) {
    const auto type = output_of(nodes_, rows_in_);
    std::vector<expr::node_ptr> there;
    auto ask = [&](uint32_t c) {
      there.push_back(expr::make_call("is not null", type_id::boolean, {column_ref(*type, c)}));
    };
    for (size_t k = 0; k < places_.size(); ++k) {
      // A window has both bounds or none.
      const bool start = by_window_ && places_[k] == nodes_[rows_in_.node].window_start;
      if (!null_safe_[k] && !start) ask(places_[k]);
    }
    if (!value_null_safe_) ask(value_);
    if (there.empty()) return rows_in_;
    auto n = above(rows_in_, kind::filter, id);
    n.predicate = join_and(std::move(there));
    return {add(std::move(n)), 0};
  }

  std::vector<logical_node>& nodes_;
  const uint32_t join_;
  const size_t groups_;
  const relation rows_in_;
  const uint32_t lefts_;
  const std::vector<bool>& needed_;  // columns of the join

  uint32_t aggregate_ = 0;
  std::vector<uint32_t> of_group_;        // by column of the groups: of the aggregate
  std::vector<uint32_t> rows_, grouped_;  // by column: of what both have in common
  std::vector<uint32_t> places_;          // by key: the column of the rows that is equal to it
  std::vector<bool> null_safe_;           // by key
  uint32_t value_ = none, value_in_group_ = none;
  bool value_null_safe_ = false, highest_ = true, by_window_ = false;
  std::vector<expr::node_ptr> others_;  // conditions that are left to ask
};

void candidate::replace() {
  const auto id = nodes_[join_].step.id;
  const auto rows = without_nulls(id + "/not-null");
  auto top = above(rows, kind::top_n, id);
  top.step = nodes_[join_].step;
  top.parallelism = nodes_[join_].parallelism;
  auto type = std::make_shared<schema>(*output_of(nodes_, rows));
  type->event_time.reset();
  if (by_window_) type->event_time = top.window_end;
  top.output = std::move(type);
  for (auto c : places_)
    if (std::find(top.top.keys.begin(), top.top.keys.end(), c) == top.top.keys.end())
      top.top.keys.push_back(c);
  if (top.top.keys.empty()) top.parallelism = 1;  // all rows are one group
  top.top.order = {{value_, highest_, false}};
  top.top.function = rank_function::rank;
  top.top.by_window = by_window_;
  top.final_only = by_window_;
  top.emits_changes = !by_window_;
  const auto first = add(std::move(top));

  auto columns = above({first, 0}, kind::project, id + "/result");
  columns.parallelism = nodes_[join_].parallelism;
  columns.output = nodes_[join_].output;
  columns.window_start = nodes_[join_].window_start;
  columns.window_end = nodes_[join_].window_end;
  for (uint32_t c = 0; c < columns.output->size(); ++c) {
    const auto& field = columns.output->fields[c];
    const auto from = is_group(c) ? row_of_group(of_side(c)) : of_side(c);
    columns.columns.push_back({field.name, from == none
                                               ? expr::make_literal(scalar::of_null(field.type))
                                               : column_ref(*nodes_[first].output, from)});
  }
  if (others_.empty()) {
    nodes_[join_] = std::move(columns);
    return;
  }
  const auto all = add(std::move(columns));
  auto filter = above({all, 0}, kind::filter, id + "/where");
  filter.predicate = join_and(std::move(others_));
  nodes_[join_] = std::move(filter);
}

}  // namespace

void max_joins_to_ranks(std::vector<logical_node>& nodes) {
  std::vector<uint32_t> joins;
  for (uint32_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].what == kind::join && nodes[i].join == join_kind::inner && nodes[i].predicate &&
        !timed_rows(nodes, nodes[i]))
      joins.push_back(i);
  if (joins.empty()) return;
  const auto needs = find_needs(nodes);
  for (auto j : joins)
    for (size_t groups : {1, 0}) {
      candidate c(nodes, j, groups, needs.columns[j]);
      if (!needs.live[j] || !c.matches()) continue;
      c.replace();
      break;
    }
}

}  // namespace weir::planner
