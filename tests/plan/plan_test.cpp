#include <doctest/doctest.h>

#include <bit>
#include <random>

#include "runtime/plan/plan.hpp"
#include "tests/plan/sample_plan.hpp"

using namespace weir;
using namespace weir::test;

namespace {

std::string why(const physical_plan& p) {
  auto s = validate(p);
  return s.ok() ? "valid" : s.err().message;
}

const scalar& literal_of(const physical_plan& p, uint32_t op, uint32_t column) {
  return std::get<project_spec>(p.operators[op].spec).columns[column]->literal;
}

}  // namespace

TEST_CASE("a plan survives its wire form") {
  auto p = full_plan();
  REQUIRE(why(p) == "valid");
  auto bytes = encode_plan(p);
  auto back = decode_plan(bytes);
  REQUIRE_MESSAGE(back.ok(), back.err().message);
  CHECK(encode_plan(*back) == bytes);
  CHECK(fingerprint(*back) == fingerprint(p));
  CHECK(back->name == "full");
  CHECK(back->mode == delivery_mode::at_least_once);
  CHECK(back->key_groups == 64);
  CHECK(back->parallelism == 4);
  REQUIRE(back->operators.size() == p.operators.size());
  for (size_t i = 0; i < p.operators.size(); ++i) {
    CHECK(back->operators[i].id == p.operators[i].id);
    CHECK(back->operators[i].spec.index() == p.operators[i].spec.index());
    CHECK(back->operators[i].parallelism == p.operators[i].parallelism);
    CHECK((back->operators[i].output == nullptr) == (p.operators[i].output == nullptr));
    if (p.operators[i].output) CHECK(*back->operators[i].output == *p.operators[i].output);
  }
  const auto& source = std::get<source_spec>(back->operators[0].spec);
  CHECK(source.options.at("null_text").empty());
  CHECK(source.watermark_delay_us == 5'000'000);
  CHECK(source.on_error == error_policy::dead_letter);
  CHECK(source.dead_letter_path == "bad.jsonl");
  CHECK(back->operators[1].on_error == error_policy::dead_letter);
  CHECK(back->operators[1].dead_letter_folder == "/jobs/dead");
  CHECK(back->operators[2].on_error == error_policy::fail);
  CHECK(source.columns->event_time == 2);
  CHECK_FALSE(source.columns->fields[1].nullable);
}

TEST_CASE("what is dropped, what came last and what is looked up survive the wire form") {
  physical_plan p;
  auto in = make_schema({{"k", type_id::string}, {"v", type_id::int64}});
  source_spec src;
  src.connector = "stdin";
  src.columns = in;
  src.physical_columns = 2;
  add(p, "in", src, in);
  lookup_spec look;
  look.kind = join_kind::left;
  look.table = src;
  look.table.connector = "file";
  look.table.options = {{"path", "d.csv"}, {"cache", "5m"}};
  look.filter = literal(scalar::of_bool(true));
  look.columns = {column(in, 1), column(in, 0)};
  look.rows = make_schema({{"n", type_id::int64}, {"name", type_id::string}});
  look.keys = {0};
  look.table_keys = {1};
  look.null_safe = {true};
  look.condition_columns = {1, 2};
  look.condition = literal(scalar::of_bool(true));
  look.output = {0, 2};
  look.cache_us = 300'000'000;
  add(p, "look", look, make_schema({{"k", type_id::string}, {"n", type_id::int64}}));
  top_n_spec last;
  last.keys = {0};
  last.last_arrived = last.input_has_changes = last.upserts = true;
  add(p, "last", last, p.operators[1].output);
  p.operators[2].state_ttl_us = 3'600'000'000;
  connect(p, 0, 1);
  connect(p, 1, 2, exchange_kind::hash, {0});
  auto back = decode_plan(encode_plan(p));
  REQUIRE_MESSAGE(back.ok(), back.err().message);
  CHECK(fingerprint(*back) == fingerprint(p));
  const auto& l = std::get<lookup_spec>(back->operators[1].spec);
  CHECK(l.kind == join_kind::left);
  CHECK(l.table.connector == "file");
  CHECK(l.table.options == look.table.options);
  CHECK((l.filter && l.condition));
  CHECK(*l.rows == *look.rows);
  CHECK(l.columns.size() == 2);
  CHECK((l.keys == look.keys && l.table_keys == look.table_keys && l.output == look.output));
  CHECK((l.null_safe == look.null_safe && l.condition_columns == look.condition_columns));
  CHECK(l.cache_us == 300'000'000);
  CHECK_FALSE(keeps_state(back->operators[1]));
  CHECK(std::get<top_n_spec>(back->operators[2].spec).last_arrived);
  CHECK(std::get<top_n_spec>(back->operators[2].spec).upserts);
  CHECK(back->operators[2].state_ttl_us == 3'600'000'000);

  // Another time keeps the state, none does not: entries have a word less.
  const auto inputs = input_schemas(p, operator_index(2));
  auto other = p.operators[2];
  other.state_ttl_us *= 2;
  CHECK(state_fingerprint(other, inputs) == state_fingerprint(p.operators[2], inputs));
  other.state_ttl_us = 0;
  CHECK(state_fingerprint(other, inputs) != state_fingerprint(p.operators[2], inputs));

  p.operators[2].state_ttl_us = 1;
  CHECK(validate(p).err().message.find("state_ttl is not within its limits") != std::string::npos);
  p.operators[2].state_ttl_us = 0;
  p.operators[0].state_ttl_us = 3'600'000'000;
  CHECK(validate(p).err().message.find("nothing that a state_ttl would bound") !=
        std::string::npos);
  p.operators[0].state_ttl_us = 0;
  std::get<lookup_spec>(p.operators[1].spec).kind = join_kind::full;
  CHECK(validate(p).err().message.find("not looked up by a full join") != std::string::npos);
}

TEST_CASE("a source's condition on files: on the wire, in the fingerprint, checked") {
  physical_plan p;
  auto in = make_schema({{"day", type_id::date}, {"b", type_id::boolean}});
  source_spec src;
  src.connector = "file";
  src.columns = in;
  src.physical_columns = 2;
  add(p, "in", src, in);
  const auto without = fingerprint(p);
  std::get<source_spec>(p.operators[0].spec).split_filter = column(in, 1);
  REQUIRE(why(p) == "valid");
  auto back = decode_plan(encode_plan(p));
  REQUIRE(back.ok());
  const auto& got = std::get<source_spec>(back->operators[0].spec).split_filter;
  REQUIRE(got);
  CHECK(got->column == 1);
  CHECK(fingerprint(*back) == fingerprint(p));
  CHECK(fingerprint(p) != without);
  std::get<source_spec>(p.operators[0].spec).split_filter = column(in, 0);
  CHECK(why(p).find("condition on files is date, not boolean") != std::string::npos);
}

TEST_CASE("windows of every kind survive the wire form, and what makes windows of slices") {
  physical_plan p;
  auto in =
      make_schema({{"k", type_id::string}, {"v", type_id::int64}, {"t", type_id::timestamp}}, 2);
  source_spec src;
  src.connector = "stdin";
  src.columns = in;
  src.physical_columns = 3;
  add(p, "in", src, in);
  auto rows = std::make_shared<schema>(*in);
  rows->fields.push_back({"window_start", type_id::timestamp});
  rows->fields.push_back({"window_end", type_id::timestamp});
  add(p, "grow", window_spec{2, {window_kind::cumulate, 60, 20}}, rows);
  add(p, "gaps", window_spec{2, {window_kind::session, 30, 0}, false, {0}}, rows);
  auto sliced = std::make_shared<schema>(*in);
  sliced->fields.push_back({"slice", type_id::timestamp});
  add(p, "hop", window_spec{2, {window_kind::hop, 60, 25}, true}, sliced);
  aggregate_spec agg;
  agg.keys = {0, 3};
  aggregate_call count;
  count.type = type_id::int64;
  count.name = "n";
  agg.calls = {count};
  agg.emit = emit_mode::final_only;
  agg.window_end_key = 1;
  agg.windows = window_shape{window_kind::hop, 60, 25};
  agg.window_start_at = 2;
  agg.late_columns = {2, 0};
  agg.late_output = make_schema({{"t", type_id::timestamp}, {"k", type_id::string}});
  auto counted = make_schema({{"k", type_id::string},
                              {"window_end", type_id::timestamp},
                              {"window_start", type_id::timestamp},
                              {"n", type_id::int64}});
  add(p, "count", agg, counted);
  add_blackhole(p, "late", agg.late_output);
  connect(p, 0, 1);
  connect(p, 0, 2, exchange_kind::hash, {0});
  connect(p, 0, 3);
  connect(p, 3, 4, exchange_kind::hash, {0});
  plan_edge late;
  late.from = operator_index(4);
  late.to = operator_index(5);
  late.from_port = 1;
  p.edges.push_back(late);
  auto back = decode_plan(encode_plan(p));
  REQUIRE_MESSAGE(back.ok(), back.err().message);
  CHECK(fingerprint(*back) == fingerprint(p));
  const auto& grow = std::get<window_spec>(back->operators[1].spec);
  CHECK(grow.shape == window_shape{window_kind::cumulate, 60, 20});
  CHECK(grow.time_column == 2);
  CHECK_FALSE(grow.slices);
  const auto& gaps = std::get<window_spec>(back->operators[2].spec);
  CHECK(gaps.shape.kind == window_kind::session);
  CHECK(gaps.keys == std::vector<uint32_t>{0});
  CHECK(keeps_state(back->operators[2]));
  CHECK_FALSE(keeps_state(back->operators[1]));
  CHECK(std::get<window_spec>(back->operators[3].spec).slices);
  const auto& a = std::get<aggregate_spec>(back->operators[4].spec);
  CHECK(a.windows == agg.windows);
  CHECK(a.window_start_at == 2);
  CHECK(a.late_columns == agg.late_columns);
  REQUIRE(a.late_output);
  CHECK(*a.late_output == *agg.late_output);

  // Another size is another state; where a result's columns stand is not.
  auto inputs = input_schemas(p, operator_index(4));
  auto other = p.operators[4];
  std::get<aggregate_spec>(other.spec).windows->step_us = 30;
  CHECK(state_fingerprint(other, inputs) != state_fingerprint(p.operators[4], inputs));
  other = p.operators[4];
  std::get<aggregate_spec>(other.spec).window_start_at = 0;
  CHECK(state_fingerprint(other, inputs) == state_fingerprint(p.operators[4], inputs));

  auto why = [](physical_plan q) {
    auto v = validate(q);
    return v.ok() ? std::string("valid") : v.err().message;
  };
  auto bad = p;
  std::get<window_spec>(bad.operators[1].spec).shape.step_us = 25;
  CHECK(why(bad).find("must be a multiple of the step") != std::string::npos);
  bad = p;
  std::get<window_spec>(bad.operators[3].spec).shape.step_us = 0;
  CHECK(why(bad) == "plan: window \"hop\": the slide must be above 0");
  bad = p;
  std::get<aggregate_spec>(bad.operators[4].spec).late_columns = {1, 0};
  CHECK(why(bad).find("late rows have \"t\" as another type") != std::string::npos);
  bad = p;
  std::get<window_spec>(bad.operators[2].spec).keys.clear();
  bad.parallelism = 4;
  CHECK(why(bad).find("sessions of all rows have parallelism") != std::string::npos);
}

TEST_CASE("literals keep every bit") {
  auto p = full_plan();
  auto back = decode_plan(encode_plan(p));
  REQUIRE(back.ok());
  CHECK(literal_of(*back, 2, 1).dec == literal_of(p, 2, 1).dec);
  CHECK(literal_of(*back, 2, 1).type.scale == 7);
  CHECK(std::bit_cast<uint64_t>(literal_of(*back, 2, 2).d) == uint64_t{1} << 63);
  CHECK(literal_of(*back, 2, 3).interval == interval_value{-1, 2, -3});
  const auto& predicate = std::get<filter_spec>(back->operators[1].spec).predicate;
  CHECK(predicate->args[0]->args[1]->literal.s == "é");
  CHECK(predicate->args[1]->args[1]->literal.s == std::string("x\0y", 3));
  CHECK_MESSAGE(predicate->args[0]->args[0] == predicate->args[1]->args[0],
                "a shared subtree is still shared");
  CHECK(predicate->location == 7);
}

TEST_CASE("deep expressions pass, absurdly deep ones are refused") {
  auto deep = [](int levels) {
    physical_plan p;
    auto s = add_sequence(p, "in");
    auto type = p.operators[s].output;
    auto e = literal(scalar::of_bool(true));
    for (int i = 0; i < levels; ++i) e = call("not", type_id::boolean, {e});
    add(p, "where", filter_spec{e}, type);
    add_blackhole(p, "out", type);
    connect(p, 0, 1);
    connect(p, 1, 2);
    return decode_plan(encode_plan(p));
  };
  CHECK(deep(900).ok());
  auto r = deep(2000);
  REQUIRE_FALSE(r.ok());
  CHECK(r.err().code == errc::corrupt);
  CHECK(r.err().message == "plan message: an expression of more than 1000000 nodes or 1000 levels");
}

TEST_CASE("an expression that doubles at every level is refused before it is walked") {
  physical_plan p;
  add_sequence(p, "in");
  auto type = p.operators[0].output;
  auto e = literal(scalar::of_bool(true));
  for (int i = 0; i < 60; ++i) e = call("and", type_id::boolean, {e, e});
  add(p, "where", filter_spec{e}, type);
  connect(p, 0, 1);
  auto r = decode_plan(encode_plan(p));
  REQUIRE_FALSE(r.ok());
  CHECK(r.err().code == errc::corrupt);
}

TEST_CASE("another format version is named") {
  auto bytes = encode_plan(full_plan());
  // Segment table (8 bytes), root pointer (8 bytes), then the root's first word.
  REQUIRE(static_cast<uint8_t>(bytes[16]) == 1);
  bytes[16] = std::byte{9};
  auto r = decode_plan(bytes);
  REQUIRE_FALSE(r.ok());
  CHECK(r.err().code == errc::version_mismatch);
  CHECK(r.err().message == "plan message has format version 9, this binary reads 1");
}

TEST_CASE("truncated and mutated messages are refused or decode to a valid plan") {
  const auto bytes = encode_plan(full_plan());
  for (size_t n = 0; n < bytes.size(); n += 8) CHECK_FALSE(decode_plan({bytes.data(), n}).ok());
  CHECK_FALSE(decode_plan({bytes.data(), bytes.size() - 3}).ok());

  const uint64_t seed = 20130101;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto copy = bytes;
    const auto changes = 1 + random() % 4;
    for (uint64_t c = 0; c < changes; ++c) {
      auto& b = copy[random() % copy.size()];
      if (random() % 2)
        b ^= std::byte(1U << (random() % 8));
      else
        b = std::byte(random());
    }
    auto r = decode_plan(copy);
    if (!r.ok()) continue;
    ++accepted;
    CHECK(validate(*r).ok());
    (void)fingerprint(*r);
  }
  CHECK(accepted > 100);  // letters of names and the like
}

TEST_CASE("random bytes are refused") {
  const uint64_t seed = 42;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 5'000; ++round) {
    std::vector<std::byte> bytes(8 * (random() % 64));
    for (auto& b : bytes) b = random() % 3 ? std::byte{0} : std::byte(random());
    CHECK_FALSE(decode_plan(bytes).ok());
  }
}

TEST_CASE("validate names what is wrong") {
  auto p = full_plan();
  SUBCASE("nothing") {
    p.operators.clear();
    CHECK(why(p) == "plan: no operators");
  }
  SUBCASE("id twice") {
    p.operators[1].id = "in";
    CHECK(why(p) == "plan: filter \"in\": its stable id is used twice");
  }
  SUBCASE("no id") {
    p.operators[1].id.clear();
    CHECK(why(p) == "plan: filter \"\": has no stable id");
  }
  SUBCASE("dead letters without a folder, and the other way round") {
    p.operators[1].dead_letter_folder.clear();
    CHECK(why(p) == "plan: filter \"where\": has no folder for dead letters");
    p = full_plan();
    p.operators[1].on_error = error_policy::skip;
    CHECK(why(p) == "plan: filter \"where\": has a folder for dead letters that it never writes");
  }
  SUBCASE("forward between different parallelism") {
    p.operators[4].parallelism = 3;
    CHECK(why(p) == "plan: edge \"tumble\" -> \"words\" is forward between parallelism 4 and 3");
  }
  SUBCASE("key column out of range") {
    p.edges[5].keys = {9};
    CHECK(why(p) == "plan: edge \"count/partial\" -> \"count\" has key column 9 of 3");
  }
  SUBCASE("hash without keys") {
    p.edges[5].keys.clear();
    CHECK(why(p) == "plan: edge \"count/partial\" -> \"count\" is a hash exchange without keys");
  }
  SUBCASE("keyed operator behind a rebalance") {
    p.edges[5].exchange = exchange_kind::rebalance;
    p.edges[5].keys.clear();
    CHECK(why(p) ==
          "plan: edge \"count/partial\" -> \"count\" does not keep rows of one key together");
  }
  SUBCASE("order") {
    std::swap(p.edges[0].from, p.edges[0].to);
    CHECK(why(p) == "plan: edge \"where\" -> \"in\" is against the topological order");
  }
  SUBCASE("a port that is none") {
    p.edges[7].from_port = 2;
    CHECK(why(p) == "plan: edge \"detect\" -> \"distinct\" leaves output 2, which is none");
  }
  SUBCASE("ports out of order") {
    std::swap(p.edges[8], p.edges[9]);
    CHECK(why(p) == "plan: union \"both\": input 1 comes where 0 is due");
  }
  SUBCASE("no input") {
    p.edges.erase(p.edges.begin());
    CHECK(why(p) == "plan: filter \"where\": has no input");
  }
  SUBCASE("sink of other columns") {
    auto& sink = std::get<sink_spec>(p.operators[10].spec);
    sink.columns =
        make_schema({{"word", type_id::string}, {"n", type_id::int32}, {"all", type_id::string}});
    CHECK(why(p) == "plan: sink \"out\": input column \"n\" is bigint where int is expected");
  }
  SUBCASE("predicate") {
    std::get<filter_spec>(p.operators[1].spec).predicate = literal(scalar::of_double(1));
    CHECK(why(p) == "plan: filter \"where\": predicate is double precision, not boolean");
  }
  SUBCASE("expression over a column that is none") {
    auto wide =
        make_schema({{"a", type_id::string}, {"b", type_id::string}, {"c", type_id::string}});
    std::get<flat_map_spec>(p.operators[4].spec).argument = column(wide, 2);
    CHECK(why(p) ==
          "plan: flat_map \"words\": argument reads \"f\" as text, but it is double precision");
  }
  SUBCASE("global aggregate in parallel") {
    auto& a = std::get<aggregate_spec>(p.operators[6].spec);
    a.keys.clear();
    a.calls.erase(a.calls.begin());
    p.operators[6].output = make_schema({{"all", type_id::string}});
    p.edges.resize(6);
    p.operators.resize(7);
    CHECK(why(p) ==
          "plan: aggregate \"count\": an aggregate without keys has parallelism 2, not 1");
  }
  SUBCASE("limits") {
    p.parallelism = 0;
    CHECK(why(p) == "plan: parallelism 0 is not in 1 to 4096");
    p.parallelism = 4;
    p.key_groups = 0;
    CHECK(why(p) == "plan: key_groups 0 is not in 1 to 32768");
  }
}

TEST_CASE("the fingerprint follows what decides results and nothing else") {
  const auto p = full_plan();
  const auto f = fingerprint(p);
  auto q = p;
  SUBCASE("parallelism, names, sink paths, folders: the same") {
    q.operators[0].name = "another name";
    q.operators[6].parallelism = q.operators[7].parallelism = 5;
    q.name = "another job";
    std::get<sink_spec>(q.operators[10].spec).options["path"] = "elsewhere";
    std::get<source_spec>(q.operators[0].spec).base_dir = "/moved";
    std::get<source_spec>(q.operators[0].spec).options["rate"] = "100";
    CHECK(fingerprint(q) == f);
  }
  SUBCASE("input path") {
    std::get<source_spec>(q.operators[0].spec).options["path"] = "other.csv";
    CHECK(fingerprint(q) != f);
  }
  SUBCASE("a literal") {
    std::get<project_spec>(q.operators[2].spec).columns[2] = literal(scalar::of_double(0.0));
    CHECK(fingerprint(q) != f);
  }
  SUBCASE("window size") {
    std::get<window_spec>(q.operators[3].spec).shape.size_us += 1;
    CHECK(fingerprint(q) != f);
  }
  SUBCASE("parameters") {
    std::get<custom_spec>(q.operators[7].spec).parameters["threshold"] = "4";
    CHECK(fingerprint(q) != f);
  }
}

TEST_CASE("the state fingerprint changes when state could not be reused") {
  const auto p = full_plan();
  auto of = [](const physical_plan& plan, uint32_t i) {
    return state_fingerprint(plan.operators[i], input_schemas(plan, operator_index(i)));
  };
  auto q = p;
  SUBCASE("a key of another type") {
    auto in = std::make_shared<schema>(*p.operators[5].output);
    in->fields[0].type = type_id::int64;
    q.operators[5].output = in;
    CHECK(of(q, 6) != of(p, 6));
  }
  SUBCASE("another call") {
    std::get<aggregate_spec>(q.operators[6].spec).calls[0].function = aggregate_function::avg;
    CHECK(of(q, 6) != of(p, 6));
  }
  SUBCASE("a column more in front of those that are read: the same") {
    auto wide = std::make_shared<schema>(*p.operators[4].output);
    wide->fields.insert(wide->fields.begin(), field{"more", type_id::date});
    auto& a = std::get<aggregate_spec>(q.operators[6].spec);
    a.complete_input = wide;
    a.calls[1].argument = column(wide, 2);
    CHECK(of(q, 6) == of(p, 6));
  }
  SUBCASE("parameters of a custom operator: the same") {
    std::get<custom_spec>(q.operators[7].spec).parameters["threshold"] = "4";
    CHECK(of(q, 7) == of(p, 7));
    std::get<custom_spec>(q.operators[7].spec).class_name = "other";
    CHECK(of(q, 7) != of(p, 7));
  }
  SUBCASE("a source that reads more columns keeps its positions, one with another path does not") {
    auto& s = std::get<source_spec>(q.operators[0].spec);
    s.columns = make_schema({{"k", type_id::string}});
    s.options["rate"] = "10";
    CHECK(of(q, 0) == of(p, 0));
    s.options["path"] = "other.csv";
    CHECK(of(q, 0) != of(p, 0));
  }
  SUBCASE("stateless operators are all alike") {
    CHECK(of(p, 1) != of(p, 2));
    CHECK_FALSE(keeps_state(p.operators[1]));
    CHECK(keeps_state(p.operators[0]));
    CHECK(keeps_state(p.operators[6]));
  }
}

TEST_CASE("what ends state by a column survives the wire, and is checked") {
  physical_plan p;
  auto in = make_schema(
      {{"id", type_id::int64}, {"t", type_id::timestamp}, {"until", type_id::timestamp}});
  source_spec s;
  s.connector = "file";
  s.columns = in;
  s.table_columns = {"id", "t", "until"};
  s.physical_columns = 3;
  add(p, "a", s, in);
  add(p, "b", s, in);
  join_spec j;
  j.left.keys = j.right.keys = {0};
  j.left.time_column = 2;
  j.left.retain_us = 5;
  j.left.ends_by_column = true;
  j.left.late_column = 1;
  j.right.time_column = 1;
  j.right.one_partner = true;
  j.output = {0, 2};
  add(p, "j", j, make_schema({{"id", type_id::int64}, {"until", type_id::timestamp}}));
  top_n_spec top;
  top.keys = {0};
  top.time_column = 1;
  top.retain_us = 7;
  add(p, "top", top, p.operators[2].output);
  connect(p, 0, 2, exchange_kind::hash, {0});
  connect(p, 1, 2, exchange_kind::hash, {0});
  p.edges.back().to_port = 1;
  connect(p, 2, 3, exchange_kind::hash, {0});
  auto back = decode_plan(encode_plan(p));
  REQUIRE_MESSAGE(back.ok(), back.err().message);
  CHECK(fingerprint(*back) == fingerprint(p));
  const auto& k = std::get<join_spec>(back->operators[2].spec);
  CHECK((k.left.ends_by_column && k.left.late_column == 1u && !k.left.one_partner));
  CHECK((!k.right.ends_by_column && !k.right.late_column && k.right.one_partner));
  const auto& t = std::get<top_n_spec>(back->operators[3].spec);
  CHECK((t.time_column == 1u && t.retain_us == 7));

  // Rows are kept as before, as far as they were: an end of a row by its column is in the
  // condition.
  auto ends = p.operators[2];
  std::get<join_spec>(ends.spec).left.time_column.reset();
  std::get<join_spec>(ends.spec).left.ends_by_column = false;
  const auto inputs = input_schemas(p, operator_index(2));
  CHECK(state_fingerprint(ends, inputs) == state_fingerprint(p.operators[2], inputs));
  auto partner = p.operators[2];
  std::get<join_spec>(partner.spec).right.one_partner = false;
  CHECK(state_fingerprint(partner, inputs) != state_fingerprint(p.operators[2], inputs));

  auto refused = [&p](auto change) {
    auto q = p;
    change(std::get<join_spec>(q.operators[2].spec), std::get<top_n_spec>(q.operators[3].spec));
    return !validate(q).ok();
  };
  CHECK(refused([](join_spec& x, top_n_spec&) { x.left.has_changes = true; }));
  CHECK(refused([](join_spec& x, top_n_spec&) { x.left.late_column = 0; }));
  CHECK(refused([](join_spec& x, top_n_spec&) { x.left.late_column = 9; }));
  CHECK(refused([](join_spec& x, top_n_spec&) { x.right.late_column = 1; }));
  CHECK(refused([](join_spec& x, top_n_spec&) { x.kind = join_kind::left; }));
  CHECK(refused([](join_spec&, top_n_spec& x) { x.time_column = 0; }));
  CHECK(refused([](join_spec&, top_n_spec& x) { x.time_column = 2; }));
  CHECK(refused([](join_spec&, top_n_spec& x) { x.input_has_changes = true; }));
  CHECK(refused([](join_spec&, top_n_spec& x) { x.keys.clear(); }));
}
