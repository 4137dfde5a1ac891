// Conversations: what is kept, what runs, where mistakes are.
#include <doctest/doctest.h>

#include "jobs/sql/session.hpp"

using namespace weir;
using sql::session;

namespace {

struct talk {
  session s{"/home", jobs::job_settings{}};
  std::string messages;

  std::optional<session::answer> say(const std::string& statement, session::place where = {}) {
    std::vector<jobs::diagnostic> found;
    auto a = s.take(statement, where, found);
    messages = jobs::to_text(found);
    return a;
  }
  std::string names() {
    std::string out;
    for (const auto& r : s.relations()) out += (out.empty() ? "" : " ") + r.name;
    return out;
  }
};

const std::string table =
    "CREATE TABLE t (k text, v int, at timestamp, PRIMARY KEY (k))\n"
    "WITH (connector = 'file', path = 't.csv', format = 'csv', event_time = 'at')";

}  // namespace

TEST_CASE("definitions are kept, queries are jobs over them") {
  talk t;
  CHECK(t.say(table)->tag == "CREATE TABLE");
  CHECK(t.say("CREATE VIEW busy (k, n) AS SELECT k, count(*) FROM t GROUP BY k")->tag ==
        "CREATE VIEW");
  CHECK(t.say("SET parallelism = 3")->tag == "SET");
  CHECK(t.names() == "busy t");
  REQUIRE(t.s.relations()[0].columns.size() == 2);
  CHECK(t.s.relations()[0].columns[1].name == "n");
  CHECK(t.s.relations()[0].columns[1].type == "bigint");
  CHECK(t.s.relations()[1].columns[0].note == "key");
  CHECK(t.s.relations()[1].columns[2].note == "event time");

  auto a = t.say("SELECT * FROM busy WHERE n > 1");
  REQUIRE_MESSAGE(a, t.messages);
  REQUIRE(a->job);
  CHECK(a->tag == "SELECT");
  CHECK(a->job->plan.parallelism == 3);
  CHECK(t.messages == "");  // that other tables are not used is no news
  a = t.say("EXPLAIN SELECT * FROM busy");
  REQUIRE(a);
  CHECK_FALSE(a->job);
  CHECK(a->text.find("aggregate count(*) by k") != std::string::npos);
}

TEST_CASE("mistakes stand where the statement stands, and change nothing") {
  talk t;
  t.say(table);
  CHECK_FALSE(t.say("SELECT k,\n  kk FROM t"));
  CHECK(t.messages ==
        "statement:2:3: error: column \"kk\" does not exist; did you mean \"k\"?\n"
        "   2 |   kk FROM t\n     |   ^\n");
  session::place where;
  where.file = "f.sql";
  where.line = 7;
  CHECK_FALSE(t.say("SELEC 1", where));
  CHECK(t.messages ==
        "f.sql:7:1: error: syntax error at or near \"SELEC\"\n   7 | SELEC 1\n     | ^\n");
  CHECK_FALSE(t.say("CREATE VIEW v AS SELECT nothing FROM t"));
  CHECK_FALSE(t.say(table));
  CHECK(t.messages.find("statement:1:14: error: relation \"t\" already exists") == 0);
  CHECK(t.names() == "t");
  CHECK(t.say("SELECT k FROM t"));
  CHECK_FALSE(t.say("SELECT '${NO}'"));
  CHECK(t.messages.find("${NO} has no value") != std::string::npos);
}

TEST_CASE("tables and views are dropped unless others need them") {
  talk t;
  t.say(table);
  t.say("CREATE VIEW v AS SELECT k FROM t");
  CHECK_FALSE(t.say("DROP TABLE t"));
  CHECK(t.messages.find("a view depends on it") != std::string::npos);
  CHECK_FALSE(t.say("DROP TABLE v"));
  CHECK(t.messages.find("\"v\" is not a table; write DROP VIEW") != std::string::npos);
  CHECK_FALSE(t.say("DROP VIEW w"));
  CHECK(t.messages.find("view \"w\" does not exist") != std::string::npos);
  CHECK(t.say("DROP VIEW IF EXISTS w"));
  CHECK(t.say("DROP VIEW v")->tag == "DROP VIEW");
  CHECK(t.say("DROP TABLE t")->tag == "DROP TABLE");
  CHECK(t.names() == "");
  CHECK(t.say(table));
}

TEST_CASE("paths count from the file that a statement comes from") {
  talk t;
  session::place elsewhere;
  elsewhere.folder = "/data/jobs";
  REQUIRE(t.say(table, elsewhere));
  auto a = t.say("SELECT v FROM t");
  REQUIRE(a);
  auto& source = std::get<source_spec>(a->job->plan.operators[0].spec);
  CHECK(source.options.at("path") == "/data/jobs/t.csv");
  t.say("DROP TABLE t");
  REQUIRE(t.say(table));
  a = t.say("SELECT v FROM t");
  auto& here = std::get<source_spec>(a->job->plan.operators[0].spec);
  CHECK(here.options.at("path") == "t.csv");
  CHECK(here.base_dir == "/home");
}

TEST_CASE("what CREATE TABLE AS has made can be read") {
  talk t;
  t.say(table);
  auto a = t.say(
      "CREATE TABLE \"Out\" WITH (connector = 'file', path = 'o''/${X:-$}', format = 'csv') "
      "AS SELECT k, sum(v) OVER_ FROM t GROUP BY k");
  CHECK_FALSE(a);  // a file takes no changes
  a = t.say(
      "CREATE TABLE o WITH (connector = 'file', path = 'o', format = 'csv') AS SELECT k, v FROM t");
  REQUIRE_MESSAGE(a, t.messages);
  CHECK(t.names() == "t");
  t.s.ran(*a);
  CHECK(t.names() == "o t");
  CHECK(t.s.relations()[0].columns[1].type == "int");
  CHECK(t.say("SELECT v + 1 FROM o"));
}
