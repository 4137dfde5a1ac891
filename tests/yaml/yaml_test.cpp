// Job files to plans, and what is said about mistakes in them.
#include <doctest/doctest.h>

#include "jobs/plan/describe.hpp"
#include "jobs/plan/explain.hpp"
#include "jobs/yaml/job.hpp"

using namespace weir;
using namespace weir::jobs;

namespace {

/// An operator without a library: passes its input on, with a side output "late".
job_settings with_operators() {
  job_settings s;
  s.custom = [](const planner::custom_def& c, const std::vector<schema_ptr>& in,
                const std::string&) -> result<planner::custom_info> {
    if (c.class_name != "echo")
      return error(errc::unknown_name, "library " + c.library + " has no class " + c.class_name);
    planner::custom_info info;
    info.library = "/lib/" + c.library + ".so";
    info.output = in[0];
    info.side_outputs = {{"late", in[0]}};
    return info;
  };
  return s;
}

const std::string tables = R"~(tables:
  flights:
    columns: {carrier: text, origin: text, dep_delay: int, minute: int, time_hour: timestamp}
    generated: {sched: "time_hour + minute * interval '1 minute'"}
    with: {connector: file, path: in.csv, format: csv, header: true, event_time: sched, watermark_delay: 1 day}
  out:
    with: {connector: file, path: out, format: csv}
)~";

result<job> load(const std::string& rest, job_settings s = with_operators()) {
  return load_job_text(read_yaml, tables + rest, "job.yaml", "/jobs", s);
}
/// Diagnostics without the tables' lines in front: messages with line numbers of `rest`.
std::string errors(const std::string& rest) {
  auto j = load(rest);
  return j.ok() ? "loaded" : j.err().message;
}
const operator_node& op(const job& j, std::string_view id) {
  for (const auto& n : j.plan.operators)
    if (n.id == id) return n;
  FAIL("no operator " << id);
  return j.plan.operators[0];
}

}  // namespace

TEST_CASE("a keyed aggregate: pruned source, pre-aggregation, exchange, sink") {
  auto j = load(R"~(
steps:
  - name: by_carrier
    from: flights
    key: [carrier]
    aggregate: {flights: count(*), delayed: count(*) FILTER (WHERE dep_delay > 15), avg_delay: avg(dep_delay)}
    emit: final
sinks:
  - {from: by_carrier, into: out}
)~");
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  CHECK(j->warnings.empty());
  REQUIRE(j->plan.operators.size() == 4);
  const auto& source = std::get<source_spec>(op(*j, "source/flights").spec);
  REQUIRE(source.columns->size() == 2);
  CHECK(source.columns->fields[0].name == "carrier");
  CHECK(source.columns->fields[1].name == "dep_delay");
  CHECK_FALSE(source.columns->event_time);
  CHECK(source.base_dir == "/jobs");
  const auto& merge = std::get<aggregate_spec>(op(*j, "by_carrier").spec);
  CHECK(merge.stage == aggregate_spec::phase::merge);
  CHECK(merge.emit == emit_mode::final_only);
  CHECK_FALSE(merge.window_end_key);
  CHECK(op(*j, "by_carrier").output->fields[3].name == "avg_delay");
  CHECK(op(*j, "by_carrier").output->fields[3].type.id == type_id::float64);
  CHECK(j->plan.edges[1].exchange == exchange_kind::hash);
  CHECK(j->plan.name == "job");
}

TEST_CASE("an aggregate over windows of which one bound is left") {
  auto j = load(R"~(
steps:
  - {name: hours, from: flights, window: {tumble: 1h}}
  - {name: ends, from: hours, select: [dep_delay, window_end]}
  - {name: by_end, from: ends, key: window_end, aggregate: {n: count(*), more: sum(dep_delay) + 1}}
sinks:
  - {from: by_end, into: stdout}
)~");
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  CHECK(std::get<aggregate_spec>(op(*j, "by_end").spec).window_end_key == 0);
  CHECK(op(*j, "by_end/result").output->fields[2].name == "more");
}

TEST_CASE("expressions over aggregates are computed behind them") {
  auto j = load(R"~(
steps:
  - name: by
    from: flights
    key: {airline: lower(carrier)}
    aggregate: {share: "count(*) FILTER (WHERE dep_delay > 15) * 100 / count(*)", n: count(*)}
sinks:
  - {from: by, into: stdout}
)~");
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  const auto& r = op(*j, "by/result");
  REQUIRE(r.output->size() == 3);
  CHECK(r.output->fields[0].name == "airline");
  CHECK(r.output->fields[1].name == "share");
  CHECK(r.output->fields[2].name == "n");
  CHECK(std::get<aggregate_spec>(op(*j, "by").spec).calls.size() == 3);
  CHECK(op(*j, "by").emits_changes);
  CHECK(std::holds_alternative<project_spec>(op(*j, "by/keys").spec));
  CHECK(j->plan.parallelism_of(
            operator_index(static_cast<uint32_t>(j->plan.operators.size() - 1))) == 1);
}

TEST_CASE("every kind of window has its sizes") {
  auto j = load(R"~(
steps:
  - {name: hops, from: flights, window: {hop: 1h, slide: 10m}, key: origin, aggregate: {n: count(*)}}
  - {name: days, from: flights, window: {cumulate: 1 day, step: 1h}, aggregate: {n: count(*)}}
sinks:
  - {from: hops, into: out}
  - {from: days, into: stdout}
)~");
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  const auto& hop = std::get<window_spec>(op(*j, "hops/window").spec);
  CHECK(hop.slices);
  CHECK(hop.shape == window_shape{window_kind::hop, 3'600'000'000, 600'000'000});
  const auto& a = std::get<aggregate_spec>(op(*j, "hops").spec);
  CHECK(a.windows == hop.shape);
  CHECK(a.window_end_key == 1);
  CHECK(a.window_start_at == 1);
  CHECK(op(*j, "days").parallelism == 1);
  CHECK(std::get<aggregate_spec>(op(*j, "days").spec).windows ==
        window_shape{window_kind::cumulate, 86'400'000'000, 3'600'000'000});
}

TEST_CASE("sessions take the step's key or their own, and late rows have a table") {
  const std::string late = R"~(tables:
  clicks:
    columns: {user: text, page: text, at: timestamp}
    with: {connector: stdin, format: csv, event_time: at, allowed_lateness: 5m, late_table: LATE}
  late: {columns: {at: timestamp, user: text}, with: {connector: file, path: late, format: csv}}
steps:
  - {name: visits, from: clicks, window: {session: 30m}, key: user, aggregate: {n: count(*)}}
sinks:
  - {from: visits, into: stdout}
)~";
  auto with = [&late](const std::string& name) {
    auto text = late;
    return load_job_text(read_yaml, text.replace(text.find("LATE"), 4, name), "job.yaml", "/jobs",
                         with_operators());
  };
  auto j = with("late");
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  CHECK(std::get<source_spec>(op(*j, "source/clicks").spec).watermark_delay_us == 300'000'000);
  CHECK(std::get<window_spec>(op(*j, "visits/window").spec).slices);
  const auto& a = std::get<aggregate_spec>(op(*j, "visits").spec);
  REQUIRE(a.late_output);
  CHECK(a.late_output->fields[0].name == "at");
  CHECK(a.late_output->fields[1].name == "user");
  CHECK(a.stage == aggregate_spec::phase::complete);
  CHECK(std::any_of(j->plan.edges.begin(), j->plan.edges.end(), [&](const plan_edge& e) {
    return e.from_port == 1 && j->plan.operators[e.from.value].id == "visits";
  }));
  auto wrong = with("lates");
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.err().message.find("there is no table \"lates\" for late rows; did you mean "
                                 "\"late\"?") != std::string::npos);

  auto rows = load(R"~(
steps:
  - {name: trips, from: flights, window: {session: 8h, key: [carrier, origin]}, select: [carrier, window_end]}
sinks:
  - {from: trips, into: out}
)~");
  REQUIRE_MESSAGE(rows.ok(), rows.err().message);
  const auto& w = std::get<window_spec>(op(*rows, "trips/window").spec);
  CHECK(holds_rows(w));
  CHECK(w.keys.size() == 2);

  CHECK(errors(R"~(
steps:
  - {name: a, from: flights, window: {hop: 1h}, aggregate: {n: count(*)}}
  - {name: b, from: flights, window: {tumble: 1h, step: 5m}, aggregate: {n: count(*)}}
  - {name: c, from: flights, window: {on: sched}, aggregate: {n: count(*)}}
  - {name: d, from: flights, window: {tumble: 1h, session: 5m}, aggregate: {n: count(*)}}
sinks:
  - {from: a, into: out}
)~") == R"~(job.yaml:10:44: error: hop needs the property "slide"
  10 |   - {name: a, from: flights, window: {hop: 1h}, aggregate: {n: count(*)}}
     |                                            ^
job.yaml:11:57: error: only cumulate has a step
  11 |   - {name: b, from: flights, window: {tumble: 1h, step: 5m}, aggregate: {n: count(*)}}
     |                                                         ^
job.yaml:12:38: error: a window needs one of tumble, hop, cumulate and session
  12 |   - {name: c, from: flights, window: {on: sched}, aggregate: {n: count(*)}}
     |                                      ^
job.yaml:13:60: error: give one of tumble, hop, cumulate and session, not several
  13 |   - {name: d, from: flights, window: {tumble: 1h, session: 5m}, aggregate: {n: count(*)}}
     |                                                            ^)~");
}

TEST_CASE("windows group by their start and end and answer once") {
  auto j = load(R"~(
steps:
  - name: hourly
    from: flights
    window: {tumble: 1 hour, on: sched}
    key: origin
    aggregate: {n: count(*)}
sinks:
  - {from: hourly, into: out}
)~");
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  const auto& source = op(*j, "source/flights");
  const auto& spec = std::get<source_spec>(source.spec);
  CHECK(spec.watermark_delay_us == 86'400'000'000);
  CHECK(spec.idle_timeout_us == 0);
  CHECK(spec.generated.size() == 1);
  CHECK(spec.physical_columns == 3);  // origin, minute, time_hour
  REQUIRE(source.output->event_time);
  CHECK(source.output->fields[*source.output->event_time].name == "sched");
  CHECK(std::get<window_spec>(op(*j, "hourly/window").spec).shape.size_us == 3'600'000'000);
  const auto& a = std::get<aggregate_spec>(op(*j, "hourly").spec);
  CHECK(a.emit == emit_mode::final_only);
  CHECK(a.window_end_key == 2);
  const auto& out = *op(*j, "hourly").output;
  CHECK(out.fields[1].name == "window_start");
  CHECK(out.fields[3].name == "n");
  CHECK_FALSE(op(*j, "hourly").emits_changes);
}

TEST_CASE("arrays and structs as columns, unnest and array_agg") {
  auto of = [](const char* text) { return load_job_text(read_yaml, text, "j.yaml", ".", {}); };
  auto j = of(R"~(
tables:
  posts:
    columns: {id: int, tags: "text[]", place: "struct(x int, y int[])"}
    with: {connector: stdin, format: json}
steps:
  - {name: each, from: posts, flat_map: {unnest: tags, outer: true, ordinality: true, as: tag}}
  - {name: named, select: [id, {tag: (tag).item, nth: (tag).ordinality, x: (place).x}]}
  - {name: by_tag, key: tag, emit: final, aggregate: {ids: array_agg(id ORDER BY nth DESC), xs: cardinality(array_agg(DISTINCT x))}}
sinks:
  - {from: by_tag, into: stdout}
)~");
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  CHECK(std::get<flat_map_spec>(op(*j, "each").spec).function == "unnest outer ordinality");
  std::string columns;
  for (const auto& n : j->plan.operators)
    if (const auto* sink = std::get_if<sink_spec>(&n.spec))
      for (const auto& f : sink->columns->fields) columns += f.name + ' ' + to_string(f.type) + ';';
  CHECK(columns == "tag text;ids int[];xs int;");
  const auto found = of(R"~(
tables:
  posts: {columns: {m: "int[][]"}, with: {connector: stdin, format: json}}
sinks:
  - {from: posts, into: stdout}
)~");
  REQUIRE_FALSE(found.ok());
  CHECK(found.err().message.find("arrays of several dimensions are not supported") !=
        std::string::npos);
}

TEST_CASE("custom operators, their side outputs, unions, distinct and flat_map") {
  auto j = load(R"~(
steps:
  - {name: echo, from: flights, key: carrier, operator: {library: ops, class: echo, parameters: {a: 1}}}
  - {name: both, union: [echo, echo.late], where: dep_delay > 0, parallelism: 3}
  - {name: letters, flat_map: {split: carrier, delimiter: "-", as: letter}, select: [letter]}
  - {name: once, distinct: true}
sinks:
  - {from: once, into: out}
  - {from: echo.late, into: stdout}
)~");
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  const auto& echo = std::get<custom_spec>(op(*j, "echo").spec);
  CHECK(echo.library == "/lib/ops.so");
  CHECK(echo.parameters.at("a") == "1");
  CHECK(echo.keys == std::vector<uint32_t>{0});
  CHECK(op(*j, "both/union").parallelism == 3);
  CHECK(op(*j, "both").parallelism == 3);
  CHECK(op(*j, "once").output->size() == 1);
  bool side = false;
  for (const auto& e : j->plan.edges) side |= e.from_port == 1;
  CHECK(side);
}

TEST_CASE("sinks take columns by name and cast where SQL would assign") {
  auto j = load_job_text(read_yaml, R"~(
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, end: 10}}
  out: {columns: {twice: "decimal(10,2)", n: bigint}, with: {connector: blackhole}}
steps:
  - {name: s, from: numbers, select: {n: n, twice: n * 2, unused: n + 1}}
sinks: [{from: s, into: out}]
)~",
                         "j.yaml", ".", {});
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  // Select and the sink's casts became one projection, without the column that nobody needs.
  REQUIRE(j->plan.operators.size() == 3);
  const auto& p = std::get<project_spec>(j->plan.operators[1].spec);
  CHECK(p.columns.size() == 2);
  CHECK(j->plan.operators[1].output->fields[0].type.id == type_id::decimal);
}

TEST_CASE("--set fills ${KEY}, defaults stand in, empty options vanish") {
  const std::string text = R"~(
parallelism: ${P:-3}
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, end: "${END}", rate: "${RATE:-}"}}
sinks: [{from: numbers, into: stdout}]
)~";
  job_settings s;
  s.set["END"] = "7";
  auto j = load_job_text(read_yaml, text, "j.yaml", ".", s);
  REQUIRE_MESSAGE(j.ok(), j.err().message);
  const auto& options = std::get<source_spec>(j->plan.operators[0].spec).options;
  CHECK(options.at("end") == "7");
  CHECK(options.count("rate") == 0);
  CHECK(j->plan.parallelism == 3);
  s.parallelism = 5;
  s.set["RATE"] = "100";
  s.mode = delivery_mode::at_least_once;
  j = load_job_text(read_yaml, text, "j.yaml", ".", s);
  REQUIRE(j.ok());
  CHECK(j->plan.parallelism == 5);
  CHECK(j->plan.mode == delivery_mode::at_least_once);
  CHECK(std::get<source_spec>(j->plan.operators[0].spec).options.at("rate") == "100");

  s.set = {{"ENDE", "7"}};
  j = load_job_text(read_yaml, text, "j.yaml", ".", s);
  REQUIRE_FALSE(j.ok());
  CHECK(j.err().message ==
        "j.yaml: error: --set ENDE=7: the file has no ${ENDE}; did you mean \"END\"?\n"
        "j.yaml:4:69: error: ${END} has no value; did you mean \"ENDE\"?; give one with --set "
        "END=VALUE, or write ${END:-default}\n"
        "   4 |   numbers: {columns: {n: bigint}, with: {connector: sequence, end: \"${END}\", "
        "rate: \"${RATE:-}\"}}\n"
        "     |                                                                     ^");
}

TEST_CASE("a job with many mistakes reports each once, in order") {
  CHECK(errors(R"~(
stepz: []
steps:
  - name: a
    from: flihgts
    where: dep_delay > 15
  - name: b
    from: a
    select: [whatever]
  - name: c
    from: flights
    where: dep_dely > 15
    agregate: {n: count(*)}
  - name: d
    from: flights
    where: "dep_dely > 15"
  - name: e
    from: flights
    key: carier
    aggregate:
      n: count(*)
      m: sum(dep_dely) FILTER (WHERE minute > 5)
  - name: f
    from: flights
    join: other
sinks:
  - {from: d, into: outt}
)~") ==
        R"~(job.yaml:9:1: error: a job has no property "stepz"; did you mean "steps"?
   9 | stepz: []
     | ^
job.yaml:12:11: error: there is no table or step "flihgts" before this one; did you mean "flights"?
  12 |     from: flihgts
     |           ^
job.yaml:20:5: error: a step has no property "agregate"; did you mean "aggregate"?
  20 |     agregate: {n: count(*)}
     |     ^
job.yaml:23:13: error: column "dep_dely" does not exist; did you mean "dep_delay"?
  23 |     where: "dep_dely > 15"
     |             ^
job.yaml:26:10: error: there is no column "carier"; did you mean "carrier"?; give an expression as {name: expression}
  26 |     key: carier
     |          ^
job.yaml:29:14: error: column "dep_dely" does not exist; did you mean "dep_delay"?
  29 |       m: sum(dep_dely) FILTER (WHERE minute > 5)
     |              ^
job.yaml:32:11: error: "join": expected a map of a join's properties, found a single value
  32 |     join: other
     |           ^
job.yaml:34:21: error: there is no table "outt"; did you mean "out"?
  34 |   - {from: d, into: outt}
     |                     ^)~");
}

TEST_CASE("errors in block scalars point into the block") {
  CHECK(errors(R"~(
steps:
  - name: a
    from: flights
    where: |
      dep_delay > 15
      AND origim = 'JFK'
sinks:
  - {from: a, into: out}
)~") == R"~(job.yaml:14:11: error: column "origim" does not exist; did you mean "origin"?
  14 |       AND origim = 'JFK'
     |           ^)~");
  CHECK(errors(R"~(
steps:
  - name: a
    from: flights
    where: dep_delay > 15
      AND origim = 'JFK'
sinks:
  - {from: a, into: out}
)~") == R"~(job.yaml:13:11: error: column "origim" does not exist; did you mean "origin"?
  13 |       AND origim = 'JFK'
     |           ^)~");
}

TEST_CASE("a sink that only appends refuses rows that change") {
  CHECK(
      errors(R"~(
steps:
  - {name: a, from: flights, key: carrier, aggregate: {n: count(*)}}
  - {name: big, where: n > 5}
sinks:
  - {from: big, into: out}
)~") ==
      R"~(job.yaml:13:23: error: sink "out" (file) only appends rows, but "a" updates the rows that it has emitted as more input arrives; emit its rows once (emit: final, or a window), or use a sink that takes changes (stdout, or the format debezium_json)
  13 |   - {from: big, into: out}
     |                       ^)~");
}

TEST_CASE("combinations that mean nothing are refused") {
  CHECK(
      errors(R"~(
steps:
  - {name: a, from: flights, key: carrier, select: [carrier]}
  - {name: b, from: flights, distinct: true, aggregate: {n: count(*)}}
  - {name: c, from: flights, window: {tumble: 1 hour, on: time_hour}}
  - {name: d, from: [flights, flights]}
  - {name: e, from: flights, aggregate: {n: dep_delay + 1}}
  - {name: flights, from: flights}
  - {name: g, from: flights, emit: later, aggregate: {n: sum(carrier)}}
  - {name: h, from: flights, window: {tumble: 5 minuts}}
sinks: []
)~") ==
      R"~(job.yaml:10:35: error: "key" belongs to "aggregate" or "operator", and the step has neither
  10 |   - {name: a, from: flights, key: carrier, select: [carrier]}
     |                                   ^
job.yaml:11:40: error: a step has either "aggregate" or "distinct", not both; make it two steps
  11 |   - {name: b, from: flights, distinct: true, aggregate: {n: count(*)}}
     |                                        ^
job.yaml:12:59: error: the window must be on the event-time column, "sched": watermarks say when its windows end
  12 |   - {name: c, from: flights, window: {tumble: 1 hour, on: time_hour}}
     |                                                           ^
job.yaml:13:21: error: only an operator has several inputs; use "union" to put them together
  13 |   - {name: d, from: [flights, flights]}
     |                     ^
job.yaml:14:45: error: expected an aggregate such as count(*) or sum(x)
  14 |   - {name: e, from: flights, aggregate: {n: dep_delay + 1}}
     |                                             ^
job.yaml:15:12: error: the name "flights" is taken by a table
  15 |   - {name: flights, from: flights}
     |            ^
job.yaml:16:36: error: "emit": expected one of changes, final, found "later"
  16 |   - {name: g, from: flights, emit: later, aggregate: {n: sum(carrier)}}
     |                                    ^
job.yaml:17:47: error: tumble '5 minuts': 'minuts' is no unit of time (us, ms, s, m, h or d)
  17 |   - {name: h, from: flights, window: {tumble: 5 minuts}}
     |                                               ^
job.yaml:18:8: error: a job needs a sink: "sinks" is empty
  18 | sinks: []
     |        ^)~");
}

TEST_CASE("YAML syntax errors have a place") {
  auto d = lint_job_text(read_yaml, "name: x\ntables: {a: [}\n", "j.yaml", ".", {});
  REQUIRE(d.size() == 1);
  CHECK(d[0].line == 2);
  CHECK(d[0].message.rfind("YAML: ", 0) == 0);
  d = lint_job_text(read_yaml, "just text", "j.yaml", ".", {});
  REQUIRE(d.size() == 1);
  CHECK(d[0].message == "\"job\": expected a map of a job's properties, found a single value");
  d = lint_job_text(read_yaml, "", "j.yaml", ".", {});
  REQUIRE(d.size() == 1);
}

TEST_CASE("what is not used is a warning") {
  auto d = lint_job_text(read_yaml, tables + R"~(
steps:
  - {name: idle, from: flights, where: dep_delay > 1}
sinks: [{from: flights, into: stdout}]
)~",
                         "job.yaml", ".", {});
  REQUIRE(d.size() == 2);
  CHECK(d[0].warning);
  CHECK(d[0].message == "table \"out\" is used by nothing");
  CHECK(d[1].message == "step \"idle\" is used by nothing");
  CHECK(d[1].line == 10);
}

TEST_CASE("a missing file says so") {
  auto d = lint_job_file(read_yaml, "/nowhere/job.yaml", {});
  REQUIRE(d.size() == 1);
  CHECK(to_text(d) == "/nowhere/job.yaml: error: job file /nowhere/job.yaml cannot be opened\n");
}

TEST_CASE("a wrong option is pointed at") {
  auto d = lint_job_text(read_yaml, R"~(
tables:
  in: {columns: {n: bigint}, with: {connector: sequence, ende: 5}}
  out: {with: {connector: file, path: x, format: cvs}}
sinks: [{from: in, into: stdout}]
)~",
                         "j.yaml", ".", {});
  REQUIRE(d.size() == 1);
  CHECK(d[0].line == 3);
  CHECK(d[0].column == 58);
  d = lint_job_text(read_yaml, R"~(
tables:
  in: {columns: {n: bigint}, with: {connector: sequence, end: 5}}
  out: {with: {connector: file, path: x, format: cvs}}
sinks: [{from: in, into: out}]
)~",
                    "j.yaml", ".", {});
  REQUIRE(d.size() == 1);
  CHECK(d[0].line == 4);
  CHECK(d[0].column == 42);
}

TEST_CASE("a step joins another table or step") {
  const std::string tables = R"~(
tables:
  flights:
    columns: {carrier: text, dest: text, delay: int}
    with: {connector: file, path: f.csv, format: csv}
  airlines:
    columns: {carrier: text, name: text}
    with: {connector: file, path: a.csv, format: csv}
  out:
    with: {connector: file, path: out, format: csv}
steps:
)~";
  auto described = [&tables](const std::string& steps) {
    std::vector<diagnostic> found;
    auto job = read_yaml(tables + steps, "job.yaml", "/jobs", {}, found);
    std::string out;
    for (auto& d : found)
      if (!d.warning) out += d.message + '\n';
    if (!job) return out;
    for (uint32_t i = 0; i < job->plan.operators.size(); ++i)
      out +=
          job->plan.operators[i].id + ": " + planner::describe(job->plan, operator_index(i)) + '\n';
    return out;
  };
  const auto plan = described(R"~(
  - name: named
    from: flights
    join: {with: airlines, kind: left, on: flights.carrier = airlines.carrier and delay > 5}
    where: delay > 1
    select: [name, delay]
    emit: final
sinks:
  - {from: named, into: out}
)~");
  CHECK_MESSAGE(
      plan.find("named: left join on carrier = carrier and (delay > 5)") != std::string::npos,
      plan);
  CHECK_MESSAGE(plan.find("named/emit: rows that stand at the end") != std::string::npos, plan);
  auto wrong = [&described](const std::string& on) {
    return described("  - {name: j, from: flights, join: {with: airlines, on: \"" + on +
                     "\"}}\nsinks:\n  - {from: j, into: out}\n");
  };
  CHECK(wrong("carrier = 'AA'") ==
        "both sides have a column \"carrier\"; write flights.carrier or airlines.carrier\n");
  CHECK(wrong("flights.carrir = name") ==
        "there is no column \"carrir\"; did you mean \"carrier\"?\n");
  CHECK(wrong("flight.carrier = name") ==
        "\"flight\" is no side of the join; they are flights and airlines\n");
}

TEST_CASE("a job's state_ttl holds for its steps, a step's for itself") {
  const std::string steps = R"~(
state_ttl: 2h
steps:
  - {name: by_carrier, from: flights, key: carrier, aggregate: {n: count(*)}}
  - {name: by_origin, from: flights, key: origin, aggregate: {n: count(*)}, state_ttl: 5m}
  - {name: once, from: flights, select: [origin, carrier], distinct: true, state_ttl: 0s}
  - {name: at_the_end, from: flights, key: carrier, aggregate: {n: count(*)}, emit: final}
sinks:
  - {from: by_carrier, into: stdout}
  - {from: by_origin, into: hole}
  - {from: once, into: hole_2}
  - {from: at_the_end, into: out}
)~";
  const std::string holes =
      "  hole: {with: {connector: blackhole}}\n  hole_2: {with: {connector: blackhole}}\n";
  auto j = load_job_text(read_yaml, tables + holes + steps, "job.yaml", "/jobs", {});
  REQUIRE_MESSAGE(j.ok(), (j.ok() ? "" : j.err().message));
  CHECK(op(*j, "by_carrier").state_ttl_us == 7'200'000'000);
  CHECK(op(*j, "by_origin").state_ttl_us == 300'000'000);
  CHECK(op(*j, "once").state_ttl_us == 0);
  CHECK(op(*j, "at_the_end").state_ttl_us == 0);
  CHECK(errors("state_ttl: 1ms\nsinks: [{from: flights, into: out}]\n")
            .find("state_ttl is between 100ms and 10000 days") != std::string::npos);
}
