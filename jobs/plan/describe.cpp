#include "jobs/plan/describe.hpp"

#include "jobs/plan/builder.hpp"

#include "jobs/plan/aggregate_call.hpp"
#include "runtime/base/units.hpp"
#include "runtime/connectors/growing_source.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::planner {
namespace {

std::string option(const option_map& m, const char* key) {
  auto v = m.find(key);
  return v == m.end() ? "" : v->second;
}

std::string connector_text(const std::string& connector, const option_map& options) {
  std::string out = connector;
  if (auto path = option(options, "path"); !path.empty()) out += ' ' + path;
  if (auto format = option(options, "format"); !format.empty()) out += " (" + format + ')';
  return out;
}

struct describer {
  const operator_node& n;
  const std::vector<schema_ptr>& in;

  std::string operator()(const source_spec& s) const {
    auto out = "source " + connector_text(s.connector, s.options);
    std::string columns;
    for (const auto& f : s.columns->fields) columns += (columns.empty() ? "" : ", ") + f.name;
    out += ": " + columns;
    if (s.split_filter) out += "; files where " + expr::to_sql(*s.split_filter, *s.columns);
    if (s.columns->event_time)
      out += "; event time " + s.columns->fields[*s.columns->event_time].name + ", up to " +
             format_duration_us(s.watermark_delay_us - lateness(s)) + " out of order";
    if (lateness(s) > 0) out += ", windows open " + format_duration_us(lateness(s)) + " longer";
    if (s.on_error != error_policy::fail) out += std::string("; on error ") + to_string(s.on_error);
    return out;
  }
  /// What the table's windows wait beyond its watermark_delay; part of the spec's.
  static int64_t lateness(const source_spec& s) {
    auto o = s.options.find("allowed_lateness");
    if (o == s.options.end()) return 0;
    auto us = duration_us(o->second, "allowed_lateness");
    return us.ok() ? *us : 0;
  }
  std::string operator()(const sink_spec& s) const {
    return "sink " + connector_text(s.connector, s.options) +
           (s.final_only ? ", final table" : "") +
           (s.order.empty() ? "" : " in order of " + order_text(s.order, s.columns));
  }
  std::string operator()(const filter_spec& s) const {
    return "filter " + expr::to_sql(*s.predicate, *in[0]);
  }
  std::string operator()(const project_spec& s) const {
    std::string out;
    for (size_t i = 0; i < s.columns.size(); ++i) {
      out += out.empty() ? "" : ", ";
      const auto& name = n.output->fields[i].name;
      auto sql = expr::to_sql(*s.columns[i], *in[0]);
      out += sql == name || sql == '"' + name + '"' ? name : sql + " AS " + name;
    }
    return "project " + out;
  }
  std::string operator()(const flat_map_spec& s) const {
    const auto blank = std::min(s.function.find(' '), s.function.size());
    auto out = "flat_map" + s.function.substr(blank) + ' ' + s.function.substr(0, blank) + '(' +
               expr::to_sql(*s.argument, *in[0]);
    if (!s.delimiter.empty()) out += ", '" + s.delimiter + '\'';
    return out + ") AS " + n.output->fields.back().name;
  }
  std::string operator()(const aggregate_spec& s) const {
    const auto& arguments = s.stage == aggregate_spec::phase::merge ? *s.complete_input : *in[0];
    std::string out = s.stage == aggregate_spec::phase::partial ? "pre-aggregate " : "aggregate ";
    for (size_t i = 0; i < visible_calls(s); ++i)
      out += (i ? ", " : "") + to_sql(s.calls[i], arguments);
    if (!s.keys.empty()) out += " by " + join_columns(s.keys, in[0]);
    if (s.stage != aggregate_spec::phase::partial && s.emit == emit_mode::final_only)
      out += s.windows          ? "; once per window: " + windows_text(*s.windows)
             : s.window_end_key ? "; once per window"
                                : "; once, at the end";
    if (s.late_output) out += "; late rows apart";
    return out;
  }
  std::string operator()(const union_spec&) const { return "union"; }
  std::string operator()(const settle_spec&) const { return "rows that stand at the end"; }
  std::string operator()(const distinct_spec&) const { return "distinct"; }
  std::string operator()(const over_spec& s) const {
    std::string out = "over";
    if (!s.keys.empty()) out += " (" + join_columns(s.keys, in[0]) + ')';
    if (!s.order.empty()) out += " in order of " + order_text(s.order, in[0]);
    out += ": ";
    for (size_t i = 0; i < s.calls.size(); ++i) out += (i ? ", " : "") + s.calls[i].name;
    if (s.emit == emit_mode::final_only)
      out += s.time_column      ? "; once, behind the watermark"
             : s.window_end_key ? "; once per window"
                                : "; once, at the end";
    return out;
  }
  std::string operator()(const top_n_spec& s) const {
    if (s.upserts) return "the newest row per " + join_columns(s.keys, in[0]);
    if (s.last_arrived)
      return (s.preselect ? "preselect the last row per " : "the last row written per ") +
             join_columns(s.keys, in[0]);
    std::string out = s.preselect ? "preselect " : "";
    out += s.function != rank_function::row_number || s.with_ties ? "top ranks " : "top ";
    if (s.with_ties) out = s.preselect ? "preselect top with ties " : "top with ties ";
    const bool all = s.limit > UINT64_MAX - s.offset || s.limit == UINT64_MAX;
    if (all && s.offset == 0)
      out = "sort";
    else if (s.offset > 0)
      out += std::to_string(s.offset + 1) + " to ";
    if (!all)
      out += std::to_string(s.offset + s.limit);
    else if (s.offset > 0)
      out += "the end";
    if (s.function == rank_function::dense_rank) out += " (dense)";
    if (!s.order.empty()) out += " by " + order_text(s.order, in[0]);
    if (!s.keys.empty()) out += " per " + join_columns(s.keys, in[0]);
    if (s.with_number) out += ", numbered";
    if (s.emit == emit_mode::final_only && !s.preselect)
      out += s.window_end_key ? "; once per window" : "; once, at the end";
    return out;
  }
  std::string operator()(const custom_spec& s) const {
    auto name = s.library.substr(s.library.rfind('/') + 1);
    std::string out = "operator " + s.class_name + " of " + name;
    if (!s.keys.empty()) out += " by " + join_columns(s.keys, in[0]);
    for (const auto& [k, v] : s.parameters) out += "; " + k + " = " + v;
    return out;
  }
  std::string operator()(const join_spec& s) const {
    std::string out = join_name(s.kind);
    for (size_t k = 0; k < s.left.keys.size(); ++k) {
      const bool safe = k < s.left.null_safe.size() && s.left.null_safe[k];
      out += (k ? " and " : " on ") + in[0]->fields[s.left.keys[k]].name +
             (safe ? " is not distinct from " : " = ") + in[1]->fields[s.right.keys[k]].name;
    }
    if (s.left.keys.empty() && !s.condition) out += ", all pairs";
    if (!s.condition) return out + behind(s);
    schema read;
    for (auto c : s.condition_columns)
      read.fields.push_back(c < in[0]->size() ? in[0]->fields[c]
                                              : in[1]->fields[c - in[0]->size()]);
    return out + (s.left.keys.empty() ? " on " : " and ") + expr::to_sql(*s.condition, read) +
           behind(s);
  }
  std::string behind(const join_spec& s) const {
    return s.delay_us == 0
               ? ""
               : "; its watermark is " + format_duration_us(s.delay_us) + " behind its inputs'";
  }
  std::string operator()(const lookup_spec& s) const {
    std::string out =
        s.kind == join_kind::inner ? "look up" : "look up (" + std::string(join_name(s.kind)) + ")";
    for (size_t k = 0; k < s.keys.size(); ++k) {
      const bool safe = k < s.null_safe.size() && s.null_safe[k];
      out += (k ? " and " : " ") + in[0]->fields[s.keys[k]].name +
             (safe ? " is not distinct from " : " = ") + s.rows->fields[s.table_keys[k]].name;
    }
    if (s.condition) {
      schema read;
      for (auto c : s.condition_columns)
        read.fields.push_back(c < in[0]->size() ? in[0]->fields[c]
                                                : s.rows->fields[c - in[0]->size()]);
      out += (s.keys.empty() ? " " : " and ") + expr::to_sql(*s.condition, read);
    }
    out += " in " + connector_text(s.table.connector, s.table.options);
    if (s.filter) out += " where " + expr::to_sql(*s.filter, *s.table.columns);
    const auto newest = s.table.options.find(std::string(newest_by_option));
    const bool grows = newest != s.table.options.end();
    if (grows) {
      out += ", newest rows by ";
      for (char c : newest->second) out += c == '\n' ? std::string(", ") : std::string(1, c);
    }
    if (s.cache_us)
      out += (grows ? ", read on every " : ", read again every ") + format_duration_us(s.cache_us);
    return out;
  }
  std::string operator()(const repeat_spec& s) const {
    return "repeat by " + in[0]->fields[s.count_column].name;
  }
  std::string operator()(const window_spec& s) const {
    auto out = (s.slices ? "slices of " : "") + windows_text(s.shape) + " over " +
               in[0]->fields[s.time_column].name;
    if (!s.keys.empty()) out += " by " + join_columns(s.keys, in[0]);
    return out;
  }
  static std::string windows_text(const window_shape& s) {
    const auto size = format_duration_us(s.size_us), step = format_duration_us(s.step_us);
    switch (s.kind) {
      case window_kind::tumble:
        return "tumbling windows of " + size;
      case window_kind::hop:
        return "hops of " + size + " every " + step;
      case window_kind::cumulate:
        return "windows that grow by " + step + " up to " + size;
      case window_kind::session:
        return "sessions with gaps below " + size;
    }
    return "windows";
  }
};

constexpr size_t literal_chars_max = 80;  // a line of a plan is for reading

/// SQL text whose long literals are cut: '{1,2,3...'.
std::string with_short_literals(const std::string& sql) {
  std::string out;
  for (size_t i = 0; i < sql.size();) {
    const char quote = sql[i];
    if (quote != '\'' && quote != '"') {
      out += sql[i++];
      continue;
    }
    size_t end = i + 1;  // behind the closing quote; '' is a quote inside
    while (end < sql.size() &&
           (sql[end] != quote || (end + 1 < sql.size() && sql[end + 1] == quote)))
      end += sql[end] == quote ? 2 : 1;
    const bool closed = end < sql.size();
    if (closed) ++end;
    if (closed && quote == '\'' && end - i > literal_chars_max) {
      size_t cut = i + literal_chars_max;
      while (cut > i && (static_cast<unsigned char>(sql[cut]) & 0xC0) == 0x80) --cut;
      out += sql.substr(i, cut - i) + "...'";
    } else {
      out += sql.substr(i, end - i);
    }
    i = end;
  }
  return out;
}

}  // namespace

std::string order_text(const std::vector<order_term>& order, const schema_ptr& in) {
  std::string out;
  for (const auto& t : order) {
    out += (out.empty() ? "" : ", ") + in->fields[t.column].name;
    if (t.descending) out += " DESC";
    // As PostgreSQL has it, NULLs are larger than everything.
    if (t.nulls_first != t.descending) out += t.nulls_first ? " NULLS FIRST" : " NULLS LAST";
  }
  return out;
}

std::string join_columns(const std::vector<uint32_t>& columns, const schema_ptr& in) {
  std::string out;
  for (auto c : columns) out += (out.empty() ? "" : ", ") + in->fields[c].name;
  return out;
}

std::string describe(const physical_plan& plan, operator_index i) {
  auto in = input_schemas(plan, i);
  const auto& n = plan.operators[i.value];
  return with_short_literals(std::visit(describer{n, in}, n.spec));
}

}  // namespace weir::planner
