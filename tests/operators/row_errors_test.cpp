// Rows that an expression cannot compute: handed to the policy once, left out, the others go on.
#include "harness.hpp"

using namespace weir;
using namespace weir::test;

namespace {

/// Remembers what it is given: "ROW: CAUSE".
struct remembering final : row_error_handler {
  lines seen;
  status reject(const batch& in, const std::vector<expr::row_error>& errors) override {
    for (const auto& e : errors) {
      std::string row;
      for (const auto& c : in.columns) {
        auto one = make_batch(columns({{"v", to_string(c->type)}}), {c});
        row += (row.empty() ? "" : ",") + format_row(*one, e.row);
      }
      seen.push_back(row + ": " + e.cause.message);
    }
    return {};
  }
};

schema_ptr two_numbers() {
  return columns({{"a", "int"}, {"b", "int"}});
}

}  // namespace

TEST_CASE("without a policy the first row that cannot be computed fails the call") {
  const auto pairs = two_numbers();
  instance f({"op", "filter", filter_spec{bind("a / b > 1", *pairs)}, pairs, false, 0}, {pairs});
  auto failed = f.try_push(rows(pairs, {{"4", "2"}, {"1", "0"}}));
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.err().code == errc::division_by_zero);
  CHECK(failed.err().message == "division by zero in (a / b)");
}

TEST_CASE("filter and project leave the rows out that fail, under a selection too") {
  const auto pairs = two_numbers();
  remembering policy;
  instance f({"op", "filter", filter_spec{bind("a / b > 1", *pairs)}, pairs, false, 0}, {pairs}, {},
             &policy);
  f.push(rows(pairs, {{"4", "2"}, {"1", "0"}, {"1", "1"}, {"9", "3"}, {"7", "0"}}));
  CHECK(f.out.all() == lines{"4,2", "9,3"});
  CHECK(policy.seen ==
        lines{"1,0: division by zero in (a / b)", "7,0: division by zero in (a / b)"});

  policy.seen.clear();
  auto type = columns({{"q", "int"}, {"n", "int"}});
  instance p(
      {"op", "project", project_spec{{bind("a / b", *pairs), bind("a + 2147483647", *pairs)}}, type,
       false, 0},
      {pairs}, {}, &policy);
  auto all =
      rows(pairs, {{"0", "1"}, {"5", "0"}, {"1", "1"}, {"-1", "1"}, {"0", "0"}}, {1, 1, 1, -1, 1});
  p.push(all);
  CHECK(p.out.all() == lines{"0,2147483647", "-1: -1,2147483646"});
  CHECK(policy.seen.size() == 3);
  CHECK(policy.seen[1].starts_with("1,1: integer out of range"));

  // Rows outside of the selection are nobody's errors.
  policy.seen.clear();
  p.out.clear();
  const std::vector<uint32_t> first{0};
  p.push(with_selection(*all, buffer::copy(pool(), std::as_bytes(std::span(first))), 1));
  CHECK(p.out.all() == lines{"0,2147483647"});
  CHECK(policy.seen.empty());

  p.out.clear();
  p.push(rows(pairs, {{"5", "0"}}));
  CHECK(p.out.batches.empty());
}

TEST_CASE("flat map: the argument's errors and arrays that are none") {
  remembering policy;
  auto in = columns({{"t", "text"}, {"n", "int"}});
  auto out = columns({{"n", "int"}, {"element", "text"}});
  flat_map_spec s{"unnest", bind("CASE WHEN 1 / n > 0 THEN t END", *in), "", {1}};
  instance f({"op", "unnest", s, out, false, 0}, {in}, {}, &policy);
  f.push(rows(in, {{"[1]", "1"}, {"[2]", "0"}, {"{", "1"}, {"7", "1"}, {"[3,4]", "1"}}));
  CHECK(f.out.all() == lines{"1,1", "1,3", "1,4"});
  REQUIRE(policy.seen.size() == 3);
  CHECK(policy.seen[0] == "[2],0: division by zero in (1 / n)");
  CHECK(policy.seen[1].starts_with("{,1: unnest: not JSON"));
  CHECK(policy.seen[2] == "7,1: unnest: the JSON value is no array");
}

TEST_CASE("aggregates leave a failing row out of all their calls, before an exchange and behind") {
  using fn = aggregate_function;
  auto in = columns({{"k", "text"}, {"a", "int"}, {"b", "int"}});
  auto input = rows(in, {{"x", "6", "2"}, {"x", "1", "0"}, {"y", "4", "4"}, {"z", "1", "0"}});
  auto spec = aggregate(in, {0}, {{fn::count_star, ""}, {fn::sum, "a / b"}}, emit_mode::final_only);
  for (bool partial : {false, true}) {
    CAPTURE(partial);
    remembering policy;
    spec.stage = partial ? aggregate_spec::phase::partial : aggregate_spec::phase::complete;
    instance a(node_of(spec, in), {in}, {0, default_key_groups}, &policy);
    a.push(input);
    if (partial)
      REQUIRE(a.op->before_barrier(a.out).ok());
    else
      a.end();
    CHECK(policy.seen.size() == 2);
    auto got = a.out.all();
    std::sort(got.begin(), got.end());
    REQUIRE(got.size() == 2);  // z is no group
    CHECK(got[0].starts_with(partial ? "x,1," : "x,1,3"));
    CHECK(got[1].starts_with(partial ? "y,1," : "y,1,1"));
  }
}

TEST_CASE("an aggregate's argument is computed only for rows that its FILTER lets through") {
  const auto pairs = two_numbers();
  using fn = aggregate_function;
  for (auto emit : {emit_mode::final_only, emit_mode::changes}) {
    instance a(node_of(aggregate(pairs, {}, {{fn::sum, "a / b", "b <> 0"}}, emit), pairs), {pairs},
               {0, default_key_groups});
    a.push(rows(pairs, {{"6", "2"}, {"1", "0"}}));
    a.end();
    CHECK(a.out.net() == lines{"3"});
  }
}
