// Every expression of cases/expressions.txt against what PostgreSQL answered (cases/expected.txt),
// over plain columns, dictionary columns, selections, and as filters.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "runtime/column/text.hpp"
#include "tests/expr/harness.hpp"

using namespace weir;
using namespace weir::expr;
using namespace weir::expr::test;
using texts = std::vector<std::string>;

namespace {

const std::string folder = std::string(WEIR_SOURCE_DIR) + "/tests/expr/cases/";

texts split_at(const std::string& s, const std::string& by) {
  texts r;
  size_t from = 0;
  for (size_t at; (at = s.find(by, from)) != std::string::npos; from = at + by.size())
    r.push_back(s.substr(from, at - from));
  r.push_back(s.substr(from));
  return r;
}

table read_table() {
  table t;
  std::ifstream in(folder + "table.txt");
  std::string line;
  std::getline(in, line);
  for (const auto& f : split_at(line, "\t")) {
    auto blank = f.find(' ');
    t.type->fields.push_back({f.substr(0, blank), *parse_type(f.substr(blank + 1))});
  }
  while (std::getline(in, line)) t.rows.push_back(split_at(line, "\t"));
  return t;
}

struct expectation {
  std::string sql;
  texts values;
  bool near = false;
};
std::vector<expectation> read_expectations() {
  std::vector<expectation> all;
  std::ifstream in(folder + "expected.txt");
  for (std::string line; std::getline(in, line);) {
    auto tab = line.find('\t');
    REQUIRE(tab != std::string::npos);
    expectation e;
    e.sql = line.substr(0, tab);
    e.near = e.sql.substr(0, 2) == "~ ";
    if (e.near) e.sql = e.sql.substr(2);
    e.values = split_at(line.substr(tab + 1), "␟");
    all.push_back(std::move(e));
  }
  return all;
}

bool failed(const texts& v) {
  return v.size() == 1 && v[0].substr(0, 6) == "ERROR:";
}
std::string one_line(std::string s) {
  for (size_t at; (at = s.find('\n')) != std::string::npos;) s.replace(at, 1, "⏎");
  return s;
}
// PostgreSQL prints the zone of a timestamp with time zone; here it is always UTC.
std::string without_zone(const std::string& s) {
  auto at = s.find("+00", 19);
  if (at == std::string::npos) return s;
  return s.substr(0, at) + s.substr(at + 3);
}
bool same(const std::string& got, const std::string& want, bool near) {
  if (one_line(got) == want) return true;
  if (want.size() > 19 && one_line(got) == without_zone(want)) return true;
  auto a = parse_float64(got), b = parse_float64(want);
  if (!a || !b) return false;
  // The last digit of a library's sin() or exp() may differ.
  double tolerance = near ? 1e-9 : 1e-15;
  return std::fabs(*a - *b) <= tolerance * std::fmax(std::fabs(*a), std::fabs(*b)) &&
         (near || got.find('.') != std::string::npos);
}

void check(const expectation& e, const texts& got, const std::vector<uint32_t>& rows,
           const std::string& how) {
  INFO(e.sql << "   [" << how << "]");
  if (failed(e.values)) {
    CHECK_MESSAGE(failed(got), "expected " << e.values[0] << ", got " << got[0]);
    return;
  }
  if (failed(got)) {
    FAIL_CHECK(got[0]);
    return;
  }
  for (size_t i = 0; i < got.size(); ++i) {
    const auto& want = e.values.size() == 1 ? e.values[0] : e.values[rows[i]];
    CHECK_MESSAGE(same(got[i], want, e.near),
                  "row " << rows[i] << ": expected " << want << ", got " << got[i]);
  }
}

}  // namespace

TEST_CASE("expressions give PostgreSQL's values") {
  auto t = read_table();
  auto plain = make_batch(t), coded = make_batch(t, true);
  std::vector<uint32_t> all{0, 1, 2, 3, 4, 5, 6, 7}, some{1, 2, 5, 7};
  for (const auto& e : read_expectations()) {
    check(e, evaluate(e.sql, plain), all, "plain");
    check(e, evaluate(e.sql, coded), all, "dictionary");
    if (failed(e.values)) continue;
    check(e, evaluate(e.sql, select_rows(plain, some)), some, "selection");
    check(e, evaluate(e.sql, select_rows(coded, some)), some, "dictionary and selection");
  }
}

TEST_CASE("predicates filter the rows where they are true") {
  auto t = read_table();
  auto plain = make_batch(t);
  size_t tried = 0;
  for (const auto& e : read_expectations()) {
    if (failed(e.values) || e.values.size() == 1) continue;
    auto n = expr::bind(e.sql, *t.type);
    if (!n || (*n)->type.id != type_id::boolean) continue;
    auto p = program::compile({*n}, t.type);
    REQUIRE(p.ok());
    buffer_ref selection;
    uint32_t rows = 0;
    INFO(e.sql);
    REQUIRE(p->filter(*plain, pool(), selection, rows).ok());
    std::vector<uint32_t> want, got;
    for (uint32_t i = 0; i < e.values.size(); ++i)
      if (e.values[i] == "true") want.push_back(i);
    for (uint32_t i = 0; i < rows; ++i) got.push_back(selection ? selection.as<uint32_t>()[i] : i);
    CHECK(got == want);
    ++tried;
  }
  CHECK(tried > 50);
}

TEST_CASE("the SQL text of a tree binds to the same values") {
  auto t = read_table();
  auto plain = make_batch(t);
  for (const auto& e : read_expectations()) {
    if (failed(e.values) || e.values.size() == 1) continue;
    auto n = expr::bind(e.sql, *t.type);
    if (!n) continue;
    std::string again = to_sql(**n, *t.type);
    static const texts inner = {"check_precision", "timezone",    "round_timestamp",
                                "extract",         "like_escape", "similar_to_escape"};
    bool skip = false;
    for (const auto& name : inner) skip = skip || again.find(name) != std::string::npos;
    if (skip) continue;
    INFO(e.sql << "  ->  " << again);
    CHECK(evaluate(again, plain) == evaluate(e.sql, plain));
  }
}
