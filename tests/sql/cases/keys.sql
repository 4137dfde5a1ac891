-- CASE an aggregate's keys are the sink's
CREATE TABLE u (k text, n bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT k, count(*) FROM t GROUP BY k
-- PLAN
sink file u (upsert_json)
  changes: project k, "count(*)" AS n
    changes: aggregate count(*) by k
      [k] pre-aggregate count(*) by k
        source file t.csv (csv): k

-- CASE more columns than the keys make rows unique too
CREATE TABLE u (k text, v int, n bigint, PRIMARY KEY (k, n)) WITH (connector = 'file', path = 'u', format = 'debezium_json');
INSERT INTO u SELECT k, max(v), count(*) FROM t GROUP BY k
-- PLAN
sink file u (debezium_json)
  [k, n] changes: project k, "max(v)" AS v, "count(*)" AS n
    changes: aggregate max(v), count(*) by k
      [k] pre-aggregate max(v), count(*) by k
        source file t.csv (csv): k, v

-- CASE fewer do not: of a key the row that was written last
CREATE TABLE u (k text, v int, n bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT k, v, count(*) FROM t GROUP BY k, v
-- PLAN
sink file u (upsert_json)
  changes: the last row written per k
    [k] changes: project k, v, "count(*)" AS n
      changes: aggregate count(*) by k, v
        [k, v] pre-aggregate count(*) by k, v
          source file t.csv (csv): k, v

-- CASE unless a condition leaves one
CREATE TABLE u (k text, v int, n bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT k, v, n FROM (SELECT k, v, count(*) AS n FROM t GROUP BY k, v) AS s WHERE v = 3
-- PLAN
sink file u (upsert_json)
  [k] changes: project k, v, "count(*)" AS n
    changes: aggregate count(*) by k, v
      [k, v] pre-aggregate count(*) by k, v
        filter (v = 3)
          source file t.csv (csv): k, v

-- CASE appended rows: upserts go through one task per key, changes need the row before
CREATE TABLE u (k text, v int, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
CREATE TABLE d (k text, v int, PRIMARY KEY (k)) WITH (connector = 'file', path = 'd', format = 'debezium_json');
INSERT INTO u SELECT k, v FROM t;
INSERT INTO d SELECT k, v FROM t
-- PLAN
sink file u (upsert_json)
  [k] project k, v
    source file t.csv (csv): k, v
sink file d (debezium_json)
  changes: the last row written per k
    [k] project k, v (see above)

-- CASE two INSERTs may write the same key
CREATE TABLE u (k text, n bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u', format = 'debezium_json');
INSERT INTO u SELECT k, count(*) FROM t GROUP BY k;
INSERT INTO u SELECT 'all', count(*) FROM t
-- PLAN
sink file u (debezium_json)
  changes: the last row written per k
    [k] changes: project k, "count(*)" AS n
      changes: union
        changes: aggregate count(*) by k
          [k] pre-aggregate count(*) by k
            source file t.csv (csv): k
        [?column?, count] changes: project 'all' AS ?column?, "count(*)" AS count
          changes: aggregate count(*)
            pre-aggregate count(*)
              source file t.csv (csv): k (see above)

-- CASE casts and names in between keep keys
CREATE TABLE u (id text, at timestamp, n bigint, PRIMARY KEY (id, at)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT x, y, n FROM (SELECT v AS x, ts::date AS y, count(*) AS n FROM t GROUP BY 1, 2) AS s
-- PLAN
sink file u (upsert_json)
  [id, at] changes: project v::text AS id, "ts::date"::timestamp AS at, "count(*)" AS n
    changes: aggregate count(*) by key v, key ts::date
      [key v, key ts::date] pre-aggregate count(*) by key v, key ts::date
        project v AS key v, ts::date AS key ts::date
          source file t.csv (csv): v, ts

-- CASE numbered rows, first rows, distinct rows, totals
CREATE TABLE a (k text, place bigint, v int, PRIMARY KEY (k, place)) WITH (connector = 'file', path = 'a', format = 'upsert_json');
CREATE TABLE b (k text, v int, PRIMARY KEY (k)) WITH (connector = 'file', path = 'b', format = 'upsert_json');
CREATE TABLE c (k text, v int, PRIMARY KEY (k, v)) WITH (connector = 'file', path = 'c', format = 'debezium_json');
CREATE TABLE d (n bigint, PRIMARY KEY (n)) WITH (connector = 'file', path = 'd', format = 'upsert_json');
INSERT INTO a SELECT k, place, v FROM (SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS place FROM t) AS s WHERE place <= 3;
INSERT INTO b SELECT DISTINCT ON (k) k, v FROM t ORDER BY k, v;
INSERT INTO c SELECT DISTINCT k, v FROM t;
INSERT INTO d SELECT count(*) FROM t
-- PLAN
sink file b (upsert_json)
  changes: top 1 by v per k
    [k] project k, v
      source file t.csv (csv): k, v
sink file c (debezium_json)
  distinct
    [k, v] project k, v (see above)
sink file d (upsert_json)
  [n] changes: project "count(*)" AS n
    changes: aggregate count(*)
      pre-aggregate count(*)
        source file t.csv (csv): k, v (see above)
sink file a (upsert_json)
  [k, place] changes: project k, "row_number()" AS place, v
    changes: top 3 by v DESC per k, numbered
      [k] source file t.csv (csv): k, v (see above)

-- CASE a join with a table of one row per key has the keys of the other side, but a row may go to another task
CREATE TABLE src (id int, k text, PRIMARY KEY (id)) WITH (connector = 'file', path = 's.json', format = 'debezium_json');
CREATE TABLE u (id int, k text, n bigint, PRIMARY KEY (id)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT id, src.k, n FROM src LEFT JOIN (SELECT k, count(*) AS n FROM t GROUP BY k) AS c ON src.k = c.k
-- PLAN
sink file u (upsert_json)
  changes: the last row written per id
    [id] changes: project id, k, "count(*)" AS n
      changes: left join on k = k
        [k] changes: source file s.json (debezium_json): id, k
        [k] changes: aggregate count(*) by k
          [k] pre-aggregate count(*) by k
            source file t.csv (csv): k

-- CASE which it does not where the key says which
CREATE TABLE src (id int, k text, PRIMARY KEY (id)) WITH (connector = 'file', path = 's.json', format = 'debezium_json');
CREATE TABLE u (id int, k text, n bigint, PRIMARY KEY (id)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT id, src.k, n FROM src LEFT JOIN (SELECT v, count(*) AS n FROM t GROUP BY v) AS c ON id = v
-- PLAN
sink file u (upsert_json)
  changes: project id, k, "count(*)" AS n
    changes: left join on id = v
      [id] changes: source file s.json (debezium_json): id, k
      [v] changes: aggregate count(*) by v
        [v] pre-aggregate count(*) by v
          source file t.csv (csv): v

-- CASE distinct rows of one key come from several tasks
CREATE TABLE src (id int, k text, PRIMARY KEY (id)) WITH (connector = 'file', path = 's.json', format = 'debezium_json');
CREATE TABLE u (id int, k text, PRIMARY KEY (id)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT DISTINCT id, k FROM src
-- PLAN
sink file u (upsert_json)
  changes: the last row written per id
    [id] changes: distinct
      [id, k] changes: source file s.json (debezium_json): id, k

-- CASE the other way round it has several
CREATE TABLE src (id int, k text, PRIMARY KEY (id)) WITH (connector = 'file', path = 's.json', format = 'debezium_json');
CREATE TABLE u (k text, id int, n bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT c.k, id, n FROM src JOIN (SELECT k, count(*) AS n FROM t GROUP BY k) AS c ON src.k = c.k
-- PLAN
sink file u (upsert_json)
  changes: the last row written per k
    [k] changes: project k_2 AS k, id, "count(*)" AS n
      changes: join on k = k
        [k] changes: source file s.json (debezium_json): id, k
        [k] changes: aggregate count(*) by k
          [k] pre-aggregate count(*) by k
            source file t.csv (csv): k

-- CASE both sides' keys tell pairs, equal columns stand for each other
CREATE TABLE src (id int, k text, PRIMARY KEY (id)) WITH (connector = 'file', path = 's.json', format = 'debezium_json');
CREATE TABLE u (id int, k text, n bigint, PRIMARY KEY (id, k)) WITH (connector = 'file', path = 'u', format = 'upsert_json');
INSERT INTO u SELECT id, src.k, n FROM src JOIN (SELECT k, count(*) AS n FROM t GROUP BY k) AS c ON src.k = c.k
-- PLAN
sink file u (upsert_json)
  [id, k] changes: project id, k, "count(*)" AS n
    changes: join on k = k
      [k] changes: source file s.json (debezium_json): id, k
      [k] changes: aggregate count(*) by k
        [k] pre-aggregate count(*) by k
          source file t.csv (csv): k

-- CASE rows that all come at the end have no last one
CREATE TABLE u (k text, n bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u', format = 'upsert_json', emit = 'final');
INSERT INTO u SELECT k, count(*) FROM t GROUP BY k, v
-- ERRORS
job.sql:2:13: error: table "u" holds one row per PRIMARY KEY (k), of which the query may give several, all when the input ends, so that none of them is the last; group by the key, or choose one: SELECT DISTINCT ON (k) ... ORDER BY
   2 | INSERT INTO u SELECT k, count(*) FROM t GROUP BY k, v
     |             ^

-- CASE one row per key at the end is fine
CREATE TABLE u (k text, n bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u', format = 'upsert_json', emit = 'final');
INSERT INTO u SELECT k, count(*) FROM t GROUP BY k
-- PLAN
sink file u (upsert_json)
  project k, "count(*)" AS n
    aggregate count(*) by k; once, at the end
      [k] pre-aggregate count(*) by k
        source file t.csv (csv): k

-- CASE a full join's rows may be alike where their keys are NULL
CREATE TABLE pairs (k text, n text, PRIMARY KEY (k, n)) WITH (connector = 'file', path = 'x', format = 'debezium_json');
INSERT INTO pairs SELECT a.k, b.k FROM (SELECT k FROM t GROUP BY k) a FULL JOIN (SELECT k FROM o GROUP BY k) b ON a.k = b.k
-- PLAN
sink file x (debezium_json)
  changes: the last row written per k, n
    [k, n] changes: project k, k_2 AS n
      changes: full join on k = k
        [k] changes: aggregate  by k
          [k] pre-aggregate  by k
            source file t.csv (csv): k
        [k] changes: aggregate  by k
          [k] pre-aggregate  by k
            source file o (csv): k

-- CASE but not where one of them has a value
CREATE TABLE p (k text PRIMARY KEY, v int) WITH (connector = 'file', path = 'p', format = 'csv');
CREATE TABLE pairs (k text, n text, PRIMARY KEY (k, n)) WITH (connector = 'file', path = 'x', format = 'debezium_json');
INSERT INTO pairs SELECT p.k, b.k FROM p FULL JOIN (SELECT k FROM o GROUP BY k) b ON p.k = b.k
-- PLAN
sink file x (debezium_json)
  [k, n] changes: project k, k_2 AS n
    changes: full join on k = k
      [k] source file p (csv): k
      [k] changes: aggregate  by k
        [k] pre-aggregate  by k
          source file o (csv): k

-- CASE upserts that are read: one task reads a file's lines, the newest row of each key stands
CREATE TABLE u (k text, v bigint, x int, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u.json', format = 'upsert_json');
INSERT INTO f SELECT k, v FROM u WHERE k > 'a' AND v > 1
-- PLAN
sink file f (csv)
  project k, v AS n
    rows that stand at the end
      [k, v] changes: project k, v
        changes: filter (v > '1'::bigint)
          changes: the newest row per k
            [k] changes: filter (k > 'a')
              changes: source file u.json (upsert_json): k, v

-- CASE what reads upserts twice reads them once
CREATE TABLE u (k text, v bigint, PRIMARY KEY (k)) WITH (connector = 'kafka', bootstrap = 'h:1', topic = 'u', format = 'upsert_json');
CREATE TABLE out (k text, n bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'out', format = 'upsert_json');
INSERT INTO out SELECT k, v FROM u;
INSERT INTO hole SELECT k, (SELECT v FROM u WHERE u.k = t.k) FROM t
-- PLAN
sink file out (upsert_json)
  changes: project k, v AS n
    changes: the newest row per k
      [k] changes: source kafka (upsert_json): k, v
sink blackhole
  changes: project k, value AS n
    changes: left join on k = for
      [k] source file t.csv (csv): k
      [for] changes: project v AS value, k AS for
        changes: filter (k = k)
          changes: the newest row per k (see above)

-- CASE a file of upserts that is looked up
CREATE TABLE u (k text, v bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'u.json', format = 'upsert_json', lookup = true);
INSERT INTO o SELECT t.k, u.v FROM t LEFT JOIN u ON u.k = t.k
-- PLAN
sink file o (csv)
  project k, v_2 AS n
    look up (left join) k = k in file u.json (upsert_json), newest rows by k
      source file t.csv (csv): k
