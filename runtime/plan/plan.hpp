// The physical plan of a job: a graph of parallel operators. Planners (jobs/) make it, job masters
// (actors/) deploy it, runtime/operators and runtime/connectors build instances from it. Plain
// values; the Cap'n Proto form is schema/plan.capnp.
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/column/types.hpp"
#include "runtime/expr/node.hpp"

namespace weir {

using option_map = std::map<std::string, std::string>;

enum class delivery_mode : uint8_t { exactly_once = 0, at_least_once = 1, at_most_once = 2 };
enum class error_policy : uint8_t { fail = 0, skip = 1, dead_letter = 2 };
enum class exchange_kind : uint8_t { forward = 0, hash = 1, broadcast = 2, rebalance = 3 };

/// Reads a table through a connector. Its output: `columns` in order, of which the first
/// physical_columns come from the connector and the rest are computed (GENERATED ... STORED).
struct source_spec {
  std::string connector;
  option_map options;    // the table's WITH options, connector included
  std::string base_dir;  // what relative paths are relative to: the job file's folder
  schema_ptr columns;    // only those that the job uses
  /// All physical columns that the table declares, in order: places of columns in a CSV without
  /// header. Empty = exactly the physical ones of `columns`.
  std::vector<std::string> table_columns;
  std::vector<expr::node_ptr> generated;  // over the physical columns; casts included
  uint32_t physical_columns = 0;
  int64_t watermark_delay_us = 0;  // bounded out-of-orderness; with columns->event_time
  int64_t idle_timeout_us = 0;     // 0 = splits never leave the minimum for being idle
  error_policy on_error = error_policy::fail;
  std::string dead_letter_path;  // with error_policy::dead_letter
  /// May be null. Over those of `columns` that the connector knows without reading rows (a file's
  /// partition_by): it leaves out what holds no row for which this is true.
  expr::node_ptr split_filter = nullptr;
};
/// One term of ORDER BY: a column of the rows at hand. Text is ordered by its bytes.
struct order_term {
  uint32_t column = 0;
  bool descending = false;
  bool nulls_first = false;
  friend bool operator==(const order_term&, const order_term&) = default;
};
struct sink_spec {
  std::string connector;
  option_map options;
  std::string base_dir;
  schema_ptr columns;
  bool final_only = false;  // stdout with --final: the consolidated table when the input ends
  /// stdout: rows carry changes (its input emits_changes), so a first column `op` is printed (+,
  /// -).
  bool with_changes = false;
  std::vector<uint32_t> keys = {};     // the table's PRIMARY KEY
  std::vector<order_term> order = {};  // of the final table (with final_only)
  uint32_t hidden_columns = 0;         // the last ones of `columns`, which only order it
};
struct filter_spec {
  expr::node_ptr predicate;
};
struct project_spec {
  std::vector<expr::node_ptr> columns;
};
/// One row per element that `function` finds in `argument`, in a column that is appended to the
/// input's `kept` columns. Functions: split (by delimiter), words (split at non-letters and
/// lower-cased), lines, unnest (of a JSON array; list columns come with SQL).
struct flat_map_spec {
  std::string function;
  expr::node_ptr argument;
  std::string delimiter;
  std::vector<uint32_t> kept;
};
enum class aggregate_function : uint8_t {
  count_star = 0,
  count = 1,
  sum = 2,
  min = 3,
  max = 4,
  avg = 5,
  first = 6,
  last = 7,
  count_distinct = 8,
  stddev_samp = 9,
  stddev_pop = 10,
  var_samp = 11,
  var_pop = 12,
  string_agg = 13,
  bool_and = 14,
  bool_or = 15,
  bit_and = 16,
  bit_or = 17,
  bit_xor = 18,
  // Of two arguments, which come as one ("@pair" of runtime/expr).
  regr_count = 19,
  regr_avgx = 20,
  regr_avgy = 21,
  regr_sxx = 22,
  regr_syy = 23,
  regr_sxy = 24,
  regr_slope = 25,
  regr_intercept = 26,
  regr_r2 = 27,
  corr = 28,
  covar_pop = 29,
  covar_samp = 30,
};
inline constexpr auto aggregate_function_last = aggregate_function::covar_samp;
constexpr bool is_of_pairs(aggregate_function f) noexcept {
  return f >= aggregate_function::regr_count && f <= aggregate_function::covar_samp;
}
struct aggregate_call {
  aggregate_function function = aggregate_function::count_star;
  expr::node_ptr argument;  // none for count(*)
  expr::node_ptr filter;    // FILTER (WHERE ...), or none
  std::string separator;    // string_agg
  data_type type;           // of the result, as PostgreSQL has it (avg of integers: float64)
  std::string name;
};
/// Windows over event time, aligned to the epoch (1970-01-01). All are half-open: [start, end).
enum class window_kind : uint8_t { tumble = 0, hop = 1, cumulate = 2, session = 3 };
struct window_shape {
  window_kind kind = window_kind::tumble;
  int64_t size_us = 0;  // session: the gap that ends one
  int64_t step_us = 0;  // hop: from one window's start to the next; cumulate: by which they grow
  friend bool operator==(const window_shape&, const window_shape&) = default;
};
/// How an aggregate answers: `changes` emits -old +new per key as input arrives; `final_only` one
/// row per key when the input ends or the watermark passes it.
enum class emit_mode : uint8_t { changes = 0, final_only = 1 };
/// Groups by `keys` (columns of its input; none = one global group, which exists without input).
/// Output: keys, then one column per call. `partial` runs before the exchange and emits mergeable
/// accumulator columns that `merge` takes.
struct aggregate_spec {
  enum class phase : uint8_t { complete = 0, partial = 1, merge = 2 };
  phase stage = phase::complete;
  std::vector<uint32_t> keys;
  std::vector<aggregate_call> calls;
  emit_mode emit = emit_mode::changes;
  bool input_has_changes = false;  // weights other than +1 may arrive
  schema_ptr complete_input;       // stage merge: schema that the calls' arguments were bound to
  /// Index in `keys` of a window's end: with final_only its rows leave, and their state goes, when
  /// the watermark reaches it; later rows are counted and dropped.
  std::optional<uint32_t> window_end_key;
  /// Set: that key holds the ends of slices of these windows (windows.hpp), not of windows. There
  /// is one result per window and key, its end where the key stands and its start as an output
  /// column of its own, `window_start_at`. Of a partial stage: which rows it may not add up (late
  /// ones are counted one by one).
  std::optional<window_shape> windows;
  uint32_t window_start_at = 0;
  /// Rows that come too late for their windows leave through port 1, as these columns of the input.
  std::vector<uint32_t> late_columns;
  schema_ptr late_output;  // none: they are only counted
};
/// Calls that have a column in the output. Behind them, aggregates over sessions have min and max
/// of the rows' times: the sessions' bounds.
inline size_t visible_calls(const aggregate_spec& s) noexcept {
  const bool bounds = s.windows && s.windows->kind == window_kind::session;
  return s.calls.size() - (bounds ? std::min<size_t>(2, s.calls.size()) : 0);
}
struct union_spec {};
struct distinct_spec {};  // over all columns
struct custom_spec {
  std::string library;  // path of the shared library, absolute; with `content` only for people
  std::string class_name;
  option_map parameters;
  std::vector<uint32_t> keys;            // key columns of its (first) input; none = not keyed
  std::vector<schema_ptr> side_outputs;  // ports 1...
  /// SHA-256 of the library in hexadecimal: a node fetches what it lacks by that. Empty: `library`
  /// is where it is.
  std::string content = {};
  /// Where the library with that content is on this machine. Not part of a plan on the wire.
  std::string local = {};
};
/// Event-time windows over a timestamp column: adds window_start and window_end; a row of several
/// windows becomes several rows. With `slices` it adds one column instead, the end of the row's
/// slice, for an aggregate with `windows`. Rows without a time (or one beyond window_time_max) have
/// NULL there.
struct window_spec {
  uint32_t time_column = 0;
  window_shape shape;
  bool slices = false;
  /// Sessions of rows: whose values have sessions of their own; none: all rows together. They hold
  /// rows, which may be taken back meanwhile, and give each once.
  std::vector<uint32_t> keys = {};
};
enum class rank_function : uint8_t { row_number = 0, rank = 1, dense_rank = 2 };
/// The rows of each partition (`keys`; none = all rows, parallelism 1) whose number in `order` is
/// above `offset` and at most offset + limit. Rows that the terms leave equal are ordered by all
/// their columns. Output: the input's columns and, with_number, the number (bigint).
struct top_n_spec {
  std::vector<uint32_t> keys;
  std::vector<order_term> order;
  rank_function function = rank_function::row_number;
  uint64_t offset = 0;
  uint64_t limit = 1;
  bool with_ties = false;  // row_number: and the peers of the last row (FETCH FIRST ... WITH TIES)
  bool with_number = false;
  bool input_has_changes = false;  // weights other than +1 may arrive: all rows are kept
  /// final_only: rows leave once, in order, when the input ends.
  emit_mode emit = emit_mode::changes;
  /// Index in `keys` of a window's end: with final_only a partition's rows leave, and their state
  /// goes, when the watermark reaches it; later rows are counted and dropped.
  std::optional<uint32_t> window_end_key;
  /// There is no order: of the rows of a key that stand, the one that came last (limit 1).
  bool last_arrived = false;
  /// last_arrived: a row is its key's from now on, and -1 says that the key has none any more.
  bool upserts = false;
  /// In front of the exchange of such an operator over appended rows: of each batch those rows that
  /// can still be among the first of their partition, as they came. Keeps nothing, numbers nothing.
  bool preselect = false;
  /// A column of the input, the same in all rows of a key, of which none comes when the watermark
  /// is beyond it and retain_us: the key's state goes then, and with final_only its rows leave.
  /// Rows that come later all the same are counted and dropped. Of appended rows.
  std::optional<uint32_t> time_column = {};
  int64_t retain_us = 0;
};

/// semi and anti: the left rows that have a partner, or none. as_of: the newest right row whose
/// time is at most the left one's and its retain_us; as_of_left: or NULL.
enum class join_kind : uint8_t {
  inner = 0,
  left = 1,
  right = 2,
  full = 3,
  semi = 4,
  anti = 5,
  as_of = 6,
  as_of_left = 7
};
/// One input of a join.
struct join_side {
  std::vector<uint32_t> keys;   // columns, equal in number and types on both sides
  std::vector<bool> null_safe;  // by key: NULL equals NULL (IS NOT DISTINCT FROM)
  /// A row may leave once the watermark is beyond this column and retain_us: nothing that comes
  /// later can match it. Below 0: the column is a window's end, which no row reaches.
  std::optional<uint32_t> time_column;
  int64_t retain_us = 0;
  /// `time_column` is not the row's event time but some other one, up to which its partners come.
  /// Then rows whose `late_column` the watermark has passed may have missed partners, and are late;
  /// none: no row is.
  bool ends_by_column = false;
  std::optional<uint32_t> late_column = {};
  /// A row has one partner at most, for ever (a PRIMARY KEY of the other side is among the equal
  /// columns): it need not be kept once that one is there. Of inner joins.
  bool one_partner = false;
  bool has_changes = false;  // weights other than +1 may arrive
  /// The operator's state_ttl is not for its rows: they are a table that was read to its end.
  bool stays = false;
};
/// Pairs of rows with equal keys (none: all pairs) that the condition accepts. Ports 0 and 1 are
/// the left and the right input.
struct join_spec {
  join_kind kind = join_kind::inner;
  join_side left, right;
  /// What is asked beyond equal keys, over `condition_columns`, or none.
  expr::node_ptr condition;
  std::vector<uint32_t> condition_columns;  // numbers as in `output`
  std::vector<uint32_t> output;             // left columns, then right ones
  /// How much older than the watermark of its inputs its rows may be, by the event time of its
  /// output: of rows that are kept until a partner comes.
  int64_t delay_us = 0;
};
/// A join with a table as it is when a row comes. Each task has the whole table in memory: it reads
/// it when it starts, and again every `cache_us` (0 = never). Rows pass; nothing is in snapshots.
struct lookup_spec {
  join_kind kind = join_kind::inner;    // inner, left, semi or anti
  source_spec table;                    // bounded
  expr::node_ptr filter;                // over the table's columns: which rows count; none = all
  std::vector<expr::node_ptr> columns;  // of the rows that are looked up, over the table's columns
  schema_ptr rows;                      // their names and types
  std::vector<uint32_t> keys;           // columns of the input
  std::vector<uint32_t> table_keys;     // as many columns of `rows`, of the same types
  std::vector<bool> null_safe;          // by key, as in join_side
  /// As in join_spec; numbers are the input's columns, then those of `rows`.
  expr::node_ptr condition;
  std::vector<uint32_t> condition_columns;
  std::vector<uint32_t> output;
  int64_t cache_us = 0;
};
/// Multiplies each row's weight by a bigint column, which its output lacks; 0 and less drop it.
struct repeat_spec {
  uint32_t count_column = 0;
};
/// Rows with their weights are kept, and those that stand when the input ends are given then.
struct settle_spec {};

enum class over_function : uint8_t {
  row_number = 0,
  rank = 1,
  dense_rank = 2,
  percent_rank = 3,
  cume_dist = 4,
  ntile = 5,
  lag = 6,
  lead = 7,
  first_value = 8,
  last_value = 9,
  nth_value = 10,
  aggregate = 11,  // over_call::aggregate
};
/// The rows around a row that a window function looks at. Peers are rows that the order's terms
/// leave equal.
struct over_frame {
  enum class unit : uint8_t { range = 0, rows = 1, groups = 2 };
  enum class bound : uint8_t {
    unbounded_preceding = 0,
    preceding = 1,
    current_row = 2,
    following = 3,
    unbounded_following = 4
  };
  /// Which rows inside it are left out: none, the row itself, the row with its peers, its peers.
  enum class exclusion : uint8_t { none = 0, current_row = 1, group = 2, ties = 3 };
  unit in = unit::range;
  bound start = bound::unbounded_preceding, end = bound::current_row;
  /// Of preceding and following. rows, groups: how many, bigint. range: a distance on the order's
  /// one column: bigint (integers, days of dates, microseconds of timestamps), decimal of its scale
  /// or float64.
  scalar start_offset, end_offset;
  exclusion without = exclusion::none;
};
/// Arguments are columns of the input.
struct over_call {
  over_function function = over_function::row_number;
  aggregate_function aggregate = aggregate_function::count_star;
  std::optional<uint32_t> argument;
  std::optional<uint32_t> otherwise;  // lag, lead: the value where there is no such row
  std::optional<uint32_t> filter;     // aggregate: a boolean column
  int64_t count = 1;                  // lag, lead: rows away; ntile, nth_value: their argument
  over_frame frame;                   // first_value, last_value, nth_value, aggregate
  std::string separator;              // aggregate: of string_agg
  data_type type;                     // of the result
  std::string name;
};
/// Window functions over the rows of each partition (`keys`; none = all rows, parallelism 1) in an
/// order; rows that the terms leave equal are ordered by all their columns. Output: the input's
/// columns and one per call.
struct over_spec {
  std::vector<uint32_t> keys;
  std::vector<order_term> order;
  std::vector<over_call> calls;
  bool input_has_changes = false;  // weights other than +1 may arrive
  /// final_only: rows leave once, in order: when the watermark has passed them (time_column, the
  /// only and ascending term; late rows are counted and dropped), when their window ends
  /// (window_end_key, an index in `keys`; likewise), else when the input ends.
  emit_mode emit = emit_mode::changes;
  std::optional<uint32_t> time_column;
  std::optional<uint32_t> window_end_key;
};

/// Whether a window holds rows.
inline bool holds_rows(const window_spec& s) noexcept {
  return s.shape.kind == window_kind::session && !s.slices;
}

using operator_spec =
    std::variant<source_spec, sink_spec, filter_spec, project_spec, flat_map_spec, aggregate_spec,
                 union_spec, distinct_spec, custom_spec, window_spec, join_spec, repeat_spec,
                 settle_spec, top_n_spec, over_spec, lookup_spec>;

struct operator_node {
  std::string id;    // stable over changed jobs: explicit, or derived from what it does
  std::string name;  // for people: "aggregate by carrier"
  operator_spec spec;
  schema_ptr output;           // none for sinks
  bool emits_changes = false;  // rows with weight other than +1 may leave it
  uint32_t parallelism = 0;    // 0 = the job's
  /// What happens to rows that its expressions cannot compute (filter, project, flat_map,
  /// aggregate): the strictest policy of the sources that its rows come from (fail before
  /// dead_letter before skip). Sources have their own in their spec.
  error_policy on_error = error_policy::fail;
  std::string dead_letter_folder;  // with error_policy::dead_letter; not relative to the job file
  /// What the operator keeps per key or row is dropped when nothing touched it for this long
  /// (processing time); 0 = never. Only where takes_state_ttl() says so.
  int64_t state_ttl_us = 0;
};

struct plan_edge {
  operator_index from, to;
  uint16_t from_port = 0;  // 0 = main output; side outputs of custom operators from 1
  uint16_t to_port = 0;    // which input of `to`
  exchange_kind exchange = exchange_kind::forward;
  std::vector<uint32_t> keys;  // hash: columns of from's output
};

struct physical_plan {
  std::string name;
  delivery_mode mode = delivery_mode::exactly_once;
  uint32_t key_groups = default_key_groups;
  uint32_t parallelism = 1;
  std::vector<operator_node> operators;  // topological order
  std::vector<plan_edge> edges;          // to each consumer in order of its to_port

  uint32_t parallelism_of(operator_index i) const {
    auto p = operators[i.value].parallelism;
    return p ? p : parallelism;
  }
};

/// Limits of a plan, checked by validate(): far above what one job needs, far below what would
/// exhaust a machine that is handed a hostile or damaged plan.
inline constexpr uint32_t plan_operators_max = 10'000;
inline constexpr uint32_t plan_parallelism_max = 4096;
inline constexpr uint32_t plan_key_groups_max = 32'768;

/// "filter", "aggregate", ...: what kind of operator a spec is.
const char* kind_name(const operator_spec&) noexcept;
const char* exchange_name(exchange_kind) noexcept;       // "forward", "hash", ...
const char* join_name(join_kind) noexcept;               // "left join", "semi join", ...
const char* function_name(aggregate_function) noexcept;  // "count", "sum", ...
const char* function_name(over_function) noexcept;       // "lag", ...; "" of aggregates
const char* function_name(rank_function) noexcept;       // "row_number", ...
const char* to_string(window_kind) noexcept;             // "tumble", "hop", ...
const char* to_string(delivery_mode) noexcept;           // "exactly-once", ...
const char* to_string(error_policy) noexcept;            // "fail", "skip", "dead_letter"
/// Whether it is the SHA-256 of something, in lower-case hexadecimal.
bool is_content_hash(std::string_view) noexcept;
/// Schema of an operator's output port; none where it has no such port.
schema_ptr output_of(const operator_node&, uint16_t port);
/// Schemas of an operator's inputs, in order of to_port.
std::vector<schema_ptr> input_schemas(const physical_plan&, operator_index);

/// Checks shape, schemas, key columns, ports and stable ids' uniqueness; names what is wrong.
status validate(const physical_plan&);
/// Cap'n Proto bytes (schema/plan.capnp) and back; the decoder refuses what validate() refuses.
std::vector<std::byte> encode_plan(const physical_plan&);
result<physical_plan> decode_plan(std::span<const std::byte>);
/// Hash of everything that decides results (not of parallelism, paths of sinks, names for people).
uint64_t fingerprint(const physical_plan&);
/// Hash of what an operator's state depends on: its kind, keys, calls and the types they read.
/// Equal = a snapshot's state under the same stable id may be restored. Names of columns count,
/// their indices do not, so that a job that reads one more column keeps its state.
uint64_t state_fingerprint(const operator_node&, const std::vector<schema_ptr>& inputs);
constexpr bool is_as_of(join_kind k) noexcept {
  return k == join_kind::as_of || k == join_kind::as_of_left;
}
/// Whether rows without a partner are given once, when they expire, and not as changes: both sides
/// do expire and only grow.
bool defers_unmatched(const join_spec&) noexcept;
/// Whether a state_ttl bounds what the operator keeps: as changes come, per key or row, and not as
/// far as the watermark says. What answers once at the end has its answer as its state.
bool takes_state_ttl(const operator_spec&) noexcept;
/// Whether a state_ttl is for the rows of a side of a join (0: the left one): those that no
/// watermark ends. Of an as-of join these are right rows, of which the newest of each key stays.
inline bool drops_untouched(const join_spec& j, int side) noexcept {
  const auto& s = side == 0 ? j.left : j.right;
  return !s.stays && (is_as_of(j.kind) ? side == 1 : !s.time_column.has_value());
}
/// Shortest and longest state_ttl: entries carry the time of their last touch in steps of it.
inline constexpr int64_t state_ttl_min_us = 100'000;
inline constexpr int64_t state_ttl_max_us = int64_t{10'000} * 86'400'000'000;
/// Whether the operator keeps state between batches at all (positions of sources and prepared
/// output of sinks included).
bool keeps_state(const operator_node&) noexcept;

}  // namespace weir
