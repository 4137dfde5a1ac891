// From tables and relational steps to a physical plan. YAML and SQL front ends call it step by
// step, with expressions already bound; it keeps a logical graph, and build() prunes columns,
// merges projections, splits aggregates in front of exchanges, chooses exchanges and checks sinks.
// One thread; a builder makes one plan.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::planner {

struct column_def {
  std::string name;
  data_type type;
  std::string generated = {};  // SQL text of GENERATED ALWAYS AS (...) STORED, or empty
  expr::node_ptr value = {};  // the same, bound to the other columns, where a front end has done so
};
struct table_def {
  std::string name;
  std::vector<column_def> columns;  // none, for sinks: the columns that come
  option_map options;               // WITH options, connector included
  std::vector<std::string> primary_key = {};
  /// Of a sink that shows the table that stands at the end: its order, and how many of the last
  /// columns only order it.
  std::vector<order_term> order = {};
  uint32_t hidden = 0;
};
/// Columns of a table in order, generated ones last, event time set when `event_time` names one.
result<schema_ptr> schema_of_table(const table_def&);

/// What a step left: an output of a logical node.
struct relation {
  uint32_t node = 0;
  uint16_t port = 0;
  friend bool operator==(const relation&, const relation&) = default;
};

struct step_options {
  std::string id;            // stable id; empty = derived from kind, inputs' ids and position
  std::string name;          // for people; empty = made from what it does
  uint32_t parallelism = 0;  // 0 = the job's
  std::string what;          // with no id: what tells it from others of its kind, part of the id
};

struct named_expr {
  std::string name;
  expr::node_ptr value;
};
struct flat_map_def {
  std::string function;  // split, words, lines, unnest
  expr::node_ptr argument;
  std::string delimiter;
  std::string output_name;
  bool outer = false;       // a row without elements stays, with NULL
  bool ordinality = false;  // the column is a struct of the element (item) and its number
};
struct aggregate_def {
  std::vector<named_expr> keys;
  std::vector<aggregate_call> calls;  // types are set by the builder
  bool final_only = false;            // one row per key when the input ends; windows always so
  /// Behind a window each window is a group of its own, keys or not. False: only where the keys say
  /// which window it is, by one of its bounds or by both; else its rows are rows like others.
  bool by_window = true;
};
/// Columns of the input by index.
struct top_n_def {
  std::vector<uint32_t> keys;  // none: all rows are one partition
  std::vector<order_term> order;
  rank_function function = rank_function::row_number;
  uint64_t offset = 0;
  uint64_t limit = 1;
  bool with_ties = false;
  bool final_only = false;    // once, in order, when the input ends; else as changes
  bool by_window = false;     // set by the builder: a key is a window's end
  std::string number_name;    // of a column behind the input's with the number; empty: none
  bool last_arrived = false;  // no order: the key's last row
  bool upserts = false;       // as top_n_spec's
  friend bool operator==(const top_n_def&, const top_n_def&) = default;
};
/// Columns of the input by index.
struct over_def {
  std::vector<uint32_t> keys;  // none: all rows are one partition
  std::vector<order_term> order;
  std::vector<over_call> calls;
  bool final_only = false;  // once, in order, when the input ends
  bool by_window = false;   // set by the builder: a key is a window's end, and they leave with it
  bool by_time = false;     // set by the builder: once, when the watermark has passed them
};
struct window_def {
  window_shape shape;
  /// Sessions: columns of the input whose values have sessions of their own. Left out: the other
  /// keys of the aggregate that groups by the windows' bounds, or none.
  std::optional<std::vector<uint32_t>> keys = {};
};
struct custom_def {
  std::string library;  // as the job names it
  std::string class_name;
  option_map parameters;
  std::vector<std::string> keys;  // columns of the first input
};
/// What a custom operator's library says about a class.
struct custom_info {
  std::string library;  // path
  schema_ptr output;
  std::vector<std::pair<std::string, schema_ptr>> side_outputs;
};
using custom_resolver = std::function<result<custom_info>(
    const custom_def&, const std::vector<schema_ptr>& inputs, const std::string& job_dir)>;
/// Finds and loads the library (runtime/custom).
custom_resolver library_resolver();

struct plan_settings {
  std::string name;
  std::string base_dir;  // the job file's folder
  delivery_mode mode = delivery_mode::exactly_once;
  uint32_t parallelism = 1;
  uint32_t key_groups = default_key_groups;
  bool final_output = false;  // --final: stdout shows the table that stands at the end
  custom_resolver custom;     // none: library_resolver()
};

struct logical_node {
  enum class kind : uint8_t {
    scan,
    filter,
    project,
    flat_map,
    aggregate,
    window,
    unite,
    distinct,
    custom,
    join,
    repeat,
    settle,
    sink,
    top_n,
    over
  };
  kind what = kind::scan;
  step_options step;
  std::vector<relation> inputs;
  schema_ptr output;  // main output, before pruning; of a sink: what it takes
  bool emits_changes = false;
  std::optional<uint32_t> window_start, window_end;  // columns of the output
  uint32_t parallelism = 0;
  int64_t state_ttl_us = 0;  // 0 = none
  // By kind:
  table_def table;                    // scan, sink
  expr::node_ptr predicate;           // filter; join: over both sides' columns, null: all pairs
  join_kind join = join_kind::inner;  //
  uint32_t count_column = 0;          // repeat
  std::vector<named_expr> columns;    // project; generated of scan; keys of aggregate
  flat_map_def flat;                  //
  std::vector<aggregate_call> calls;  // aggregate
  bool final_only = false;            // aggregate
  window_def window;                  // window; of an aggregate with `sliced`: what it makes
  /// window: its bounds are those of slices, which aggregates make windows of; aggregate: it does
  bool sliced = false;
  custom_def custom;                  //
  std::vector<uint32_t> custom_keys;  //
  custom_info info;                   // custom; aggregate: its output for late rows
  std::vector<uint32_t> late;         // aggregate: columns of the input that those have
  top_n_def top;                      // top_n
  over_def over;                      // over
};

class plan_builder {
 public:
  explicit plan_builder(plan_settings);

  /// Of the steps from here on: what they keep is dropped when nothing touched it for so long;
  /// 0 = never. Steps that answer once keep their answer.
  void set_state_ttl(int64_t us) noexcept { state_ttl_us_ = us; }
  int64_t state_ttl() const noexcept { return state_ttl_us_; }

  /// A table that is read. The same table again is the same source.
  result<relation> source(const table_def&);
  result<relation> filter(relation, expr::node_ptr predicate, step_options = {});
  result<relation> project(relation, std::vector<named_expr>, step_options = {});
  /// The input's columns and one more.
  result<relation> flat_map(relation, flat_map_def, step_options = {});
  /// Behind a window: `keys` get its start and end where they lack them.
  result<relation> aggregate(relation, aggregate_def, step_options = {});
  /// Over the event time of the input: adds window_start and window_end.
  result<relation> window(relation, window_def, step_options = {});
  /// By position; names are those of the first.
  result<relation> unite(const std::vector<relation>&, step_options = {});
  result<relation> distinct(relation, step_options = {});
  /// Pairs that the condition accepts (null: all), over the left columns, then the right ones.
  /// Output likewise, right names made unique; of semi and anti joins the left columns.
  result<relation> join(relation left, relation right, join_kind, expr::node_ptr condition,
                        step_options = {});
  /// Each row as often as a bigint column says, without that column.
  result<relation> repeat(relation, uint32_t count_column, step_options = {});
  /// The rows that stand when the input ends, once.
  result<relation> settle(relation, step_options = {});
  /// The input's columns and those of window functions. Over the input's event time, ascending,
  /// rows leave once; else as changes.
  result<relation> over(relation, over_def, step_options = {});
  /// The first rows of each partition in an order, as changes.
  result<relation> top_n(relation, top_n_def, step_options = {});
  result<relation> custom(const std::vector<relation>&, custom_def, step_options = {});
  /// Columns go to the sink's by name, cast where PostgreSQL would assign them.
  status sink(relation, const table_def&, step_options = {});
  /// As sink(), by position.
  status sink_by_position(relation, const table_def&, step_options = {});

  /// Rows that come too late for windows over tables with the option late_table go to the tables
  /// that it names; `find` gives those. After all steps and sinks.
  status add_late_tables(const std::function<result<table_def>(const std::string& name)>& find);

  schema_ptr schema_of(relation) const;
  bool emits_changes(relation r) const { return nodes_[r.node].emits_changes; }
  const logical_node& node(relation r) const { return nodes_[r.node]; }
  /// Whether no two rows that stand at a time agree in these columns (none: there is one row at
  /// most). False where nothing says so.
  bool unique_by(relation, const std::vector<uint32_t>& columns) const;
  /// The nearest step above whose own rows change (an aggregate without window), if there is one.
  std::optional<relation> changing_step(relation) const;
  /// A named side output of a custom step.
  result<relation> side_output(relation, std::string_view name) const;

  /// The plan, validated. Sources that nothing uses are left out.
  /// `failed`: the id of the step that the error is about, if it is about one.
  result<physical_plan> build(std::string* failed = nullptr) const;

 private:
  relation add(logical_node);
  bool leaves_by_window(relation, const std::vector<uint32_t>& keys) const;
  bool tells_window(relation, uint32_t bound, const std::vector<named_expr>& keys) const;
  /// The window whose bounds rows have, where aggregates can make it of slices; else null.
  const logical_node* sliced_window(relation) const;
  void tables_of(uint32_t node, std::vector<uint32_t>& scans) const;
  bool drops_late_rows(const logical_node&) const;
  result<relation> late_output(uint32_t node, const std::string& table,
                               const std::vector<std::string>& columns);
  /// What a join with a table that is looked up must be.
  status check_lookup(relation left, relation right, join_kind) const;
  status check_sink(relation, const table_def&) const;
  /// The rows as a table with a PRIMARY KEY holds them: one per key, the last one written.
  result<relation> one_per_key(relation, const table_def&, const std::string& sink_id);
  status add_sink(relation, const table_def&, step_options, std::vector<expr::node_ptr>,
                  schema_ptr);
  std::string position_id(std::string_view kind, std::string_view what,
                          const std::vector<relation>& inputs) const;

  plan_settings settings_;
  int64_t state_ttl_us_ = 0;
  std::vector<logical_node> nodes_;
};

/// The options of a table that is read which say how its event time goes on.
status check_time_options(const table_def&);

/// Logical graph to physical plan; build() calls it.
result<physical_plan> expand(const plan_settings&, const std::vector<logical_node>&,
                             std::string* failed = nullptr);

/// "\"odd name\"": a column name as SQL text.
std::string quote_name(std::string_view);
/// A reference to column i.
expr::node_ptr column_ref(const schema&, uint32_t i);
/// The index when the expression is nothing but a column.
std::optional<uint32_t> bare_column(const expr::node_ptr&);
/// `100ms`, `5m`, or SQL's `1 day`, `90 minutes`. Microseconds.
result<int64_t> duration_us(std::string_view text, std::string_view what);
/// A state_ttl: a duration within its limits, or 0 for none.
result<int64_t> state_ttl_us(std::string_view text);

}  // namespace weir::planner
