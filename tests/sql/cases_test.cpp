// Scripts and what becomes of them: the plan's outline, or the errors. Cases are in cases/*.sql:
//
//   -- CASE name
//   script
//   -- PLAN            (or -- ERRORS)
//   expected text
//
// With WEIR_UPDATE_CASES set the expected texts are written anew instead: read the difference.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "jobs/plan/describe.hpp"
#include "jobs/sql/job.hpp"

using namespace weir;
using namespace weir::jobs;

namespace {

/// What stands before every case; its lines are not counted in messages.
const std::string tables =
    "CREATE TABLE t (k text, v int, d numeric(10,2), j json, ts timestamp) WITH (connector = "
    "'file', path = 't.csv', format = 'csv', event_time = 'ts'); "
    "CREATE TABLE o (k text, n bigint) WITH (connector = 'file', path = 'o', format = 'csv'); "
    "CREATE TABLE f (k text, n bigint) WITH (connector = 'file', path = 'f', format = 'csv', "
    "emit = 'final'); "
    "CREATE TABLE hole (k text, n bigint) WITH (connector = 'blackhole');\n";

void outline(const physical_plan& p, uint32_t i, const std::string& indent, std::string& out,
             std::vector<bool>& seen) {
  out += planner::describe(p, operator_index(i));
  out += seen[i] ? " (see above)\n" : "\n";
  if (seen[i]) return;
  seen[i] = true;
  for (const auto& e : p.edges) {
    if (e.to.value != i) continue;
    out += indent + "  ";
    if (e.exchange == exchange_kind::hash)
      out += "[" + planner::join_columns(e.keys, p.operators[e.from.value].output) + "] ";
    if (p.operators[e.from.value].emits_changes) out += "changes: ";
    outline(p, e.from.value, indent + "  ", out, seen);
  }
}

std::string outcome(const std::string& script) {
  std::vector<diagnostic> found;
  auto job = read_sql(tables + script, "job.sql", "/jobs", {}, found);
  std::string out;
  for (auto& d : found) {
    if (d.warning) continue;
    if (d.line > 0 && d.line < UINT32_MAX) --d.line;
    out += to_text(d);
  }
  if (!job) return out;
  const auto* plan = &job->plan;
  CHECK(validate(*plan).ok());
  std::vector<bool> seen(plan->operators.size());
  for (uint32_t i = 0; i < plan->operators.size(); ++i)
    if (std::holds_alternative<sink_spec>(plan->operators[i].spec))
      outline(*plan, i, "", out, seen);
  return out;
}

struct test_case {
  std::string name, script, kind, expected;
};

std::vector<test_case> read_cases(const std::filesystem::path& path) {
  std::vector<test_case> out;
  std::ifstream in(path);
  std::string* into = nullptr;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("-- CASE ", 0) == 0) {
      out.push_back({line.substr(8), "", "", ""});
      into = &out.back().script;
    } else if (line == "-- PLAN" || line == "-- ERRORS") {
      out.back().kind = line;
      into = &out.back().expected;
    } else if (into) {
      *into += line + '\n';
    }
  }
  return out;
}

std::string trimmed(std::string s) {
  while (s.ends_with('\n')) s.pop_back();
  return s;
}

}  // namespace

TEST_CASE("scripts become the plans or errors that their cases say") {
  const bool update = std::getenv("WEIR_UPDATE_CASES") != nullptr;
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(WEIR_SOURCE_DIR "/tests/sql/cases")) {
    auto cases = read_cases(entry.path());
    std::string written;
    for (const auto& c : cases) {
      ++count;
      CAPTURE(entry.path().filename().string());
      CAPTURE(c.name);
      const auto got = trimmed(outcome(c.script));
      const std::string kind = got.rfind("job.sql:", 0) == 0 ? "-- ERRORS" : "-- PLAN";
      if (!update) {
        CHECK(got == trimmed(c.expected));
        CHECK(kind == c.kind);
      }
      written += "-- CASE " + c.name + '\n' + trimmed(c.script) + '\n' + kind + '\n' + got + "\n\n";
    }
    if (update) std::ofstream(entry.path()) << trimmed(written) << '\n';
  }
  CHECK(count > 50);
}
