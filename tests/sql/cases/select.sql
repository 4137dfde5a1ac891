-- CASE columns, expressions and names
SELECT t.k, v + 1 AS next, upper(k), v * 2, v::bigint, CASE WHEN v > 0 THEN k END FROM t WHERE v > 1
-- PLAN
sink stdout
  project k, (v + 1) AS next, upper(k) AS upper, (v * 2) AS ?column?, v::bigint AS v, CASE WHEN (v > 0) THEN k ELSE NULL END AS case
    filter (v > 1)
      source file t.csv (csv): k, v

-- CASE a star keeps the order of the table
CREATE TABLE g (a int, b int GENERATED ALWAYS AS (a + c) STORED, c int) WITH (connector = 'stdin', format = 'csv');
SELECT *, g.* FROM g
-- PLAN
sink stdout
  project a, b, c, a AS a_2, b AS b_2, c AS c_2
    source stdin (csv): a, c, b

-- CASE aliases of tables and columns
SELECT x.a, b FROM t AS x (a, b)
-- PLAN
sink stdout
  project k AS a, v AS b
    source file t.csv (csv): k, v

-- CASE subqueries in FROM and WITH
WITH w (a) AS (SELECT k FROM t), w2 AS (SELECT a AS b FROM w)
SELECT s.c FROM (SELECT b AS c FROM w2) s
-- PLAN
sink stdout
  project k AS c
    source file t.csv (csv): k

-- CASE a query without FROM
SELECT 1 AS one, 'x'
-- PLAN
sink stdout
  project 1 AS one, 'x' AS ?column?
    source sequence: n

-- CASE values
VALUES (1, 'a'), (2.5, NULL)
-- PLAN
sink stdout
  project CASE WHEN (n = '1'::bigint) THEN 1.0 ELSE 2.5 END AS column1, CASE WHEN (n = '1'::bigint) THEN 'a' ELSE NULL END AS column2
    source sequence: n

-- CASE literals without a type become what the others are
SELECT column1 FROM (VALUES ('2013-01-01'), (date '2013-01-02')) v
-- PLAN
sink stdout
  project CASE WHEN (n = '1'::bigint) THEN '2013-01-01'::date ELSE '2013-01-02'::date END AS column1
    source sequence: n

-- CASE functions that give rows
SELECT k, w, e FROM t, words(k) AS w, json_array_elements(j) e, string_to_table('a-b', '-')
-- PLAN
sink stdout
  project k, w, value AS e
    flat_map split('a-b', '-') AS string_to_table
      flat_map unnest(j) AS value
        flat_map words(k) AS w
          source file t.csv (csv): k, j

-- CASE a function alone in FROM
SELECT line FROM lines('a b') AS line
-- PLAN
sink stdout
  project line
    flat_map lines('a b') AS line
      source sequence: n

-- CASE distinct
SELECT DISTINCT k, v FROM t
-- PLAN
sink stdout
  distinct
    [k, v] project k, v
      source file t.csv (csv): k, v

-- CASE json, extract and at time zone
SELECT j ->> 'a' AS a, extract(hour FROM ts) AS h, date_trunc('day', ts) FROM t
-- PLAN
sink stdout
  project (j ->> 'a') AS a, extract('hour', ts) AS h, date_trunc('day', ts) AS date_trunc
    source file t.csv (csv): j, ts

-- CASE unknown names
SELECT kk, x.k, t.kk FROM t
-- ERRORS
job.sql:1:8: error: column "kk" does not exist; did you mean "k"?
   1 | SELECT kk, x.k, t.kk FROM t
     |        ^
job.sql:1:12: error: missing FROM-clause entry for table "x"; did you mean "t"?
   1 | SELECT kk, x.k, t.kk FROM t
     |            ^
job.sql:1:17: error: column t.kk does not exist; did you mean "k"?
   1 | SELECT kk, x.k, t.kk FROM t
     |                 ^

-- CASE ambiguous names
SELECT a FROM (SELECT k AS a, v AS a FROM t) s
-- ERRORS
job.sql:1:8: error: column reference "a" is ambiguous; name its table, or give the columns different names
   1 | SELECT a FROM (SELECT k AS a, v AS a FROM t) s
     |        ^

-- CASE wrong types
SELECT k + 1, lower(v), v = 'x' FROM t WHERE k
-- ERRORS
job.sql:1:10: error: operator does not exist: text + integer; a cast may help
   1 | SELECT k + 1, lower(v), v = 'x' FROM t WHERE k
     |          ^
job.sql:1:15: error: function lower(integer) does not exist; there is lower(text)
   1 | SELECT k + 1, lower(v), v = 'x' FROM t WHERE k
     |               ^
job.sql:1:29: error: invalid input syntax for type integer: "x"
   1 | SELECT k + 1, lower(v), v = 'x' FROM t WHERE k
     |                             ^
job.sql:1:46: error: argument of WHERE must be type boolean, not type text
   1 | SELECT k + 1, lower(v), v = 'x' FROM t WHERE k
     |                                              ^

-- CASE relations that do not exist
SELECT 1 FROM tt
-- ERRORS
job.sql:1:15: error: relation "tt" does not exist; did you mean "t"?
   1 | SELECT 1 FROM tt
     |               ^

-- CASE names of WITH
WITH a AS (SELECT 1), a AS (SELECT 2) SELECT * FROM a
-- ERRORS
job.sql:1:23: error: WITH query name "a" specified more than once
   1 | WITH a AS (SELECT 1), a AS (SELECT 2) SELECT * FROM a
     |                       ^

-- CASE too many column names
SELECT * FROM t AS x (a, b, c, d, e, f)
-- ERRORS
job.sql:1:15: error: "x" has 5 columns available but 6 columns specified
   1 | SELECT * FROM t AS x (a, b, c, d, e, f)
     |               ^

-- CASE a star without tables
SELECT *
-- ERRORS
job.sql:1:8: error: SELECT * with no tables specified is not valid
   1 | SELECT *
     |        ^

-- CASE a second bare select
SELECT k FROM t;
SELECT v FROM t
-- ERRORS
job.sql:2:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   2 | SELECT v FROM t
     | ^

-- CASE functions of FROM elsewhere
SELECT words(k) FROM t
-- PLAN
sink stdout
  project "words()" AS words
    flat_map words(k) AS words()
      source file t.csv (csv): k

-- CASE functions that FROM does not know
SELECT 1 FROM wordz('x')
-- ERRORS
job.sql:1:15: error: wordz() is not a function for FROM; did you mean "words"? (there are TUMBLE, HOP, CUMULATE, SESSION, string_to_table, words, lines, unnest, generate_series, regexp_split_to_table, regexp_matches, json_array_elements, json_array_elements_text, json_object_keys, json_each, json_each_text)
   1 | SELECT 1 FROM wordz('x')
     |               ^

-- CASE an empty list
SELECT v = ANY (ARRAY[]) FROM t
-- ERRORS
job.sql:1:10: error: an empty ARRAY is not supported in a scalar expression
   1 | SELECT v = ANY (ARRAY[]) FROM t
     |          ^

-- CASE aggregates elsewhere
SELECT nosuch(DISTINCT v), now() FROM t
-- ERRORS
job.sql:1:8: error: there is no aggregate function nosuch()
   1 | SELECT nosuch(DISTINCT v), now() FROM t
     |        ^
job.sql:1:28: error: now() is not supported: a replay after a failure must give the same result; use a column that holds the time or value
   1 | SELECT nosuch(DISTINCT v), now() FROM t
     |                            ^

-- CASE names of FROM are there once
SELECT 1 FROM t, words(k) AS w, words(k) AS w
-- ERRORS
job.sql:1:33: error: table name "w" specified more than once
   1 | SELECT 1 FROM t, words(k) AS w, words(k) AS w
     |                                 ^

-- CASE time zones
CREATE TABLE z (a timestamptz, b timestamp) WITH (connector = 'stdin', format = 'csv');
SELECT a AT TIME ZONE 'UTC', b AT TIME ZONE 'UTC' FROM z
-- PLAN
sink stdout
  project timezone_local('UTC', a) AS timezone, timezone('UTC', b) AS timezone_2
    source stdin (csv): a, b

-- CASE what subqueries and CASE are called
SELECT (SELECT max(n) FROM o), EXISTS (SELECT 1 FROM o), (SELECT n AS least FROM o ORDER BY n LIMIT 1)::text, (VALUES ('x')),
       k IN (SELECT k FROM o), CASE WHEN v > 1 THEN k ELSE (SELECT min(k) FROM o) END, CASE WHEN v > 1 THEN 1 ELSE d::int END, v = 1 FROM t
-- PLAN
sink stdout
  changes: project value AS max, ("is there_2" IS NOT NULL) AS exists, value_2::text AS least, value_3 AS column1, CASE WHEN ("is there_5" IS NOT NULL) THEN true WHEN ((rows IS NULL) OR (rows = '0'::bigint)) THEN false WHEN ((k IS NULL) OR (rows <> values)) THEN NULL::boolean ELSE false END AS ?column?, CASE WHEN (v > 1) THEN k ELSE value_5 END AS min, CASE WHEN (v > 1) THEN 1 ELSE d::int END AS d, (v = 1) AS ?column?_2
    [k, v, d, value, is there_2, value_2, value_3, is there_5, rows, values, value_5] changes: left join, all pairs
      changes: left join, all pairs
        changes: left join on k = value
          [k] changes: left join, all pairs
            changes: left join, all pairs
              changes: left join, all pairs
                changes: left join, all pairs
                  source file t.csv (csv): k, v, d
                  changes: project "max(n)" AS value
                    changes: aggregate max(n)
                      pre-aggregate max(n)
                        source file o (csv): k, n
                distinct
                  [is there] project true AS is there
                    source file o (csv): k, n (see above)
              changes: project least AS value
                changes: top 1 by least
                  preselect top 1 by least
                    project n AS least
                      source file o (csv): k, n (see above)
            project 'x' AS value
              source sequence: n
          [value] distinct
            [value, is there] project k AS value, true AS is there
              project k
                source file o (csv): k, n (see above)
        changes: aggregate count(*), count(k)
          pre-aggregate count(*), count(k)
            project k (see above)
      changes: project "min(k)" AS value
        changes: aggregate min(k)
          pre-aggregate min(k)
            source file o (csv): k, n (see above)

-- CASE series stay calls, and long literals are cut in plans
SELECT count(*) FROM generate_series(1, 150000);
INSERT INTO hole SELECT k, g FROM t, generate_series(1, 3) AS g WHERE k = ANY ('{ééééééééééééééééééé,bbbbbbbbbbbbbbbbbbbb,cccccccccccccccccccc,dddddddddddddddddddd,eeeeeeee}')
-- PLAN
sink stdout
  changes: project "count(*)" AS count
    changes: aggregate count(*)
      pre-aggregate count(*)
        flat_map unnest(generate_series(1, 150000)) AS generate_series
          source sequence: n
sink blackhole
  project k, g::bigint AS n
    flat_map unnest('{1,2,3}'::int[]) AS g
      filter (k = ANY ('{ééééééééééééééééééé,bbbbbbbbbbbbbbbbbbbb,cccccccccccccccccc...'::text[]))
        source file t.csv (csv): k

-- CASE columns of jsonb
CREATE TABLE documents (j jsonb) WITH (connector = 'stdin', format = 'json');
SELECT j ->> 'a' AS a FROM documents
-- PLAN
sink stdout
  project (j ->> 'a') AS a
    source stdin (json): j

-- CASE a subquery's value is called as its column, also where * says which
CREATE VIEW one AS SELECT max(v) AS highest FROM t;
SELECT (SELECT * FROM one), (SELECT o.* FROM one AS o)::text, CASE WHEN true THEN (SELECT * FROM one) END, (SELECT (SELECT * FROM one)), (SELECT * FROM one) + 1
-- PLAN
sink stdout
  changes: project value AS highest, value_2::text AS highest_2, value AS case, value_3 AS highest_3, (value + 1) AS ?column?
    [value, value_2, value_3] changes: left join, all pairs
      changes: left join, all pairs
        changes: left join, all pairs
          source sequence: n
          changes: project "max(v)" AS value
            changes: aggregate max(v)
              pre-aggregate max(v)
                source file t.csv (csv): v
        changes: project "max(v)" AS value (see above)
      changes: project value
        [value] changes: left join, all pairs (see above)
