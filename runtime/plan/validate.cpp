// What a plan must be before anything is built from it. Plans come from planners (a mistake there
// is a bug of ours, but one that is found here by name) and from other processes as bytes.
#include <set>

#include "runtime/plan/dead_letter_source.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/plan/windows.hpp"

namespace weir {
namespace {

error bad(std::string message) {
  return {errc::invalid_argument, "plan: " + std::move(message)};
}
error bad(const operator_node& n, const std::string& message) {
  return bad(std::string(kind_name(n.spec)) + " \"" + n.id + "\": " + message);
}

status check_schema(const operator_node& n, const schema_ptr& s, const char* what) {
  if (!s) return bad(n, std::string(what) + " has no schema");
  if (s->event_time) {
    if (*s->event_time >= s->size())
      return bad(n, std::string(what) + " names event-time column " +
                        std::to_string(*s->event_time) + " of " + std::to_string(s->size()));
    if (s->fields[*s->event_time].type.id != type_id::timestamp)
      return bad(n, std::string(what) + " has event time of type " +
                        to_string(s->fields[*s->event_time].type) + ", not timestamp");
  }
  return {};
}

/// Iterative: trees can be deep. Every column exists in `in` with the type that was bound.
status check_expr(const operator_node& n, const expr::node_ptr& root, const schema& in,
                  uint32_t columns, const char* what) {
  if (!root) return bad(n, std::string(what) + " is missing");
  std::vector<const expr::node*> todo{root.get()};
  std::set<const expr::node*> seen;
  while (!todo.empty()) {
    const auto* e = todo.back();
    todo.pop_back();
    if (!seen.insert(e).second) continue;
    switch (e->kind) {
      case expr::node_kind::column:
        if (e->column >= columns)
          return bad(n, std::string(what) + " reads column " + std::to_string(e->column) + " of " +
                            std::to_string(columns));
        if (!(in.fields[e->column].type == e->type))
          return bad(n, std::string(what) + " reads \"" + in.fields[e->column].name + "\" as " +
                            to_string(e->type) + ", but it is " +
                            to_string(in.fields[e->column].type));
        break;
      case expr::node_kind::literal:
        break;
      case expr::node_kind::call:
        if (e->function.empty())
          return bad(n, std::string(what) + " calls a function without name");
        for (const auto& a : e->args) {
          if (!a) return bad(n, std::string(what) + " has a call with a missing argument");
          todo.push_back(a.get());
        }
        break;
    }
  }
  return {};
}

status check_types(const operator_node& n, const schema& got, const schema& want,
                   const char* what) {
  if (got.size() != want.size())
    return bad(n, std::string(what) + " has " + std::to_string(got.size()) + " columns where " +
                      std::to_string(want.size()) + " are expected");
  for (size_t i = 0; i < got.size(); ++i)
    if (!(got.fields[i].type == want.fields[i].type))
      return bad(n, std::string(what) + " column \"" + got.fields[i].name + "\" is " +
                        to_string(got.fields[i].type) + " where " + to_string(want.fields[i].type) +
                        " is expected");
  return {};
}

status check_output_column(const operator_node& n, size_t i, const data_type& type) {
  if (!(n.output->fields[i].type == type))
    return bad(n, "output column \"" + n.output->fields[i].name + "\" is " +
                      to_string(n.output->fields[i].type) + ", but its value is " +
                      to_string(type));
  return {};
}

status check_columns(const operator_node& n, const std::vector<uint32_t>& columns, const schema& in,
                     const char* what) {
  for (auto c : columns)
    if (c >= in.size())
      return bad(n, std::string(what) + " names column " + std::to_string(c) + " of " +
                        std::to_string(in.size()));
  return {};
}

struct spec_checker {
  const physical_plan& plan;
  const operator_node& n;
  const std::vector<schema_ptr>& in;

  status check_table(const source_spec& s) const {
    if (s.connector.empty()) return bad(n, "has no connector");
    WEIR_TRY(check_schema(n, s.columns, "table"));
    if (s.physical_columns > s.columns->size() ||
        s.columns->size() - s.physical_columns != s.generated.size())
      return bad(n, std::to_string(s.columns->size()) + " columns are not " +
                        std::to_string(s.physical_columns) + " physical and " +
                        std::to_string(s.generated.size()) + " generated ones");
    for (size_t i = 0; i < s.generated.size(); ++i) {
      WEIR_TRY(check_expr(n, s.generated[i], *s.columns, s.physical_columns, "generated column"));
      if (!(s.columns->fields[s.physical_columns + i].type == s.generated[i]->type))
        return bad(n, "generated column \"" + s.columns->fields[s.physical_columns + i].name +
                          "\" has another type than its expression");
    }
    if (s.split_filter) {
      WEIR_TRY(check_expr(n, s.split_filter, *s.columns, s.physical_columns, "condition on files"));
      if (s.split_filter->type.id != type_id::boolean)
        return bad(n, "condition on files is " + to_string(s.split_filter->type) + ", not boolean");
    }
    if (s.watermark_delay_us < 0) return bad(n, "watermark_delay is negative");
    if (s.idle_timeout_us < 0) return bad(n, "idle_timeout is negative");
    return {};
  }
  status operator()(const source_spec& s) const {
    WEIR_TRY(check_table(s));
    return check_types(n, *n.output, *s.columns, "output");
  }
  status operator()(const sink_spec& s) const {
    if (s.connector.empty()) return bad(n, "has no connector");
    WEIR_TRY(check_schema(n, s.columns, "table"));
    WEIR_TRY(check_columns(n, s.keys, *s.columns, "primary key"));
    WEIR_TRY(check_order(s.order));
    if (s.hidden_columns >= s.columns->size()) return bad(n, "shows none of its columns");
    return check_types(n, *in[0], *s.columns, "input");
  }
  status operator()(const filter_spec& s) const {
    WEIR_TRY(check_expr(n, s.predicate, *in[0], static_cast<uint32_t>(in[0]->size()), "predicate"));
    if (s.predicate->type.id != type_id::boolean)
      return bad(n, "predicate is " + to_string(s.predicate->type) + ", not boolean");
    return check_types(n, *n.output, *in[0], "output");
  }
  status operator()(const project_spec& s) const {
    if (s.columns.size() != n.output->size())
      return bad(n, std::to_string(s.columns.size()) + " expressions for " +
                        std::to_string(n.output->size()) + " output columns");
    for (size_t i = 0; i < s.columns.size(); ++i) {
      WEIR_TRY(check_expr(n, s.columns[i], *in[0], static_cast<uint32_t>(in[0]->size()), "column"));
      WEIR_TRY(check_output_column(n, i, s.columns[i]->type));
    }
    return {};
  }
  status operator()(const flat_map_spec& s) const {
    if (s.function.empty()) return bad(n, "names no function");
    WEIR_TRY(check_expr(n, s.argument, *in[0], static_cast<uint32_t>(in[0]->size()), "argument"));
    WEIR_TRY(check_columns(n, s.kept, *in[0], "kept"));
    if (n.output->size() != s.kept.size() + 1)
      return bad(n, "output is not the kept columns and one more");
    for (size_t i = 0; i < s.kept.size(); ++i)
      WEIR_TRY(check_output_column(n, i, in[0]->fields[s.kept[i]].type));
    return {};
  }
  status operator()(const aggregate_spec& s) const {
    const bool merge = s.stage == aggregate_spec::phase::merge;
    if (merge) WEIR_TRY(check_schema(n, s.complete_input, "complete input"));
    const auto& arguments = merge ? *s.complete_input : *in[0];
    WEIR_TRY(check_columns(n, s.keys, *in[0], "key"));
    WEIR_TRY(check_window_end(s.keys, s.window_end_key));
    WEIR_TRY(check_windows(s));
    for (const auto& c : s.calls) {
      const auto columns = static_cast<uint32_t>(arguments.size());
      if (c.function != aggregate_function::count_star) {
        WEIR_TRY(check_expr(n, c.argument, arguments, columns, "argument"));
      } else if (c.argument)
        return bad(n, "count(*) has an argument");
      if (c.filter) {
        WEIR_TRY(check_expr(n, c.filter, arguments, columns, "FILTER"));
        if (c.filter->type.id != type_id::boolean) return bad(n, "FILTER is not boolean");
      }
    }
    if (s.stage == aggregate_spec::phase::partial) {
      if (n.output->size() < s.keys.size()) return bad(n, "output lacks the keys");
    } else {
      const size_t keys = s.keys.size() + (s.windows ? 1 : 0);
      if (n.output->size() != keys + visible_calls(s))
        return bad(n, "output is not the keys and one column per call");
      if (s.windows) WEIR_TRY(check_output_column(n, s.window_start_at, type_id::timestamp));
      for (size_t i = 0; i < visible_calls(s); ++i)
        WEIR_TRY(check_output_column(n, keys + i, s.calls[i].type));
    }
    const bool start = s.windows && s.stage != aggregate_spec::phase::partial;
    for (size_t i = 0; i < s.keys.size(); ++i)
      WEIR_TRY(check_output_column(n, i + (start && i >= s.window_start_at ? 1 : 0),
                                   in[0]->fields[s.keys[i]].type));
    return {};
  }
  status check_windows(const aggregate_spec& s) const {
    if (s.windows) {
      if (auto problem = problem_of(*s.windows); !problem.empty()) return bad(n, problem);
      if (!s.window_end_key)
        return bad(n, "makes windows of slices without a slice among its keys");
      if (s.window_start_at > s.keys.size())
        return bad(n, "window_start stands behind the keys and calls");
    }
    if (s.windows && s.windows->kind == window_kind::session) {
      const size_t calls = s.calls.size();
      auto is_bound = [&](size_t at, aggregate_function f) {
        const auto& c = s.calls[at];
        return c.function == f && c.argument && c.argument->kind == expr::node_kind::column &&
               c.argument->type.id == type_id::timestamp && !c.filter;
      };
      if (calls < 2 || !is_bound(calls - 2, aggregate_function::min) ||
          !is_bound(calls - 1, aggregate_function::max))
        return bad(n, "makes sessions without min and max of their rows' times");
    }
    if (!s.late_output) return {};
    if (!s.window_end_key) return bad(n, "has an output for late rows, but no windows");
    WEIR_TRY(check_columns(n, s.late_columns, *in[0], "late rows"));
    if (s.late_output->size() != s.late_columns.size())
      return bad(n, "late rows are not the columns that they are said to be");
    for (size_t i = 0; i < s.late_columns.size(); ++i)
      if (!(s.late_output->fields[i].type == in[0]->fields[s.late_columns[i]].type))
        return bad(n, "late rows have \"" + s.late_output->fields[i].name + "\" as another type");
    return {};
  }
  status operator()(const union_spec&) const {
    for (const auto& i : in) WEIR_TRY(check_types(n, *i, *n.output, "input"));
    return {};
  }
  status operator()(const distinct_spec&) const {
    return check_types(n, *n.output, *in[0], "output");
  }
  status check_window_end(const std::vector<uint32_t>& keys, std::optional<uint32_t> end) const {
    if (end && (*end >= keys.size() || in[0]->fields[keys[*end]].type.id != type_id::timestamp))
      return bad(n, "the window's end is no timestamp among the keys");
    return {};
  }
  status check_order(const std::vector<order_term>& order) const {
    for (const auto& t : order) WEIR_TRY(check_columns(n, {t.column}, *in[0], "order"));
    return {};
  }
  status operator()(const over_spec& s) const {
    WEIR_TRY(check_columns(n, s.keys, *in[0], "key"));
    WEIR_TRY(check_order(s.order));
    WEIR_TRY(check_window_end(s.keys, s.window_end_key));
    if (s.time_column &&
        (s.order.size() != 1 || s.order[0].column != *s.time_column || s.order[0].descending ||
         s.order[0].nulls_first || s.emit != emit_mode::final_only || s.input_has_changes ||
         in[0]->fields[*s.time_column].type.id != type_id::timestamp))
      return bad(n, "its rows do not leave in order of event time");
    if (n.output->size() != in[0]->size() + s.calls.size())
      return bad(n, "output is not the input and one column per call");
    for (size_t i = 0; i < in[0]->size(); ++i)
      WEIR_TRY(check_output_column(n, i, in[0]->fields[i].type));
    for (size_t i = 0; i < s.calls.size(); ++i) {
      const auto& c = s.calls[i];
      for (auto column : {c.argument, c.otherwise, c.filter})
        if (column) WEIR_TRY(check_columns(n, {*column}, *in[0], "argument"));
      WEIR_TRY(check_output_column(n, in[0]->size() + i, c.type));
    }
    return {};
  }
  status operator()(const top_n_spec& s) const {
    WEIR_TRY(check_columns(n, s.keys, *in[0], "key"));
    WEIR_TRY(check_order(s.order));
    WEIR_TRY(check_window_end(s.keys, s.window_end_key));
    if (s.last_arrived &&
        (!s.order.empty() || s.function != rank_function::row_number || s.offset != 0 ||
         s.limit != 1 || s.with_ties || s.with_number || s.emit != emit_mode::changes))
      return bad(n, "the row that came last is one, has no order and is given as it changes");
    if (s.upserts && !(s.last_arrived && s.input_has_changes))
      return bad(n, "upserts are rows that change, of which the last one stands");
    if (s.preselect && (s.with_number || s.input_has_changes))
      return bad(n, "preselects rows that change, or numbers them");
    if (s.time_column) {
      WEIR_TRY(check_columns(n, {*s.time_column}, *in[0], "time"));
      if (in[0]->fields[*s.time_column].type.id != type_id::timestamp || s.retain_us < 0 ||
          s.keys.empty() || s.input_has_changes || s.last_arrived || s.window_end_key)
        return bad(n, "keys end by a time, of rows that are appended");
    }
    if (n.output->size() != in[0]->size() + s.with_number)
      return bad(n, "output is not the input" + std::string(s.with_number ? " and a number" : ""));
    for (size_t i = 0; i < in[0]->size(); ++i)
      WEIR_TRY(check_output_column(n, i, in[0]->fields[i].type));
    return s.with_number ? check_output_column(n, in[0]->size(), type_id::int64) : status();
  }
  status operator()(const custom_spec& s) const {
    if (s.class_name.empty()) return bad(n, "names no class");
    if (!s.content.empty() && !is_content_hash(s.content))
      return bad(n, "'" + s.content + "' is not the SHA-256 of a library");
    WEIR_TRY(check_columns(n, s.keys, *in[0], "key"));
    for (const auto& o : s.side_outputs) WEIR_TRY(check_schema(n, o, "side output"));
    return {};
  }
  status operator()(const window_spec& s) const {
    WEIR_TRY(check_columns(n, {s.time_column}, *in[0], "time"));
    if (in[0]->fields[s.time_column].type.id != type_id::timestamp)
      return bad(n, "\"" + in[0]->fields[s.time_column].name + "\" is " +
                        to_string(in[0]->fields[s.time_column].type) + ", not timestamp");
    if (auto problem = problem_of(s.shape); !problem.empty()) return bad(n, problem);
    WEIR_TRY(check_columns(n, s.keys, *in[0], "key"));
    if (!s.keys.empty() && !holds_rows(s)) return bad(n, "only sessions of rows have keys");
    if (!s.slices && windows_per_row(s.shape) > windows_per_row_max)
      return bad(n, "each row is in " + std::to_string(windows_per_row(s.shape)) +
                        " windows, more than " + std::to_string(windows_per_row_max));
    if (n.output->size() != in[0]->size() + (s.slices ? 1 : 2))
      return bad(n, s.slices ? "output is not the input and a slice"
                             : "output is not the input and window_start, window_end");
    for (size_t i = 0; i < in[0]->size(); ++i)
      WEIR_TRY(check_output_column(n, i, in[0]->fields[i].type));
    for (size_t i = in[0]->size(); i < n.output->size(); ++i)
      WEIR_TRY(check_output_column(n, i, type_id::timestamp));
    return {};
  }
  status check_side(const join_side& s, const schema& type, const char* what) const {
    WEIR_TRY(check_columns(n, s.keys, type, what));
    if (s.null_safe.size() > s.keys.size())
      return bad(n, std::string(what) + " has more marks for NULL than keys");
    if (s.time_column) {
      WEIR_TRY(check_columns(n, {*s.time_column}, type, what));
      if (type.fields[*s.time_column].type.id != type_id::timestamp)
        return bad(n, std::string(what) + " expires by a column that is no timestamp");
    }
    if (s.ends_by_column && (!s.time_column || s.retain_us < 0 || s.has_changes))
      return bad(n, std::string(what) + " ends by a column and has none, or changes");
    if (s.late_column) {
      WEIR_TRY(check_columns(n, {*s.late_column}, type, what));
      if (!s.ends_by_column || type.fields[*s.late_column].type.id != type_id::timestamp)
        return bad(n, std::string(what) + " is late by a column that is no event time");
    }
    return {};
  }
  status operator()(const join_spec& s) const {
    if (in.size() != 2) return bad(n, "has " + std::to_string(in.size()) + " inputs, not two");
    WEIR_TRY(check_side(s.left, *in[0], "left side"));
    WEIR_TRY(check_side(s.right, *in[1], "right side"));
    if (s.left.keys.size() != s.right.keys.size())
      return bad(n, "its sides have different numbers of keys");
    for (size_t k = 0; k < s.left.keys.size(); ++k)
      if (!(in[0]->fields[s.left.keys[k]].type == in[1]->fields[s.right.keys[k]].type))
        return bad(n, "key " + std::to_string(k + 1) + " has different types on its sides");
    if (s.delay_us < 0) return bad(n, "its rows cannot be younger than its watermark");
    if ((s.left.one_partner || s.right.one_partner) && s.kind != join_kind::inner)
      return bad(n, "only rows of an inner join leave with their partner");
    if (is_as_of(s.kind)) {
      if (s.left.ends_by_column || s.right.ends_by_column)
        return bad(n, "an as-of join's rows leave by their event times");
      if (!s.left.time_column || !s.right.time_column || s.condition)
        return bad(n, "an as-of join asks for the times of both sides and nothing else");
      if (s.left.has_changes || s.right.has_changes)
        return bad(n, "an as-of join of rows that change");
    }
    if (s.left.null_safe != s.right.null_safe)
      return bad(n, "its sides differ in which keys compare NULL");
    schema both = *in[0];
    both.fields.insert(both.fields.end(), in[1]->fields.begin(), in[1]->fields.end());
    WEIR_TRY(check_columns(n, s.condition_columns, both, "condition"));
    WEIR_TRY(check_columns(n, s.output, both, "output"));
    if (s.condition) {
      schema read;
      for (auto c : s.condition_columns) read.fields.push_back(both.fields[c]);
      WEIR_TRY(check_expr(n, s.condition, read, static_cast<uint32_t>(read.size()), "condition"));
      if (s.condition->type.id != type_id::boolean) return bad(n, "condition is not boolean");
    }
    if (n.output->size() != s.output.size())
      return bad(n, "output has not the columns that it names");
    const bool one_sided = s.kind == join_kind::semi || s.kind == join_kind::anti;
    for (size_t i = 0; i < s.output.size(); ++i) {
      if (one_sided && s.output[i] >= in[0]->size())
        return bad(n, "output has a column of the right side, which is only looked at");
      WEIR_TRY(check_output_column(n, i, both.fields[s.output[i]].type));
    }
    return {};
  }
  status operator()(const lookup_spec& s) const {
    WEIR_TRY(check_table(s.table));
    const auto& from = *s.table.columns;
    const auto all = static_cast<uint32_t>(from.size());
    if (s.filter) {
      WEIR_TRY(check_expr(n, s.filter, from, all, "filter"));
      if (s.filter->type.id != type_id::boolean) return bad(n, "filter is not boolean");
    }
    WEIR_TRY(check_schema(n, s.rows, "rows"));
    if (s.rows->size() != s.columns.size() || s.columns.empty())
      return bad(n, "its rows have not the columns that it computes");
    for (size_t i = 0; i < s.columns.size(); ++i) {
      WEIR_TRY(check_expr(n, s.columns[i], from, all, "column"));
      if (!(s.columns[i]->type == s.rows->fields[i].type))
        return bad(n, "column \"" + s.rows->fields[i].name + "\" has another type");
    }
    const bool one_sided = s.kind == join_kind::semi || s.kind == join_kind::anti;
    if (!one_sided && s.kind != join_kind::inner && s.kind != join_kind::left)
      return bad(n, std::string("a table is not looked up by a ") + join_name(s.kind));
    WEIR_TRY(check_columns(n, s.keys, *in[0], "key"));
    WEIR_TRY(check_columns(n, s.table_keys, *s.rows, "key of the table"));
    if (s.keys.size() != s.table_keys.size() || s.null_safe.size() > s.keys.size())
      return bad(n, "its sides have different numbers of keys");
    for (size_t k = 0; k < s.keys.size(); ++k)
      if (!(in[0]->fields[s.keys[k]].type == s.rows->fields[s.table_keys[k]].type))
        return bad(n, "key " + std::to_string(k + 1) + " has different types on its sides");
    schema both = *in[0];
    both.fields.insert(both.fields.end(), s.rows->fields.begin(), s.rows->fields.end());
    WEIR_TRY(check_columns(n, s.condition_columns, both, "condition"));
    WEIR_TRY(check_columns(n, s.output, both, "output"));
    if (s.condition) {
      schema read;
      for (auto c : s.condition_columns) read.fields.push_back(both.fields[c]);
      WEIR_TRY(check_expr(n, s.condition, read, static_cast<uint32_t>(read.size()), "condition"));
      if (s.condition->type.id != type_id::boolean) return bad(n, "condition is not boolean");
    }
    if (n.output->size() != s.output.size())
      return bad(n, "output has not the columns that it names");
    for (size_t i = 0; i < s.output.size(); ++i) {
      if (one_sided && s.output[i] >= in[0]->size())
        return bad(n, "output has a column of the table, which is only looked at");
      WEIR_TRY(check_output_column(n, i, both.fields[s.output[i]].type));
    }
    if (s.cache_us < 0) return bad(n, "cache is negative");
    return {};
  }
  status operator()(const settle_spec&) const {
    return check_types(n, *n.output, *in[0], "output");
  }
  status operator()(const repeat_spec& s) const {
    WEIR_TRY(check_columns(n, {s.count_column}, *in[0], "count"));
    if (in[0]->fields[s.count_column].type.id != type_id::int64)
      return bad(n, "its count is no bigint");
    if (n.output->size() + 1 != in[0]->size())
      return bad(n, "output is not the input without the count");
    for (size_t i = 0; i < n.output->size(); ++i)
      WEIR_TRY(check_output_column(n, i, in[0]->fields[i + (i >= s.count_column)].type));
    return {};
  }
};

/// Slices of the same windows meet in one task; without another key that is the only one.
bool all_windows(const aggregate_spec& a) {
  return a.windows && a.keys.size() == 1;
}

/// Keyed operators must see all rows of a key in one subtask.
bool needs_key_partitioning(const operator_node& n) {
  if (const auto* a = std::get_if<aggregate_spec>(&n.spec))
    return a->stage != aggregate_spec::phase::partial && !a->keys.empty() && !all_windows(*a);
  if (const auto* c = std::get_if<custom_spec>(&n.spec)) return !c->keys.empty();
  if (const auto* w = std::get_if<window_spec>(&n.spec)) return !w->keys.empty();
  if (const auto* j = std::get_if<join_spec>(&n.spec)) return !j->left.keys.empty();
  if (const auto* t = std::get_if<top_n_spec>(&n.spec)) return !t->keys.empty() && !t->preselect;
  if (const auto* o = std::get_if<over_spec>(&n.spec)) return !o->keys.empty();
  return std::holds_alternative<distinct_spec>(n.spec) ||
         std::holds_alternative<settle_spec>(n.spec);
}

/// All rows must meet in one place.
bool runs_once(const operator_node& n) {
  if (const auto* j = std::get_if<join_spec>(&n.spec)) return j->left.keys.empty();
  if (const auto* t = std::get_if<top_n_spec>(&n.spec)) return t->keys.empty() && !t->preselect;
  if (const auto* o = std::get_if<over_spec>(&n.spec)) return o->keys.empty();
  const auto* a = std::get_if<aggregate_spec>(&n.spec);
  return a && (a->keys.empty() || all_windows(*a)) && a->stage != aggregate_spec::phase::partial;
}

status check_edge(const physical_plan& plan, const plan_edge& e) {
  const auto n = plan.operators.size();
  if (e.from.value >= n || e.to.value >= n)
    return bad("edge from operator " + std::to_string(e.from.value) + " to " +
               std::to_string(e.to.value) + " of " + std::to_string(n));
  const auto& from = plan.operators[e.from.value];
  const auto& to = plan.operators[e.to.value];
  const auto where = "edge \"" + from.id + "\" -> \"" + to.id + "\"";
  if (e.from.value >= e.to.value) return bad(where + " is against the topological order");
  auto type = output_of(from, e.from_port);
  if (!type)
    return bad(where + " leaves output " + std::to_string(e.from_port) + ", which is none");
  if (std::holds_alternative<source_spec>(to.spec)) return bad(where + " enters a source");
  if ((e.exchange == exchange_kind::hash) == e.keys.empty())
    return bad(where + (e.keys.empty() ? " is a hash exchange without keys"
                                       : " has keys but is no hash exchange"));
  for (auto k : e.keys)
    if (k >= type->size())
      return bad(where + " has key column " + std::to_string(k) + " of " +
                 std::to_string(type->size()));
  if (e.exchange == exchange_kind::forward &&
      plan.parallelism_of(e.from) != plan.parallelism_of(e.to))
    return bad(where + " is forward between parallelism " +
               std::to_string(plan.parallelism_of(e.from)) + " and " +
               std::to_string(plan.parallelism_of(e.to)));
  if (needs_key_partitioning(to) && plan.parallelism_of(e.to) > 1 &&
      (e.exchange == exchange_kind::rebalance || e.exchange == exchange_kind::broadcast))
    return bad(where + " does not keep rows of one key together");
  return {};
}

status check_node(const physical_plan& plan, uint32_t i, const std::vector<schema_ptr>& in) {
  const auto& n = plan.operators[i];
  const bool source = std::holds_alternative<source_spec>(n.spec);
  const bool sink = std::holds_alternative<sink_spec>(n.spec);
  const bool many = std::holds_alternative<union_spec>(n.spec) ||
                    std::holds_alternative<custom_spec>(n.spec) ||
                    std::holds_alternative<join_spec>(n.spec);
  if (sink && n.output) return bad(n, "a sink has no output");
  if (!sink) WEIR_TRY(check_schema(n, n.output, "output"));
  if (n.parallelism > plan_parallelism_max)
    return bad(n, "parallelism " + std::to_string(n.parallelism) + " is over " +
                      std::to_string(plan_parallelism_max));
  if (source ? !in.empty() : in.empty())
    return bad(n, source ? "a source has an input" : "has no input");
  if (!many && in.size() > 1)
    return bad(n, "has " + std::to_string(in.size()) + " inputs, not one");
  if (source && n.on_error != error_policy::fail)
    return bad(n, "a source has its error policy in its table");
  if (n.on_error != error_policy::dead_letter && !n.dead_letter_folder.empty())
    return bad(n, "has a folder for dead letters that it never writes");
  if (n.on_error == error_policy::dead_letter && n.dead_letter_folder.empty() &&
      !dead_letter_source(plan, operator_index(i)))
    return bad(n, "has no folder for dead letters");
  if (n.state_ttl_us != 0 && !takes_state_ttl(n.spec))
    return bad(n, "keeps nothing that a state_ttl would bound");
  if (n.state_ttl_us != 0 &&
      (n.state_ttl_us < state_ttl_min_us || n.state_ttl_us > state_ttl_max_us))
    return bad(n, "state_ttl is not within its limits");
  const auto parallelism = plan.parallelism_of(operator_index(i));
  if (needs_key_partitioning(n) && parallelism > plan.key_groups)
    return bad(n, "parallelism " + std::to_string(parallelism) + " is over the " +
                      std::to_string(plan.key_groups) +
                      " key groups; lower it, or set key_groups higher");
  const auto* w = std::get_if<window_spec>(&n.spec);
  if (w && holds_rows(*w) && w->keys.empty() && parallelism != 1)
    return bad(n,
               "sessions of all rows have parallelism " + std::to_string(parallelism) + ", not 1");
  if (runs_once(n) && parallelism != 1)
    return bad(n, (std::holds_alternative<aggregate_spec>(n.spec)
                       ? "an aggregate"
                       : "a " + std::string(kind_name(n.spec))) +
                      " without keys has parallelism " + std::to_string(parallelism) + ", not 1");
  return std::visit(spec_checker{plan, n, in}, n.spec);
}

}  // namespace

status validate(const physical_plan& plan) {
  if (plan.operators.empty()) return bad("no operators");
  if (plan.operators.size() > plan_operators_max)
    return bad("more than " + std::to_string(plan_operators_max) + " operators");
  if (plan.edges.size() > 4U * plan_operators_max)
    return bad("more than " + std::to_string(4U * plan_operators_max) + " edges");
  if (plan.parallelism == 0 || plan.parallelism > plan_parallelism_max)
    return bad("parallelism " + std::to_string(plan.parallelism) + " is not in 1 to " +
               std::to_string(plan_parallelism_max));
  if (plan.key_groups == 0 || plan.key_groups > plan_key_groups_max)
    return bad("key_groups " + std::to_string(plan.key_groups) + " is not in 1 to " +
               std::to_string(plan_key_groups_max));
  std::set<std::string_view> ids;
  for (const auto& n : plan.operators) {
    if (n.id.empty()) return bad(n, "has no stable id");
    if (!ids.insert(n.id).second) return bad(n, "its stable id is used twice");
  }
  std::vector<std::vector<schema_ptr>> inputs(plan.operators.size());
  for (const auto& e : plan.edges) {
    WEIR_TRY(check_edge(plan, e));
    auto& in = inputs[e.to.value];
    if (e.to_port != in.size())
      return bad(plan.operators[e.to.value], "input " + std::to_string(e.to_port) +
                                                 " comes where " + std::to_string(in.size()) +
                                                 " is due");
    in.push_back(output_of(plan.operators[e.from.value], e.from_port));
  }
  for (uint32_t i = 0; i < plan.operators.size(); ++i) WEIR_TRY(check_node(plan, i, inputs[i]));
  return {};
}

}  // namespace weir
