// EXPLAIN in scripts, and warnings about state that grows for ever.
#include <doctest/doctest.h>

#include <algorithm>

#include "jobs/plan/explain.hpp"
#include "jobs/plan/growth.hpp"
#include "jobs/sql/job.hpp"

using namespace weir;
using namespace weir::jobs;

namespace {

struct read {
  std::optional<job> made;
  std::string messages;
};
read load(const std::string& text) {
  std::vector<diagnostic> found;
  read r;
  job_settings s;
  s.default_parallelism = 2;
  r.made = read_sql(text, "j.sql", "/jobs", s, found);
  r.messages = to_text(found);
  return r;
}

const std::string ends =
    "CREATE TABLE t (k text, v int, at timestamp) WITH (connector = 'file', path = 't.csv', "
    "format = 'csv', event_time = 'at');\n";
const std::string endless =
    "CREATE TABLE t (k text, v int, at timestamp) WITH (connector = 'file', path = 't.csv', "
    "format = 'csv', event_time = 'at', follow = true);\n";

bool contains(const std::string& s, const std::string& part) {
  return s.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("EXPLAIN shows the plan of its statement and leaves the job as it is") {
  const std::string query = "SELECT k, sum(v) AS total FROM t GROUP BY k";
  auto plain = load(ends + query);
  REQUIRE_MESSAGE(plain.made, plain.messages);
  auto both = load(ends + "EXPLAIN " + query + ";\n" + query);
  REQUIRE_MESSAGE(both.made, both.messages);
  CHECK(fingerprint(both.made->plan) == fingerprint(plain.made->plan));
  REQUIRE(both.made->explained.size() == 1);
  CHECK(both.made->explained[0] == planner::explain_text(plain.made->plan));
  CHECK(both.messages == "");

  auto only =
      load(ends + "CREATE VIEW v AS SELECT k FROM t;\nEXPLAIN (FORMAT json) SELECT * FROM v");
  REQUIRE_MESSAGE(only.made, only.messages);
  CHECK(only.made->plan.operators.empty());
  CHECK(contains(only.made->explained.at(0), "\"kind\": \"source\""));
  CHECK(only.messages == "");

  only = load(ends +
              "CREATE TABLE o (k text) WITH (connector = 'blackhole');\n"
              "EXPLAIN (FORMAT dot) INSERT INTO o SELECT k FROM t");
  REQUIRE_MESSAGE(only.made, only.messages);
  CHECK(contains(only.made->explained.at(0), "sink blackhole"));
}

TEST_CASE("EXPLAIN names what it cannot do, and mistakes of what it explains") {
  auto r = load(
      ends +
      "EXPLAIN ANALYZE SELECT k FROM t; EXPLAIN SELECT kk FROM t; EXPLAIN VERBOSE SELECT k FROM t");
  CHECK_FALSE(r.made);
  CHECK(contains(r.messages,
                 "j.sql:2:9: error: EXPLAIN ANALYZE is not supported; EXPLAIN shows the plan"));
  CHECK(contains(r.messages, "j.sql:2:49: error: column \"kk\" does not exist"));
  CHECK(contains(r.messages, "this option of EXPLAIN is not supported"));
}

TEST_CASE("state that grows with endless input is a warning at its clause") {
  const std::string grouped = "SELECT k, sum(v) AS total\nFROM t GROUP BY k";
  CHECK(load(ends + grouped).messages == "");
  auto r = load(endless + grouped);
  REQUIRE(r.made);
  CHECK_MESSAGE(
      contains(r.messages,
               "j.sql:3:17: warning: the aggregate keeps an entry for each key (k) for ever; to "
               "bound it, group by a window: FROM TUMBLE(table, time, size) and GROUP BY "
               "window_start, or have entries dropped that nothing touches: state_ttl\n   3 | FROM "
               "t GROUP BY k\n     |                 ^\n"),
      r.messages);
  CHECK(std::count(r.messages.begin(), r.messages.end(), '^') == 1);
  auto text = planner::explain_text(r.made->plan);
  CHECK(contains(text, "grows without bound: the aggregate keeps an entry for each key (k)"));
  CHECK(contains(planner::explain_json(r.made->plan), "\"bound_by\": \"group by a window"));
  CHECK(contains(planner::explain_dot(r.made->plan), "color=red"));

  CHECK(load(endless + "SELECT window_start, k, count(*) FROM TUMBLE(t, at, INTERVAL '1 hour') "
                       "GROUP BY window_start, k")
            .messages == "");
  CHECK(load(endless + "SELECT count(*), sum(v) FROM t").messages == "");
  CHECK(contains(load(endless + "SELECT count(DISTINCT k) AS ks FROM t").messages,
                 "the aggregate keeps all values of count(DISTINCT k) for ever; to bound it, group "
                 "by a window: FROM TUMBLE(table, time, size) and GROUP BY window_start"));
  CHECK(contains(load(endless + "SELECT DISTINCT k FROM t").messages,
                 "j.sql:2:17: warning: DISTINCT keeps every row that it has seen for ever"));
  CHECK(contains(load(endless + "SELECT DISTINCT ON (k) k, v FROM t ORDER BY k, v").messages,
                 "warning: the top-N keeps the first 1 row per key (k) for ever; to bound it, "));
  CHECK(contains(
      load(endless + "SELECT row_number() OVER (PARTITION BY k ORDER BY v) AS n FROM t").messages,
      "j.sql:2:8: warning: OVER keeps all rows of the input for ever; to bound it, order "
      "by the event time alone"));
  CHECK(load(endless + "SELECT sum(v) OVER (ORDER BY at) AS s FROM t").messages == "");
  CHECK(load(endless + "SELECT k FROM t ORDER BY v LIMIT 3").messages == "");
  CHECK(contains(load("CREATE TABLE n (n bigint) WITH (connector = 'sequence');\n"
                      "SELECT n % 2, count(*) FROM n GROUP BY 1")
                     .messages,
                 "warning: the aggregate keeps"));
  CHECK(load("CREATE TABLE n (n bigint) WITH (connector = 'sequence', end = 9);\n"
             "SELECT n % 2, count(*) FROM n GROUP BY 1")
            .messages == "");
}

TEST_CASE("one group that answers at an end that does not come") {
  const std::string final_rows =
      "CREATE TABLE f (n bigint) WITH (connector = 'file', path = 'f', format = 'csv', emit = "
      "'final');\nINSERT INTO f SELECT count(*) FROM n";
  const std::string numbers = "CREATE TABLE n (n bigint) WITH (connector = 'sequence'";
  CHECK(contains(load(numbers + ");\n" + final_rows).messages,
                 "j.sql:3:22: warning: the aggregate answers when the input ends, which it does "
                 "not; to bound it, leave emit = 'final' out, or read input that ends"));
  CHECK(load(numbers + ", end = 9);\n" + final_rows).messages == "");
}

TEST_CASE("one group that keeps its values is state that grows") {
  auto warns = [](const std::string& tables, const std::string& query, const std::string& what,
                  const std::string& advice = "group by a window") {
    auto r = load(tables + query);
    INFO(query);
    REQUIRE(r.made);
    CHECK_MESSAGE(contains(r.messages, "the aggregate keeps all values of " + what +
                                           " for ever; to bound it, " + advice),
                  r.messages);
    CHECK_FALSE(contains(r.messages, "state_ttl"));  // it is for keys
    const auto text = planner::explain_text(r.made->plan);
    CHECK_MESSAGE(contains(text, "one entry, with all values of " + what + ", kept for ever"),
                  text);
  };
  warns(endless, "SELECT array_agg(v) AS a FROM t", "array_agg(v)");
  warns(endless, "SELECT string_agg(k, ',') AS a, count(*) FROM t", "string_agg(k, ',')");
  // Percentiles and the like share an array of the values, which nobody wrote.
  warns(endless,
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY v), mode() WITHIN GROUP (ORDER BY v), "
        "sum(DISTINCT v) FROM t",
        "v");
  const std::string changing =
      "CREATE TABLE d (k text, v int) WITH (connector = 'file', path = 'd', format = "
      "'debezium_json', follow = true);\n";
  // A window over them would answer once.
  warns(changing, "SELECT max(v) AS high, sum(v) AS s, min(k) AS low FROM d", "max(v), min(k)",
        "have the source take away rows that are over");
  CHECK(load(changing + "SELECT sum(v), count(*) FROM d").messages == "");
  CHECK(load(endless + "SELECT max(v) FROM t").messages == "");
}

TEST_CASE("standard input may go on for ever") {
  const std::string in =
      "CREATE TABLE t (k text, v int) WITH (connector = 'stdin', format = 'csv');\n";
  CHECK(contains(load(in + "SELECT k, count(*) FROM t GROUP BY k").messages,
                 "warning: the aggregate keeps an entry for each key (k) for ever"));
  // What answers when a pipe ends waits for that.
  CHECK(load(in + "CREATE TABLE o (k text, n bigint) WITH (connector = 'file', path = 'o', format "
                  "= 'csv', emit = 'final');\nINSERT INTO o SELECT k, count(*) FROM t GROUP BY k")
            .messages == "");
}

TEST_CASE("an as-of join keeps the newest row of each key, unless a state_ttl drops it") {
  const std::string tables =
      "CREATE TABLE a (k text, at timestamp) WITH (connector = 'file', path = 'a', format = 'csv', "
      "follow = true, event_time = 'at');\n"
      "CREATE TABLE b (k text, w int, at timestamp) WITH (connector = 'file', path = 'b', format = "
      "'csv', event_time = 'at', follow = ";
  const std::string query =
      "SELECT a.k, b.w FROM a LEFT JOIN LATERAL (SELECT * FROM b WHERE b.k = a.k AND b.at <= a.at "
      "ORDER BY b.at DESC LIMIT 1) b ON true";
  auto r = load(tables + "true);\n" + query);
  REQUIRE(r.made);
  CHECK_MESSAGE(contains(r.messages,
                         "the as-of join keeps the newest right row of each key (k) for ever; to "
                         "bound it, have right rows dropped that were not given anew for long: "
                         "state_ttl; else nothing bounds it but the number of keys"),
                r.messages);
  r = load(tables + "true);\nSET state_ttl = '1 hour';\n" + query);
  REQUIRE(r.made);
  CHECK_MESSAGE(r.messages == "", r.messages);
  const auto text = planner::explain_text(r.made->plan);
  CHECK_MESSAGE(contains(text,
                         "of each key (k) the newest right row that it has passed, and "
                         "younger ones, dropped when nothing touched them for 1h 00m"),
                text);
  // A table that is read to its end stays.
  r = load(tables + "false);\nSET state_ttl = '1 hour';\n" + query);
  REQUIRE(r.made);
  CHECK_MESSAGE(r.messages == "", r.messages);
  for (const auto& n : r.made->plan.operators) CHECK(n.state_ttl_us == 0);
}

TEST_CASE("a state_ttl bounds what grows, from its statement on") {
  const std::string hour = "SET state_ttl = '1 hour';\n";
  for (const char* query :
       {"SELECT k, sum(v) AS total FROM t GROUP BY k", "SELECT DISTINCT k FROM t",
        "SELECT DISTINCT ON (k) k, v FROM t ORDER BY k, v",
        "SELECT k, n FROM (SELECT k, count(*) AS n FROM t GROUP BY k) AS c ORDER BY n DESC LIMIT 3",
        "SELECT lag(v) OVER (PARTITION BY k ORDER BY at) AS before FROM t",
        "SELECT a.v FROM t AS a LEFT JOIN t AS b ON a.k = b.k"}) {
    CAPTURE(query);
    CHECK(contains(load(endless + query).messages, "state_ttl"));
    auto r = load(endless + hour + query);
    CHECK(r.messages == "");
    REQUIRE(r.made);
    const auto text = planner::explain_text(r.made->plan);
    CHECK_MESSAGE(contains(text, "dropped when nothing touched them for 1h 00m"), text);
    CHECK(contains(planner::explain_json(r.made->plan), "\"state_ttl\": \"1h 00m\""));
  }
  // What a watermark ends, what answers once and what has no key needs none.
  for (const char* query :
       {"SELECT window_start, k, count(*) FROM TUMBLE(t, at, INTERVAL '1 hour') GROUP BY "
        "window_start, k",
        "SELECT count(*) FROM t", "SELECT k FROM t ORDER BY v LIMIT 3",
        "SELECT a.v FROM t AS a JOIN t AS b ON a.k = b.k AND a.at BETWEEN b.at - INTERVAL '1 hour' "
        "AND b.at + INTERVAL '1 hour'"}) {
    auto made = load(endless + hour + query).made;
    REQUIRE(made);
    for (const auto& n : made->plan.operators) CHECK(n.state_ttl_us == 0);
  }
  // Rows of one key that keeps coming are not bounded by it.
  CHECK(contains(
      load(endless + hour + "SELECT row_number() OVER (PARTITION BY k ORDER BY v) AS n FROM t")
          .messages,
      "OVER keeps all rows of keys (k) of which one came within 1h 00m for ever"));

  auto r = load(endless +
                "CREATE VIEW a AS SELECT k, count(*) AS n FROM t GROUP BY k;\n"
                "SET state_ttl = '90 minutes';\n"
                "CREATE VIEW b AS SELECT k, sum(v) AS n FROM t GROUP BY k;\n"
                "SET state_ttl = '0s';\n"
                "SELECT n FROM a UNION ALL SELECT n FROM b UNION ALL\n"
                "SELECT n FROM (SELECT k, max(v) AS n FROM t GROUP BY k) AS c");
  REQUIRE_MESSAGE(r.made, r.messages);
  std::map<std::string, int64_t> ttls;
  for (const auto& n : r.made->plan.operators)
    if (n.state_ttl_us) ttls[n.id] = n.state_ttl_us;
  CHECK(ttls == std::map<std::string, int64_t>{{"b", 5'400'000'000}});
  CHECK(std::count(r.messages.begin(), r.messages.end(), '^') == 2);

  r = load(endless + "SET state_ttl = '1ms'; SET state_ttl = 'soon'; SELECT k FROM t");
  CHECK_FALSE(r.made);
  CHECK(contains(r.messages, "j.sql:2:17: error: state_ttl is between 100ms and 10000 days"));
  CHECK_MESSAGE(contains(r.messages, "state_ttl 'soon': expected a number and a unit"), r.messages);
}

TEST_CASE("a state_ttl is not for the side of a join that is a table read to its end") {
  const std::string other =
      "CREATE TABLE o (k text, at timestamp) WITH (connector = 'file', path = 'o.csv', format = "
      "'csv');\nSET state_ttl = '1 hour';\n";
  auto join_of = [](const auto& r) {
    for (const auto& n : r.made->plan.operators)
      if (const auto* j = std::get_if<join_spec>(&n.spec)) return std::pair(*j, n.state_ttl_us);
    return std::pair(join_spec{}, int64_t{-1});
  };
  auto r = load(endless + other + "SELECT t.v FROM t FULL JOIN o ON t.k = o.k");
  REQUIRE_MESSAGE(r.made, r.messages);
  auto [j, ttl] = join_of(r);
  CHECK(ttl == 3'600'000'000);
  CHECK_FALSE(j.left.stays);
  CHECK(j.right.stays);
  CHECK(contains(planner::explain_text(r.made->plan),
                 "the left rows, dropped when nothing touched them for 1h 00m; the right rows, "
                 "kept for ever"));
  CHECK(r.messages == "");
}

TEST_CASE("a join grows on the sides that endless input reaches") {
  const std::string other =
      "CREATE TABLE o (k text, at timestamp) WITH (connector = 'file', path = 'o.csv', format = "
      "'csv', event_time = 'at'";
  auto r = load(endless + other + ");\nSELECT t.v FROM t JOIN o ON t.k = o.k");
  CHECK(r.messages == "");  // o is looked up
  r = load(endless + other + ");\nSELECT t.v FROM t LEFT JOIN o ON t.k = o.k");
  CHECK(r.messages == "");
  r = load(endless + other + ");\nSELECT t.v FROM t FULL JOIN o ON t.k = o.k");
  CHECK_MESSAGE(contains(r.messages, "the join keeps the rows of its left side for ever"),
                r.messages);
  r = load(endless + other + ", follow = true);\nSELECT t.v FROM t JOIN o ON t.k = o.k");
  CHECK_MESSAGE(contains(r.messages, "the join keeps the rows of both sides for ever"), r.messages);
  r = load(endless + other +
           ", follow = true);\nSELECT t.v FROM t JOIN o ON t.k = o.k AND t.at BETWEEN o.at - "
           "INTERVAL '1 hour' AND o.at + INTERVAL '1 hour'");
  CHECK(r.messages == "");
}

TEST_CASE("state by a key ends with the rows of a join that the key tells") {
  auto lots = [](const std::string& key) {
    return "CREATE TABLE lot (id bigint" + key +
           ", at timestamp, until timestamp, kind int) WITH (connector = 'file', path = 'l.csv', "
           "format = 'csv', event_time = 'at', follow = true);\n"
           "CREATE TABLE bid (lot bigint, price int, at timestamp) WITH (connector = 'file', path "
           "= 'b.csv', format = 'csv', event_time = 'at', follow = true);\n";
  };
  auto winners = [](const std::string& by, const std::string& bound, const std::string& key) {
    return "SELECT id, price FROM (SELECT l.id, b.price, l.until, row_number() OVER (PARTITION "
           "BY " +
           by +
           " ORDER BY b.price DESC) AS n FROM lot AS l JOIN bid AS b ON l.id = b.lot AND b.at "
           "BETWEEN " +
           bound + key + ") AS r WHERE n = 1";
  };
  const std::string until = "l.at - INTERVAL '1 minute' AND l.until + INTERVAL '5 seconds'";
  auto r = load(lots(" PRIMARY KEY") + winners("l.id", until, ""));
  REQUIRE_MESSAGE(r.made, r.messages);
  auto text = planner::explain_text(r.made->plan);
  CHECK_MESSAGE(contains(text,
                         "the first 1 row per key (id), until the watermark is 1m 05s beyond "
                         "until"),
                text);
  CHECK_MESSAGE(contains(text,
                         "the left rows, until the watermark is 5s beyond until; the right "
                         "rows, until their one partner comes, else until the watermark is 1m "
                         "00s beyond"),
                text);
  CHECK(r.messages == "");

  // The other side's column is the same; so is the bound itself as a part of the key.
  for (auto* by : {"b.lot", "l.kind, b.lot"}) {
    r = load(lots(" PRIMARY KEY") + winners(by, until, ""));
    CHECK_MESSAGE(r.messages == "", r.messages);
  }
  r = load(lots("") + winners("l.id, l.until", until, ""));
  CHECK_MESSAGE(r.messages == "", r.messages);
  r = load(lots("") + winners("l.id, l.at", "l.at AND l.at + INTERVAL '1 hour'", ""));
  CHECK_MESSAGE(r.messages == "", r.messages);

  // Another row of the key may yet come, or rows of the past.
  for (const auto& script :
       {lots("") + winners("l.id", until, ""), lots(" PRIMARY KEY") + winners("l.kind", until, ""),
        lots(" PRIMARY KEY") + winners("b.price", until, "")}) {
    r = load(script);
    CHECK_MESSAGE(contains(r.messages, "the top-N keeps the first 1 row per key"), r.messages);
  }
  r = load(
      lots(" PRIMARY KEY") +
      "SELECT id, price FROM (SELECT l.id, b.price, row_number() OVER (PARTITION BY l.id ORDER "
      "BY b.price) AS n FROM lot AS l JOIN bid AS b ON l.id = b.lot AND b.at <= l.until) AS r "
      "WHERE n = 1");
  CHECK_MESSAGE(contains(r.messages, "the join keeps the rows of its right side"), r.messages);
  CHECK_MESSAGE(contains(r.messages, "the top-N keeps"), r.messages);
}

TEST_CASE("a filter of a side that is found by its key is asked behind the join") {
  const std::string tables =
      "CREATE TABLE p (id bigint PRIMARY KEY, name text, kind int) WITH (connector = 'file', path "
      "= "
      "'p.csv', format = 'csv', follow = true);\n"
      "CREATE TABLE o (p bigint, what text) WITH (connector = 'file', path = 'o.csv', format = "
      "'csv', follow = true);\n";
  auto r = load(tables + "SELECT o.what, p.name FROM o JOIN p ON o.p = p.id WHERE p.kind = 3");
  REQUIRE_MESSAGE(r.made, r.messages);
  auto text = planner::explain_text(r.made->plan);
  CHECK_MESSAGE(contains(text, "join on p = id and where"), text);
  CHECK_MESSAGE(contains(text,
                         "the left rows, until their one partner comes, else kept for ever; "
                         "the right rows, kept for ever"),
                text);
  CHECK_MESSAGE(contains(text, "filter") == false, text);
  // Of the key alone, of a table without one, and where each has one partner, it stays in front.
  for (const auto& query :
       {std::string("SELECT o.what, p.name FROM o JOIN p ON o.p = p.id WHERE p.id < 9"),
        std::string("SELECT a.id, p.name FROM p AS a JOIN p ON a.id = p.id WHERE p.kind = 3"),
        std::string("SELECT o.what, p.name FROM o JOIN p ON o.p = p.kind WHERE p.name = 'x'"),
        std::string("SELECT o.what, p.name FROM o LEFT JOIN p ON o.p = p.id AND p.kind = 3")}) {
    r = load(tables + query);
    REQUIRE_MESSAGE(r.made, r.messages);
    text = planner::explain_text(r.made->plan);
    CHECK_MESSAGE(contains(text, "filter"), text);
  }
}

TEST_CASE("what stands in a row does not nest") {
  auto row = [](size_t n, const std::string& what, const std::string& between) {
    std::string out = what;
    for (size_t i = 1; i < n; ++i) out += between + what;
    return out;
  };
  const std::string from = " AS x FROM (VALUES ('a', 1)) AS v(k, n)";
  for (const auto& query :
       {row(1500, "SELECT 1 AS x", " UNION ALL "), row(500, "SELECT 1 AS x", " UNION "),
        row(300, "SELECT 1 AS x", " EXCEPT "), "SELECT " + row(2000, "k", " || ") + from,
        "SELECT " + row(900, "n", " + ") + from,
        "SELECT " + row(1500, "k", " || ") + " || 'x' = k" + from,
        "SELECT n" + from + " WHERE " + row(3000, "n = 1", " OR ")}) {
    auto r = load(query);
    CHECK_MESSAGE(r.made, r.messages.substr(0, 300));
  }
  CHECK(contains(load("SELECT " + row(1000, "n", " + ") + from).messages,
                 "more than 900 operators in a row are not supported; put parts of them into"));
  CHECK(contains(load("SELECT " + row(2100, "k", " || ") + from).messages,
                 "more than 2000 operators in a row are not supported"));
  CHECK(contains(load(row(2100, "SELECT 1 AS x", " UNION ALL ")).messages,
                 "more than 2000 set operations in a row are not supported"));
  std::string views = "CREATE VIEW v0 AS SELECT 1 AS x;\n";
  for (int i = 1; i <= 300; ++i)
    views += "CREATE VIEW v" + std::to_string(i) + " AS SELECT x + 1 AS x FROM v" +
             std::to_string(i - 1) + " WHERE x > 0;\n";
  CHECK(load(views + "SELECT * FROM v300").made);
}
