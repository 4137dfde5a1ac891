// Scripts as files: ${KEY}, places of messages, settings, stable ids, warnings.
#include <doctest/doctest.h>

#include <algorithm>

#include "jobs/sql/job.hpp"
#include "jobs/sql/script.hpp"
#include "runtime/expr/syntax.hpp"

using namespace weir;
using namespace weir::jobs;

namespace {

using settings = std::map<std::string, std::string>;

std::string text_of(const std::string& file, const settings& set) {
  sql::script s(file, "f.sql", set);
  return s.failed() ? to_text(s.take_diagnostics()) : s.text();
}

struct read {
  std::optional<physical_plan> plan;
  std::optional<int64_t> snapshot_interval_us;
  std::string messages;
};
read load(const std::string& text, job_settings s = {}) {
  std::vector<diagnostic> found;
  read r;
  if (auto job = read_sql(text, "dir/my_job.sql", "/jobs", s, found)) {
    r.plan = std::move(job->plan);
    r.snapshot_interval_us = job->snapshot_interval_us;
  }
  r.messages = to_text(found);
  return r;
}

const std::string table =
    "CREATE TABLE t (k text, v int) WITH (connector = 'file', path = 't.csv', format = 'csv');\n";

std::vector<std::string> ids(const std::string& text) {
  auto r = load(text);
  REQUIRE_MESSAGE(r.plan, r.messages);
  std::vector<std::string> out;
  for (const auto& o : r.plan->operators) out.push_back(o.id);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("a value is part of the literal it stands in, and comments are left alone") {
  CHECK(text_of("SELECT '${A}', ${N}", {{"A", "it's"}, {"N", "5"}}) == "SELECT 'it''s', 5");
  CHECK(text_of("SELECT E'${A}', 'a\\'", {{"A", "x\\'"}}) == "SELECT E'x\\\\''', 'a\\'");
  CHECK(text_of("SELECT \"${A}\"", {{"A", "a\"b"}}) == "SELECT \"a\"\"b\"");
  CHECK(text_of("SELECT $q$'${A}'$q$", {{"A", "'"}}) == "SELECT $q$'''$q$");
  CHECK(text_of("-- ${NO}\nSELECT 1 /* ${NO} /* ${NO} */ ${NO} */", {}) ==
        "-- ${NO}\nSELECT 1 /* ${NO} /* ${NO} */ ${NO} */");
  CHECK(text_of("SELECT '--' || '${A}'", {{"A", "x"}}) == "SELECT '--' || 'x'");
  CHECK(text_of("SELECT '$${A}'", {}) == "SELECT '${A}'");
  CHECK(text_of("SELECT 1,\n  '${B}'", {}) ==
        "f.sql:2:4: error: ${B} has no value; give one with --set B=VALUE, or write ${B:-default}\n"
        "   2 |   '${B}'\n     |    ^\n");
}

TEST_CASE("a byte order mark is no part of the script") {
  CHECK(text_of("\xEF\xBB\xBFSELECT 1", {}) == "SELECT 1");
  CHECK(load("\xEF\xBB\xBFSELEC 1").messages.find("dir/my_job.sql:1:1: error:") == 0);
}

TEST_CASE("messages point into the file, whatever was substituted before them") {
  job_settings s;
  s.set = {{"X", "a long value"}};
  auto r = load(table + "SELECT '${X}', kk FROM t", s);
  CHECK(r.messages ==
        "dir/my_job.sql:2:16: error: column \"kk\" does not exist; did you mean \"k\"?\n"
        "   2 | SELECT '${X}', kk FROM t\n     |                ^\n");
  r = load("-- ;\nSELECT 'ä', nein", {});
  CHECK(r.messages.find("my_job.sql:2:13: error: column \"nein\" does not exist") !=
        std::string::npos);
}

TEST_CASE("an option whose ${KEY} is empty is as if it were not there") {
  const std::string with_rate =
      "CREATE TABLE t (k text) WITH (connector = 'file', path = 't.csv', format = 'csv', rate = "
      "'${RATE:-}');\nSELECT k FROM t";
  auto r = load(with_rate);
  REQUIRE_MESSAGE(r.plan, r.messages);
  CHECK_FALSE(std::get<source_spec>(r.plan->operators[0].spec).options.count("rate"));
  job_settings s;
  s.set = {{"RATE", "5"}};
  r = load(with_rate, s);
  CHECK(std::get<source_spec>(r.plan->operators[0].spec).options.at("rate") == "5");
  s.set = {{"RATTE", "5"}};
  CHECK(load(with_rate, s).messages ==
        "dir/my_job.sql: error: --set RATTE=5: the file has no ${RATTE}; did you mean \"RATE\"?\n");
}

TEST_CASE("SET says what the job is, the command line has the last word") {
  auto r = load(table +
                "SET parallelism = 3; SET mode = 'at-least-once'; SET key_groups = 64;\n"
                "SET snapshot_interval = '250ms'; SELECT k FROM t");
  REQUIRE_MESSAGE(r.plan, r.messages);
  CHECK(r.snapshot_interval_us == 250'000);
  CHECK(r.plan->name == "my_job");
  CHECK(r.plan->parallelism == 3);
  CHECK(r.plan->key_groups == 64);
  CHECK(r.plan->mode == delivery_mode::at_least_once);
  job_settings s;
  s.parallelism = 7;
  s.mode = delivery_mode::at_most_once;
  r = load(table + "SET name = 'other'; SET parallelism = 3; SELECT k FROM t", s);
  CHECK(r.plan->name == "other");
  CHECK(r.plan->parallelism == 7);
  CHECK(r.plan->mode == delivery_mode::at_most_once);
}

TEST_CASE("all statements' mistakes are reported at once, and none of them twice") {
  auto r = load(
      "CREATE TABLE a (x int, x int) WITH (connector = 'stdin');\n"
      "CREATE TABLE b (y int) WITH (connector = 'stdin', format = 'xml');\n"
      "SELEC 1;\n"
      "CREATE VIEW v AS SELECT z FROM a;\n"
      "INSERT INTO nowhere SELECT y FROM b;\n"
      "SELECT y FROM v;\n");
  size_t errors = 0;
  for (size_t at = 0; (at = r.messages.find("error: ", at)) != std::string::npos; ++at) ++errors;
  CHECK_MESSAGE(errors == 4, r.messages);  // v and what reads it hang on a
  CHECK(r.messages.find(":1:24: error: column \"x\" is there twice") != std::string::npos);
  CHECK(r.messages.find(":3:1: error: syntax error at or near \"SELEC\"") != std::string::npos);
  CHECK(r.messages.find(":5:13: error: relation \"nowhere\" does not exist") != std::string::npos);
}

TEST_CASE("stable ids do not change with the rest of the script") {
  const std::string grouped = "INSERT INTO h SELECT k, count(*) FROM t GROUP BY k;\n";
  const std::string sink = "CREATE TABLE h (k text, n bigint) WITH (connector = 'blackhole');\n";
  auto before = ids(table + sink + grouped);
  auto after = ids(table + sink +
                   "CREATE TABLE g (k text, n bigint) WITH (connector = 'blackhole');\n"
                   "INSERT INTO g SELECT k, sum(v) FROM t WHERE v > 0 GROUP BY k;\n" +
                   grouped);
  for (const auto& id : before)
    CHECK_MESSAGE(std::find(after.begin(), after.end(), id) != after.end(), id);
  // What a query keeps under its own name is that of its view, whatever the view reads.
  auto named = ids(table + sink +
                   "CREATE VIEW per_key AS SELECT k, count(*) AS n FROM t GROUP BY k;\n"
                   "INSERT INTO h SELECT * FROM per_key;");
  CHECK(std::find(named.begin(), named.end(), "per_key") != named.end());
  CHECK(std::find(named.begin(), named.end(), "per_key/partial") != named.end());
  CHECK(std::find(named.begin(), named.end(), "source/t") != named.end());
  CHECK(std::find(named.begin(), named.end(), "sink/h") != named.end());
}

TEST_CASE("what nothing uses is a warning, a script that does nothing an error") {
  auto r = load(table + "CREATE VIEW v AS SELECT k FROM t;\nSELECT 1 AS one");
  REQUIRE_MESSAGE(r.plan, r.messages);
  CHECK(r.messages ==
        "dir/my_job.sql:2:13: warning: view \"v\" is used by nothing\n"
        "   2 | CREATE VIEW v AS SELECT k FROM t;\n     |             ^\n");
  CHECK(
      load("-- nothing\n").messages ==
      "dir/my_job.sql: error: the script has neither INSERT nor SELECT: there is nothing to run\n");
  CHECK(load("SELECT 'open").messages.find("unterminated quoted string") != std::string::npos);
}
