// The step from the logical graph to the physical plan, inside: backward over the graph to find the
// columns that are needed (needs.cpp), then forward to emit operators over just those. Internal to
// jobs/plan; used once per plan.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "jobs/plan/builder.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/tree.hpp"

namespace weir::planner {

inline constexpr uint32_t dropped = UINT32_MAX;

/// A physical operator's output as consumers of the logical node see it.
struct emitted {
  operator_index op;
  uint16_t port = 0;
  schema_ptr type;
  std::vector<uint32_t> map;  // logical column -> physical column, or dropped
};

class expander {
 public:
  expander(const plan_settings& s, std::vector<logical_node> nodes)
      : settings_(s), nodes_(std::move(nodes)) {}

  result<physical_plan> run(std::string* failed);

 private:
  schema_ptr logical_type(relation r) const { return output_of(nodes_, r); }
  static std::string name_of(const logical_node& n) {
    return n.step.name.empty() ? n.step.id : n.step.name;
  }
  const operator_node& at(operator_index i) const { return plan_.operators[i.value]; }
  static std::vector<uint32_t> identity(size_t n) {
    std::vector<uint32_t> m(n);
    for (uint32_t i = 0; i < n; ++i) m[i] = i;
    return m;
  }
  static expr::node_ptr remap(const expr::node_ptr& e, const std::vector<uint32_t>& map) {
    return e ? expr::remap_columns(e, map) : e;
  }
  static bool is_session(const logical_node& n) {
    return n.sliced && n.window.shape.kind == window_kind::session;
  }
  static uint32_t place_of(const std::vector<uint32_t>& keys, uint32_t column) {
    return static_cast<uint32_t>(std::find(keys.begin(), keys.end(), column) - keys.begin());
  }

  // expand.cpp
  operator_index add(std::string id, std::string name, operator_spec spec, schema_ptr output,
                     bool changes, uint32_t parallelism);
  /// forward where both sides have the same parallelism, hash by keys, else rebalance. Changes are
  /// hashed by the whole row instead: by turns a row that is taken back could overtake itself.
  void connect(const emitted& from, operator_index to, std::vector<uint32_t> keys = {},
               uint16_t to_port = 0);
  emitted input(const logical_node& n, size_t port = 0) const;
  status emit(uint32_t i);
  /// A table as a source reads it; `e` gets the type and the places of its columns.
  result<source_spec> source_of(uint32_t i, emitted& e) const;
  status emit_scan(uint32_t i);
  static status fill_time_and_errors(const logical_node& n, source_spec& s);
  status emit_filter(uint32_t i);
  status emit_project(uint32_t i);
  status emit_flat_map(uint32_t i);
  /// `in` with some of its columns in their order, projected where that is not what it is; without
  /// a map.
  emitted chosen(const logical_node& n, const emitted& in, const std::vector<uint32_t>& columns,
                 const std::string& suffix);
  /// What a node gives of its needed columns; without an operator.
  emitted needed_output(uint32_t i) const;
  /// The input with exactly the columns that the union carries.
  emitted aligned(const logical_node& n, uint32_t i, size_t port);
  status emit_union(uint32_t i);
  /// The input with all its logical columns and nothing else: a source may carry more (what its
  /// generated columns read), and so may what only filters it.
  emitted exact(const logical_node& n, size_t port);
  status emit_custom(uint32_t i);
  status emit_repeat(uint32_t i);
  status emit_sink(uint32_t i);

  // expand_groups.cpp
  status emit_window(uint32_t i);
  /// min and max of the rows' times, behind the calls of an aggregate over sessions.
  static void add_bounds(const logical_node& n, const emitted& in,
                         std::vector<aggregate_call>& calls);
  /// A projection in front of an aggregate: the keys, then what the calls read.
  emitted narrow(const logical_node& n, const emitted& in, const char* suffix);
  status emit_aggregate(uint32_t i);

  // expand_rows.cpp
  status emit_whole_rows(uint32_t i);
  /// The input with the columns that `wanted` (by logical column) says, and nothing else.
  emitted reduced(const logical_node& n, const std::vector<bool>& wanted);
  static std::vector<order_term> remap(std::vector<order_term> order,
                                       const std::vector<uint32_t>& map);
  /// Window functions of which nobody reads one: the rows, once where they were to leave once.
  status pass_over(uint32_t i, std::vector<bool> wanted);
  status emit_over(uint32_t i);
  status emit_top_n(uint32_t i);

  // expand_joins.cpp
  /// One side of a join: the columns that it must have and its keys, in front of the exchange.
  emitted join_input(uint32_t i, size_t port, const std::vector<bool>& wanted,
                     const join_parts& parts, join_side& side);
  /// Of each side of a join what the output has, what the condition reads, the keys and the time.
  std::array<std::vector<bool>, 2> wanted_of_join(uint32_t i, const join_parts& parts) const;
  status emit_join(uint32_t i);
  /// A join that looks its right side up: its filters and columns are the lookup's.
  status emit_lookup(uint32_t i);
  /// What is asked of each pair, over the columns that it reads.
  template <class Spec, class Physical>
  static void read_condition(const join_parts& parts, Spec& s, Physical physical);
  /// The columns of a join that are needed, by their numbers among its sides' in `output`.
  template <class Physical>
  emitted join_result(uint32_t i, std::vector<uint32_t>& output, Physical physical) const;

  const plan_settings& settings_;
  std::vector<logical_node> nodes_;
  std::vector<bool> live_;
  std::vector<bool> time_;  // a consumer below needs watermarks
  std::vector<std::vector<bool>> needs_;
  std::vector<emitted> out_;
  physical_plan plan_;
};

}  // namespace weir::planner
