// Tables and steps to physical plans: shapes, pruning, ids, guarantees, explanations, and what a
// changed job keeps.
#include <doctest/doctest.h>
#include <simdjson.h>

#include "jobs/plan/aggregate_text.hpp"
#include "jobs/plan/builder.hpp"
#include "jobs/plan/explain.hpp"
#include "runtime/plan/dead_letter_source.hpp"
#include "runtime/plan/task_graph.hpp"

using namespace weir;
using namespace weir::planner;

namespace {

table_def flights() {
  table_def t;
  t.name = "flights";
  t.columns = {{"carrier", type_id::string, ""},
               {"origin", type_id::string, ""},
               {"delay", type_id::int32, ""},
               {"t", type_id::timestamp, ""},
               {"later", type_id::timestamp, "t + interval '1 hour'"}};
  t.options = {{"connector", "file"}, {"path", "in.csv"}, {"format", "csv"}, {"event_time", "t"}};
  return t;
}
table_def files(std::string name) {
  return {std::move(name), {}, {{"connector", "file"}, {"path", "out"}, {"format", "csv"}}};
}
const table_def standard_output{"stdout", {}, {{"connector", "stdout"}}};

template <class T>
T ok(result<T> r) {
  REQUIRE_MESSAGE(r.ok(), r.err().message);
  return std::move(*r);
}
void ok(const status& s) {
  REQUIRE_MESSAGE(s.ok(), s.err().message);
}

/// A builder with shorthands for SQL text.
struct job : plan_builder {
  explicit job(plan_settings s = {}) : plan_builder(std::move(s)) {}
  expr::node_ptr sql(relation r, std::string_view text) {
    return ok(expr::bind(text, *schema_of(r)));
  }
  relation where(relation r, std::string_view text, std::string id = "") {
    return ok(filter(r, sql(r, text), {id, "", 0}));
  }
  relation group(relation r, std::vector<std::string> keys, std::vector<std::string> calls,
                 std::string id = "", bool final_only = false) {
    aggregate_def a;
    a.final_only = final_only;
    for (const auto& k : keys) a.keys.push_back({k, sql(r, k)});
    for (const auto& c : calls) {
      bound_aggregate b;
      auto e = bind_aggregates(c, *schema_of(r), {}, 0, b);
      REQUIRE_FALSE(e);
      b.calls[0].name = c;
      a.calls.push_back(b.calls[0]);
    }
    return ok(aggregate(r, std::move(a), {id, "", 0}));
  }
};

std::string shape(const physical_plan& p) {
  auto g = build_task_graph(p);
  REQUIRE_MESSAGE(g.ok(), g.err().message);
  return to_text(*g, p);
}
std::string columns(const physical_plan& p, std::string_view id) {
  std::string out;
  for (const auto& n : p.operators)
    if (n.id == id)
      for (const auto& f : n.output->fields) out += (out.empty() ? "" : " ") + f.name;
  return out;
}

}  // namespace

TEST_CASE("an aggregate is split in front of the exchange, and fuses with what is before it") {
  job j;
  auto r = j.where(ok(j.source(flights())), "delay > 15", "late");
  r = j.group(r, {"carrier"}, {"count(*)"}, "by_carrier", true);
  ok(j.sink(r, files("out")));
  auto p = ok(j.build());
  CHECK(shape(p) ==
        "0 x1: source/flights -> late -> by_carrier/partial | hash to 1.0\n"
        "1 x1: by_carrier -> sink/out\n");
  CHECK(columns(p, "source/flights") == "carrier delay");
}

TEST_CASE("global aggregates and stdout run once") {
  plan_settings s;
  s.parallelism = 4;
  job j(s);
  auto r = j.group(ok(j.source(flights())), {}, {"count(*)"}, "total");
  ok(j.sink(r, standard_output));
  auto p = ok(j.build());
  CHECK(shape(p) ==
        "0 x4: source/flights -> total/partial | rebalance to 1.0\n1 x1: total -> sink/stdout\n");
  CHECK(columns(p, "source/flights") == "carrier");  // a source has at least one column
}

TEST_CASE("calls that need every value are not pre-aggregated; rows are narrowed instead") {
  job j;
  auto r = j.where(ok(j.source(flights())), "delay > 15", "late");
  r = j.group(r, {"carrier"}, {"count(DISTINCT origin)"}, "origins", true);
  ok(j.sink(r, files("out")));
  auto p = ok(j.build());
  CHECK(shape(p) ==
        "0 x1: source/flights -> late -> origins/columns | hash to 1.0\n"
        "1 x1: origins -> sink/out\n");
  CHECK(columns(p, "source/flights") == "carrier origin delay");
  CHECK(columns(p, "origins/columns") == "key carrier origin");
}

TEST_CASE("operators follow the strictest error policy of the tables that their rows come from") {
  plan_settings s;
  s.base_dir = "/jobs";
  auto table = [](const char* name, const char* policy, const char* folder) {
    auto t = flights();
    t.name = name;
    t.options["on_error"] = policy;
    if (*folder) t.options["dead_letter_path"] = folder;
    return t;
  };
  job j(s);
  auto skip = j.where(ok(j.source(table("s", "skip", ""))), "10 / delay > 1", "s_where");
  auto first = j.where(ok(j.source(table("d", "dead_letter", "bad"))), "10 / delay > 1", "d_where");
  auto second = ok(j.source(table("e", "dead_letter", "/else")));
  auto fail = ok(j.source(table("f", "fail", "")));
  auto some = ok(j.unite({skip, first, second}, {"some", "", 0}));
  auto all = ok(j.unite({some, fail}, {"all", "", 0}));
  ok(j.sink(j.group(some, {"carrier"}, {"sum(10 / delay)"}, "by_some", true), files("a")));
  ok(j.sink(j.group(all, {"carrier"}, {"sum(10 / delay)"}, "by_all", true), files("b")));
  auto p = ok(j.build());
  auto policy = [&p](std::string_view id) -> std::string {
    for (const auto& n : p.operators)
      if (n.id == id)
        return to_string(n.on_error) +
               (n.dead_letter_folder.empty() ? "" : " to " + n.dead_letter_folder);
    return "no operator " + std::string(id);
  };
  CHECK(policy("s_where") == "skip");
  CHECK(policy("d_where") == "dead_letter to /jobs/bad");
  CHECK(policy("by_some/partial") == "dead_letter to /jobs/bad");
  CHECK(policy("by_some") == "dead_letter to /jobs/bad");
  CHECK(policy("by_all/partial") == "fail");
  CHECK(policy("source/d") == "fail");  // its own policy stands in its spec
}

TEST_CASE("dead letters of operators go to the topic of the first table that has them") {
  job j;
  auto table = [](const char* name, const char* option, const char* value) {
    auto t = flights();
    t.name = name;
    t.options["on_error"] = "dead_letter";
    t.options[option] = value;
    return t;
  };
  auto to_topic = ok(j.source(table("t", "dead_letter_topic", "dead")));
  auto to_file = ok(j.source(table("f", "dead_letter_path", "/else")));
  auto topic_first = ok(j.unite({to_topic, to_file}, {"topic_first", "", 0}));
  auto file_first = ok(j.unite({to_file, to_topic}, {"file_first", "", 0}));
  ok(j.sink(j.group(topic_first, {"carrier"}, {"sum(10 / delay)"}, "a", true), files("a")));
  ok(j.sink(j.group(file_first, {"carrier"}, {"sum(10 / delay)"}, "b", true), files("b")));
  auto p = ok(j.build());
  CHECK(validate(p).ok());
  auto topic_of = [&p](std::string_view id) -> std::string {
    for (uint32_t i = 0; i < p.operators.size(); ++i) {
      if (p.operators[i].id != id) continue;
      if (!p.operators[i].dead_letter_folder.empty()) return p.operators[i].dead_letter_folder;
      const auto* s = dead_letter_source(p, operator_index(i));
      return s ? s->options.at("dead_letter_topic") : "nowhere";
    }
    return "no operator " + std::string(id);
  };
  CHECK(topic_of("a/partial") == "dead");
  CHECK(topic_of("a") == "dead");
  CHECK(topic_of("b/partial") == "/else");
}

TEST_CASE("two consumers share one source, which reads what both need") {
  job j;
  auto in = ok(j.source(flights()));
  CHECK(ok(j.source(flights())) == in);
  ok(j.sink(j.group(in, {"carrier"}, {"count(*)"}, "a", true), files("a")));
  ok(j.sink(j.group(in, {"origin"}, {"max(delay)"}, "b", true), files("b")));
  auto p = ok(j.build());
  CHECK(columns(p, "source/flights") == "carrier origin delay");
  CHECK(shape(p) ==
        "0 x1: source/flights | forward to 1.0 | forward to 3.0\n"
        "1 x1: a/partial | hash to 2.0\n2 x1: a -> sink/a\n"
        "3 x1: b/partial | hash to 4.0\n4 x1: b -> sink/b\n");
}

TEST_CASE("generated columns bring what they read; what nobody uses is left out") {
  job j;
  auto in = ok(j.source(flights()));
  auto unused = j.where(in, "delay > 1", "unused");
  (void)unused;
  auto r = ok(j.project(in, {{"x", j.sql(in, "later")}}, {"pick", "", 0}));
  ok(j.sink(r, files("out")));
  auto p = ok(j.build());
  CHECK(columns(p, "source/flights") == "t later");
  CHECK(std::get<source_spec>(p.operators[0].spec).physical_columns == 1);
  CHECK_FALSE(p.operators[0].output->event_time);  // nobody goes by time
  CHECK(p.operators.size() == 3);
}

TEST_CASE("projections merge unless an expression would be computed twice") {
  job j;
  auto in = ok(j.source(flights()));
  auto a =
      ok(j.project(in, {{"d", j.sql(in, "delay + 1")}, {"c", j.sql(in, "carrier")}}, {"a", "", 0}));
  auto b = ok(j.project(a, {{"e", j.sql(a, "d * 2")}, {"c1", j.sql(a, "c")}, {"c2", j.sql(a, "c")}},
                        {"b", "", 0}));
  auto c = ok(j.project(b, {{"f", j.sql(b, "e + e")}, {"g", j.sql(b, "c1")}}, {"c", "", 0}));
  ok(j.sink(c, files("out")));
  auto p = ok(j.build());
  CHECK(shape(p) == "0 x1: source/flights -> b -> c -> sink/out\n");
  CHECK(columns(p, "b") == "e c1");
}

TEST_CASE("ids without a name depend on kind, inputs and position, not on anything else") {
  auto ids = [](std::string_view predicate, std::string key) {
    job j;
    auto r = j.where(ok(j.source(flights())), predicate);
    r = j.group(r, {std::move(key)}, {"count(*)"}, "", true);
    ok(j.sink(r, files("out")));
    auto p = ok(j.build());
    std::string out;
    for (const auto& n : p.operators) out += n.id + '\n';
    return out;
  };
  CHECK(ids("delay > 1", "carrier") == ids("delay > 2", "origin"));
  CHECK(ids("delay > 1", "carrier") ==
        "source/flights\nfilter-efb26dbb\naggregate-4dddba52/partial\naggregate-4dddba52\nsink/"
        "out\n");
  job j;
  auto in = ok(j.source(flights()));
  auto a = j.where(in, "delay > 1"), b = j.where(in, "delay > 1");
  CHECK(j.node(a).step.id != j.node(b).step.id);
}

TEST_CASE("different parallelism is bridged by a rebalance") {
  job j;
  auto in = ok(j.source(flights()));
  auto r = ok(j.filter(in, j.sql(in, "delay > 1"), {"f", "", 3}));
  r = ok(j.project(r, {{"c", j.sql(r, "carrier")}}, {"p", "", 0}));
  ok(j.sink(r, files("out"), {"", "", 2}));
  auto p = ok(j.build());
  CHECK(shape(p) ==
        "0 x1: source/flights | rebalance to 1.0\n1 x3: f -> p | rebalance to 2.0\n"
        "2 x2: sink/out\n");
}

TEST_CASE("changes are never dealt out by turns") {
  job j;
  auto in = ok(j.source(flights()));
  auto r = j.group(in, {"carrier"}, {"count(*)"}, "by_carrier");
  r = ok(j.filter(r, j.sql(r, "\"count(*)\" > 1"), {"f", "", 3}));
  auto out = files("out");
  out.options["format"] = "debezium_json";
  ok(j.sink(r, out, {"", "", 2}));
  auto p = ok(j.build());
  CHECK(shape(p) ==
        "0 x1: source/flights -> by_carrier/partial | hash to 1.0\n1 x1: by_carrier | hash to 2.0\n"
        "2 x3: f | hash to 3.0\n3 x2: sink/out\n");
  for (const auto& e : p.edges)
    if (e.exchange == exchange_kind::hash && e.to.value > 2)
      CHECK(e.keys == std::vector<uint32_t>{0, 1});  // the whole row
}

TEST_CASE("guarantees follow from source, sink and mode") {
  auto text = [](table_def from, table_def to, delivery_mode mode) {
    plan_settings s;
    s.mode = mode;
    job j(s);
    ok(j.sink(ok(j.source(from)), to));
    return guarantee_text(ok(j.build()));
  };
  table_def input = flights();
  input.name = "input";
  input.options = {{"connector", "stdin"}, {"format", "csv"}};
  CHECK(text(flights(), files("out"), delivery_mode::exactly_once) ==
        "exactly once into sink/out: flights is read again from the last snapshot, and its files "
        "appear by rename with every snapshot");
  CHECK(text(flights(), standard_output, delivery_mode::exactly_once) ==
        "at least once into sink/stdout: flights is read again from the last snapshot, and it may "
        "show rows again after a restart");
  CHECK(text(input, files("out"), delivery_mode::exactly_once) ==
        "at most once into sink/out: input cannot be read again after a restart");
  CHECK(text(flights(), files("out"), delivery_mode::at_least_once) ==
        "at least once into sink/out: the job was asked not to align barriers");
  CHECK(text(flights(), files("out"), delivery_mode::at_most_once) ==
        "at most once into sink/out: the job was asked not to replay anything");
}

TEST_CASE("the plan explains itself") {
  plan_settings s;
  s.name = "demo";
  s.parallelism = 2;
  job j(s);
  auto r = j.where(ok(j.source(flights())), "delay > 15", "late");
  auto by = j.group(r, {"carrier"}, {"count(*)"}, "by_carrier");
  ok(j.sink(by, standard_output));
  auto windows = ok(j.window(r, {{window_kind::tumble, 3'600'000'000, 0}}, {"hours", "", 0}));
  ok(j.sink(j.group(windows, {"origin"}, {"max(delay)"}, "hourly"), files("out")));
  auto p = ok(j.build());
  CHECK(explain_text(p) == R"~(job demo: parallelism 2, 128 key groups, exactly-once
  sink/stdout: at least once, since flights is read again from the last snapshot, and it may show rows again after a restart
  sink/out: exactly once, since flights is read again from the last snapshot, and its files appear by rename with every snapshot

sink/stdout x1: sink stdout
|  state: output that waits for its snapshot
+- [rebalance, changes] by_carrier x2: aggregate count(*) by carrier
   |  state: one entry per key (carrier), kept for ever
   +- [hash by carrier] by_carrier/partial x2: pre-aggregate count(*) by carrier
      |  state: emptied before every snapshot
      +- late x2: filter (delay > 15)
         +- source/flights x2: source file in.csv (csv): carrier, origin, delay, t; event time t, up to 0s out of order
               state: positions of unfinished splits

sink/out x2: sink file out (csv)
|  state: output that waits for its snapshot
+- hourly x2: aggregate max(delay) by origin, window_start, window_end; once per window
   |  state: one entry per key (origin, window_start, window_end) until its window ends
   +- [hash by origin, window_start, window_end] hourly/partial x2: pre-aggregate max(delay) by origin, window_start, window_end
      |  state: emptied before every snapshot
      +- hours x2: tumbling windows of 1h 00m over t
         +- late x2: see above
)~");
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  auto json = explain_json(p);
  REQUIRE(parser.parse(json).get(root) == simdjson::SUCCESS);
  CHECK(root["operators"].get_array().value_unsafe().size() == p.operators.size());
  CHECK(root["edges"].get_array().value_unsafe().size() == p.edges.size());
  CHECK(root["name"].get_string().value_unsafe() == "demo");
}

TEST_CASE("what a changed job keeps of an old one's state") {
  auto plan = [](std::string_view predicate, std::string key, std::string id, std::string path) {
    job j;
    auto t = flights();
    t.options["path"] = std::move(path);
    auto r = j.where(ok(j.source(t)), predicate, "late");
    r = j.group(r, {std::move(key)}, {"count(*)"}, std::move(id), true);
    ok(j.sink(r, files("out")));
    return ok(j.build());
  };
  auto old = plan("delay > 1", "carrier", "by", "in.csv");
  CHECK(to_text(compare_state(old, plan("delay > 1", "carrier", "by", "in.csv"))) ==
        "all state is kept\n");
  CHECK(to_text(compare_state(old, old, {{"by", 1}}))
            .find("lost  by: another version of Weir kept it, in another form\n") !=
        std::string::npos);
  auto chosen = to_text(compare_state(old, plan("delay > 2", "carrier", "by", "in.csv")));
  CHECK(chosen.find(
            "kept  by: with what it has of rows that were chosen or computed differently; ") !=
        std::string::npos);
  CHECK(chosen.find("kept  source/flights\n") != std::string::npos);
  auto changed = to_text(compare_state(old, plan("delay > 1", "origin", "by", "in.csv")));
  CHECK(changed.find("lost  by: its keys, its calls or the types that they read changed\n") !=
        std::string::npos);
  CHECK(changed.find("kept  source/flights\n") != std::string::npos);
  auto renamed = to_text(compare_state(old, plan("delay > 1", "carrier", "by2", "other.csv")));
  CHECK(renamed.find("new   by2: no operator had this id; it starts empty\n") != std::string::npos);
  CHECK(renamed.find("lost  by: no operator has this id any more\n") != std::string::npos);
  CHECK(renamed.find("lost  source/flights: it reads something else; it starts from the "
                     "beginning\n") != std::string::npos);
}

TEST_CASE("aggregates in SQL text: calls, rests and errors with their place") {
  auto type = *ok(schema_of_table(flights()));
  schema keys;
  keys.fields = {{"airline", type_id::string}};
  auto rest = [&](std::string_view text) {
    bound_aggregate b;
    auto e = bind_aggregates(text, type, keys, 0, b);
    if (e) return std::to_string(e->offset) + ": " + e->cause.message;
    schema result = keys;
    for (const auto& c : b.calls) result.fields.push_back({c.name, c.type});
    return std::to_string(b.calls.size()) +
           (b.rest ? " [" + expr::to_sql(*b.rest, result) + "]" : "");
  };
  CHECK(rest("count(*)") == "1");
  CHECK(rest(" COUNT( DISTINCT origin ) FILTER (WHERE delay > (1 + 2)) ") == "1");
  CHECK(rest("sum(delay) / count(*)") == "2 [(\"@0\" / \"@1\")]");
  CHECK(rest("string_agg(carrier, ', ')") == "1");
  CHECK(rest("max(coalesce(delay, 0)) + 1") == "1 [(\"@0\" + 1)]");
  CHECK(rest("'sum(delay)' || max(carrier)") == "1 [('sum(delay)' || \"@0\")]");
  CHECK(rest("airline || max(carrier)") == "1 [(airline || \"@0\")]");
  CHECK(rest("delay") == "0: expected an aggregate such as count(*) or sum(x)");
  CHECK(rest("delay + count(*)") == "0: column \"delay\" must be a key or be used in an aggregate");
  CHECK(rest("sum(delai)") == "4: column \"delai\" does not exist; did you mean \"delay\"?");
  CHECK(rest("count(*) FILTER (WHERE origim = 'x')") ==
        "23: column \"origim\" does not exist; did you mean \"origin\"?");
  CHECK(rest("sum(max(delay))") == "4: an aggregate cannot contain another: max");
  CHECK(rest("sum(*)") == "0: only count takes *");
  CHECK(rest("sum(delay, 2)") == "11: this aggregate takes one argument");
  CHECK(rest("sum(delay").rfind("9: syntax error", 0) == 0);
  CHECK(rest("string_agg(carrier)") == "0: string_agg takes a value and a separator");
  CHECK(rest("count(*) FILTER (delay > 1)").rfind("17: syntax error", 0) == 0);
  CHECK(rest("sum(carrier)").rfind("4: ", 0) == 0);
  CHECK(rest("'é' || max(carrie)").rfind("12: column \"carrie\"", 0) == 0);
}

TEST_CASE("mistakes are named") {
  job j;
  auto in = ok(j.source(flights()));
  auto bad = flights();
  bad.name = "bad";
  bad.options["event_time"] = "delay";
  CHECK(j.source(bad).err().message ==
        "event_time of table \"bad\": column \"delay\" is int, but event time must be timestamp");
  bad.options["event_time"] = "tt";
  CHECK(j.source(bad).err().message ==
        "event_time of table \"bad\": there is no column \"tt\"; did you mean \"t\"?");
  auto sink = files("out");
  sink.columns = {{"carier", type_id::string, ""}};
  CHECK(j.sink(in, sink).err().message ==
        "sink \"out\" has a column \"carier\" that \"source/flights\" does not give; did you mean "
        "\"carrier\"? (it gives carrier, origin, delay, t, later)");
  sink.columns = {{"carrier", type_id::boolean, ""}};
  CHECK(j.sink(in, sink).err().message ==
        "column \"carrier\" of the sink is boolean, but \"carrier\" is text; cast it in a select");
  CHECK(j.build().err().message == "the job has no sink");
  CHECK(ok(duration_us("1 day", "x")) == 86'400'000'000);
  CHECK(ok(duration_us("90s", "x")) == 90'000'000);
  CHECK_FALSE(duration_us("1 month", "x").ok());
}
