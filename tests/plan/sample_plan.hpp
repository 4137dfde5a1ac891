// Plans made by hand for the tests of this room: no planner, no parser.
#pragma once

#include "runtime/plan/plan.hpp"

namespace weir::test {

inline schema_ptr make_schema(std::vector<field> fields, std::optional<uint32_t> event_time = {}) {
  auto s = std::make_shared<schema>();
  s->fields = std::move(fields);
  s->event_time = event_time;
  return s;
}

inline expr::node_ptr column(const schema_ptr& s, uint32_t i) {
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::column;
  n->type = s->fields[i].type;
  n->column = i;
  return n;
}

inline expr::node_ptr literal(scalar v) {
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::literal;
  n->type = v.type;
  n->literal = std::move(v);
  return n;
}

inline expr::node_ptr call(std::string f, data_type type, std::vector<expr::node_ptr> args) {
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::call;
  n->type = std::move(type);
  n->function = std::move(f);
  n->args = std::move(args);
  n->location = 7;
  return n;
}

inline void connect(physical_plan& p, uint32_t from, uint32_t to,
                    exchange_kind k = exchange_kind::forward, std::vector<uint32_t> keys = {},
                    uint16_t to_port = 0, uint16_t from_port = 0) {
  plan_edge e;
  e.from = operator_index(from);
  e.to = operator_index(to);
  e.from_port = from_port;
  e.to_port = to_port;
  e.exchange = k;
  e.keys = std::move(keys);
  p.edges.push_back(std::move(e));
}

inline uint32_t add(physical_plan& p, std::string id, operator_spec spec, schema_ptr output,
                    uint32_t parallelism = 0) {
  operator_node n;
  n.id = id;
  n.name = id;
  n.spec = std::move(spec);
  n.output = std::move(output);
  n.parallelism = parallelism;
  p.operators.push_back(std::move(n));
  return static_cast<uint32_t>(p.operators.size() - 1);
}

inline uint32_t add_sequence(physical_plan& p, std::string id, uint32_t parallelism = 0) {
  source_spec s;
  s.connector = "sequence";
  s.options = {{"connector", "sequence"}, {"end", "10"}};
  s.columns = make_schema({{"n", type_id::int64}});
  s.physical_columns = 1;
  auto columns = s.columns;
  return add(p, std::move(id), std::move(s), columns, parallelism);
}

inline uint32_t add_blackhole(physical_plan& p, std::string id, schema_ptr columns,
                              uint32_t parallelism = 0) {
  sink_spec s;
  s.connector = "blackhole";
  s.options = {{"connector", "blackhole"}};
  s.columns = std::move(columns);
  return add(p, std::move(id), std::move(s), nullptr, parallelism);
}

/// Every kind of operator, edge and literal once: source -> filter -> project -> tumble ->
/// flat_map -> partial => merge -> custom (side output) => distinct -> union -> sinks.
inline physical_plan full_plan() {
  physical_plan p;
  p.name = "full";
  p.mode = delivery_mode::at_least_once;
  p.key_groups = 64;
  p.parallelism = 4;

  auto table = make_schema({{"k", type_id::string},
                            {"v", type_id::int64, false},
                            {"t", type_id::timestamp},
                            {"twice", type_id::int64}},
                           2);
  source_spec src;
  src.connector = "file";
  src.options = {{"connector", "file"}, {"path", "in.csv"}, {"null_text", ""}};
  src.base_dir = "/jobs";
  src.columns = table;
  src.generated = {call("+", type_id::int64, {column(table, 1), column(table, 1)})};
  src.physical_columns = 3;
  src.watermark_delay_us = 5'000'000;
  src.idle_timeout_us = 60'000'000;
  src.on_error = error_policy::dead_letter;
  src.dead_letter_path = "bad.jsonl";
  add(p, "in", src, table);

  auto shared = call("lower", type_id::string, {column(table, 0)});
  auto decimal = (int128{0x0123456789abcdef} << 64) | 0xfedcba9876543210ULL;
  scalar list = scalar::of_string("x\0y", type_id::bytes);
  list.s = std::string("x\0y", 3);
  add(p, "where",
      filter_spec{call("and", type_id::boolean,
                       {call("=", type_id::boolean, {shared, literal(scalar::of_string("é"))}),
                        call("<>", type_id::boolean, {shared, literal(list)})})},
      table);
  p.operators.back().on_error = error_policy::dead_letter;
  p.operators.back().dead_letter_folder = "/jobs/dead";
  auto projected = make_schema({{"k", type_id::string},
                                {"d", data_type(type_id::decimal, 7)},
                                {"f", type_id::float64},
                                {"i", type_id::interval},
                                {"t", type_id::timestamp}},
                               4);
  add(p, "select",
      project_spec{{column(table, 0), literal(scalar::of_decimal(-decimal, 7)),
                    literal(scalar::of_double(-0.0)), literal(scalar::of_interval({-1, 2, -3})),
                    column(table, 2)}},
      projected);
  auto windowed = std::make_shared<schema>(*projected);
  windowed->fields.push_back({"window_start", type_id::timestamp});
  windowed->fields.push_back({"window_end", type_id::timestamp});
  add(p, "tumble", window_spec{4, {window_kind::tumble, 3'600'000'000, 0}}, windowed);
  auto words = make_schema({{"t", type_id::timestamp}, {"word", type_id::string}}, 0);
  add(p, "words", flat_map_spec{"split", column(windowed, 0), ";", {4}}, words);

  aggregate_spec agg;
  agg.stage = aggregate_spec::phase::partial;
  agg.keys = {1};
  aggregate_call count;
  count.type = type_id::int64;
  count.name = "n";
  aggregate_call strings;
  strings.function = aggregate_function::string_agg;
  strings.argument = column(words, 1);
  strings.filter = literal(scalar::of_null(type_id::boolean));
  strings.separator = ", ";
  strings.type = type_id::string;
  strings.name = "all";
  agg.calls = {count, strings};
  auto counted =
      make_schema({{"word", type_id::string}, {"n", type_id::int64}, {"all", type_id::string}});
  add(p, "count/partial", agg, counted);
  agg.stage = aggregate_spec::phase::merge;
  agg.keys = {0};
  agg.emit = emit_mode::final_only;
  agg.input_has_changes = true;
  agg.complete_input = words;
  add(p, "count", agg, counted, 2);

  custom_spec custom;
  custom.library = "/lib/op.so";
  custom.class_name = "detector";
  custom.parameters = {{"threshold", "3"}};
  custom.keys = {0};
  custom.side_outputs = {counted};
  add(p, "detect", custom, counted, 2);
  add(p, "distinct", distinct_spec{}, counted, 3);
  p.operators.back().emits_changes = true;
  add(p, "both", union_spec{}, counted, 3);
  sink_spec sink;
  sink.connector = "stdout";
  sink.options = {{"connector", "stdout"}};
  sink.base_dir = "/jobs";
  sink.columns = counted;
  sink.final_only = true;
  add(p, "out", sink, nullptr, 1);

  connect(p, 0, 1);
  connect(p, 1, 2);
  connect(p, 2, 3);
  connect(p, 3, 4);
  connect(p, 4, 5);
  connect(p, 5, 6, exchange_kind::hash, {0});
  connect(p, 6, 7);
  connect(p, 7, 8, exchange_kind::hash, {0, 1, 2}, 0, 1);
  connect(p, 7, 9, exchange_kind::rebalance, {}, 0);
  connect(p, 8, 9, exchange_kind::forward, {}, 1);
  connect(p, 9, 10, exchange_kind::rebalance);
  return p;
}

}  // namespace weir::test
