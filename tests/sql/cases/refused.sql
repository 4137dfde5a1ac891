-- CASE order and limits
INSERT INTO o SELECT k, v FROM t ORDER BY v;
INSERT INTO o SELECT k, v FROM (SELECT k, v FROM t ORDER BY v) s;
INSERT INTO hole SELECT k, v FROM t LIMIT -5;
INSERT INTO hole SELECT k, v FROM t LIMIT v;
INSERT INTO hole SELECT k, v FROM t OFFSET 'many';
INSERT INTO hole SELECT k, v FROM t ORDER BY 3 LIMIT 1;
INSERT INTO hole SELECT k, v FROM t ORDER BY 'v' LIMIT 1;
INSERT INTO hole SELECT k, v FROM t ORDER BY j LIMIT 1;
INSERT INTO hole SELECT k, v FROM t ORDER BY nosuch LIMIT 1;
INSERT INTO hole SELECT k AS x, v AS x FROM t ORDER BY x LIMIT 1;
INSERT INTO hole SELECT DISTINCT k, v FROM t ORDER BY d LIMIT 1;
INSERT INTO hole SELECT DISTINCT ON (k) k, v FROM t ORDER BY v;
INSERT INTO hole SELECT k, v FROM t UNION SELECT k, v FROM t ORDER BY v + 1 LIMIT 1;
INSERT INTO hole SELECT k, v FROM t ORDER BY v USING < LIMIT 1;
INSERT INTO hole SELECT k, count(*) FROM t GROUP BY k ORDER BY v LIMIT 1;
INSERT INTO o SELECT k, v FROM t ORDER BY v LIMIT 5
-- ERRORS
job.sql:1:43: error: ORDER BY without LIMIT is not supported: rows leave as they are computed; add LIMIT, or run a SELECT with --final, which prints the table that stands at the end in order
   1 | INSERT INTO o SELECT k, v FROM t ORDER BY v;
     |                                           ^
job.sql:2:61: error: ORDER BY without LIMIT is not supported: rows leave as they are computed; add LIMIT, or run a SELECT with --final, which prints the table that stands at the end in order
   2 | INSERT INTO o SELECT k, v FROM (SELECT k, v FROM t ORDER BY v) s;
     |                                                             ^
job.sql:3:43: error: LIMIT must not be negative
   3 | INSERT INTO hole SELECT k, v FROM t LIMIT -5;
     |                                           ^
job.sql:4:43: error: argument of LIMIT must not contain variables
   4 | INSERT INTO hole SELECT k, v FROM t LIMIT v;
     |                                           ^
job.sql:5:44: error: invalid input syntax for type bigint: "many"
   5 | INSERT INTO hole SELECT k, v FROM t OFFSET 'many';
     |                                            ^
job.sql:6:46: error: ORDER BY position 3 is not in select list
   6 | INSERT INTO hole SELECT k, v FROM t ORDER BY 3 LIMIT 1;
     |                                              ^
job.sql:7:46: error: non-integer constant in ORDER BY
   7 | INSERT INTO hole SELECT k, v FROM t ORDER BY 'v' LIMIT 1;
     |                                              ^
job.sql:8:46: error: could not identify an ordering operator for type json; order by one of its fields (j ->> 'field')
   8 | INSERT INTO hole SELECT k, v FROM t ORDER BY j LIMIT 1;
     |                                              ^
job.sql:9:46: error: column "nosuch" does not exist
   9 | INSERT INTO hole SELECT k, v FROM t ORDER BY nosuch LIMIT 1;
     |                                              ^
job.sql:10:56: error: ORDER BY "x" is ambiguous
  10 | INSERT INTO hole SELECT k AS x, v AS x FROM t ORDER BY x LIMIT 1;
     |                                                        ^
job.sql:11:55: error: for SELECT DISTINCT, ORDER BY expressions must appear in select list
  11 | INSERT INTO hole SELECT DISTINCT k, v FROM t ORDER BY d LIMIT 1;
     |                                                       ^
job.sql:12:62: error: SELECT DISTINCT ON expressions must match initial ORDER BY expressions
  12 | INSERT INTO hole SELECT DISTINCT ON (k) k, v FROM t ORDER BY v;
     |                                                              ^
job.sql:13:71: error: invalid UNION/INTERSECT/EXCEPT ORDER BY clause: only result column names can be used, not expressions or functions; put the query into FROM (SELECT ...)
  13 | INSERT INTO hole SELECT k, v FROM t UNION SELECT k, v FROM t ORDER BY v + 1 LIMIT 1;
     |                                                                       ^
job.sql:14:46: error: ORDER BY ... USING is not supported; write ASC or DESC
  14 | INSERT INTO hole SELECT k, v FROM t ORDER BY v USING < LIMIT 1;
     |                                              ^
job.sql:15:64: error: column "t.v" must appear in the GROUP BY clause or be used in an aggregate function
  15 | INSERT INTO hole SELECT k, count(*) FROM t GROUP BY k ORDER BY v LIMIT 1;
     |                                                                ^
job.sql:16:51: error: table "o" (file) only appends rows, but which rows are the first changes as more input arrives; choose them within a window (with its window_end among the keys of DISTINCT ON or PARTITION BY), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
  16 | INSERT INTO o SELECT k, v FROM t ORDER BY v LIMIT 5
     |                                                   ^

-- CASE window functions
INSERT INTO o SELECT k, row_number() OVER (PARTITION BY k ORDER BY v) FROM t;
INSERT INTO o SELECT k, sum(v) OVER w FROM t WINDOW w AS (PARTITION BY k)
-- ERRORS
job.sql:1:25: error: table "o" (file) only appends rows, but values of this window function change as more input arrives; order it by the input's event time, ascending, or have a window's window_end among the keys of PARTITION BY, or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   1 | INSERT INTO o SELECT k, row_number() OVER (PARTITION BY k ORDER BY v) FROM t;
     |                         ^
job.sql:2:25: error: table "o" (file) only appends rows, but values of this window function change as more input arrives; order it by the input's event time, ascending, or have a window's window_end among the keys of PARTITION BY, or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   2 | INSERT INTO o SELECT k, sum(v) OVER w FROM t WINDOW w AS (PARTITION BY k)
     |                         ^

-- CASE parts of statements
INSERT INTO o SELECT k, v FROM t FOR UPDATE;
INSERT INTO o SELECT k, v FROM t ON CONFLICT DO NOTHING;
INSERT INTO o SELECT k, v FROM t RETURNING k;
INSERT INTO o DEFAULT VALUES;
INSERT INTO o SELECT k, v FROM t TABLESAMPLE system (10);
INSERT INTO o SELECT k, v FROM public.t;
WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r;
SELECT k INTO x FROM t;
INSERT INTO o SELECT k, 1 FROM t, words(k) WITH ORDINALITY AS w (k2, n, more)
-- ERRORS
job.sql:1:34: error: FOR UPDATE (SHARE, ...) is not supported; rows of a stream cannot be locked
   1 | INSERT INTO o SELECT k, v FROM t FOR UPDATE;
     |                                  ^
job.sql:2:34: error: ON CONFLICT is not supported
   2 | INSERT INTO o SELECT k, v FROM t ON CONFLICT DO NOTHING;
     |                                  ^
job.sql:3:44: error: RETURNING is not supported
   3 | INSERT INTO o SELECT k, v FROM t RETURNING k;
     |                                            ^
job.sql:4:1: error: INSERT ... DEFAULT VALUES is not supported; write INSERT INTO ... SELECT
   4 | INSERT INTO o DEFAULT VALUES;
     | ^
job.sql:5:32: error: TABLESAMPLE is not supported
   5 | INSERT INTO o SELECT k, v FROM t TABLESAMPLE system (10);
     |                                ^
job.sql:6:32: error: a schema's name is not supported; tables of a script have plain names
   6 | INSERT INTO o SELECT k, v FROM public.t;
     |                                ^
job.sql:7:16: error: WITH RECURSIVE is not supported; write WITH
   7 | WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r;
     |                ^
job.sql:8:15: error: SELECT INTO is not supported; write INSERT INTO ... SELECT or CREATE TABLE ... AS
   8 | SELECT k INTO x FROM t;
     |               ^
job.sql:9:35: error: words() gives 2 columns, but 3 are named
   9 | INSERT INTO o SELECT k, 1 FROM t, words(k) WITH ORDINALITY AS w (k2, n, more)
     |                                   ^

-- CASE statements
DELETE FROM o;
UPDATE o SET n = 1;
DROP TABLE o;
BEGIN;
CREATE INDEX i ON o (k)
-- ERRORS
job.sql:1:1: error: DELETE is not supported; a job is made of SET, CREATE TYPE, CREATE TABLE, CREATE VIEW, INSERT and SELECT
   1 | DELETE FROM o;
     | ^
job.sql:2:1: error: UPDATE is not supported; a job is made of SET, CREATE TYPE, CREATE TABLE, CREATE VIEW, INSERT and SELECT
   2 | UPDATE o SET n = 1;
     | ^
job.sql:3:1: error: DROP is not supported; a job is made of SET, CREATE TYPE, CREATE TABLE, CREATE VIEW, INSERT and SELECT
   3 | DROP TABLE o;
     | ^
job.sql:4:1: error: a transaction is not supported; a job is made of SET, CREATE TYPE, CREATE TABLE, CREATE VIEW, INSERT and SELECT
   4 | BEGIN;
     | ^
job.sql:5:1: error: CREATE INDEX is not supported; a job is made of SET, CREATE TYPE, CREATE TABLE, CREATE VIEW, INSERT and SELECT
   5 | CREATE INDEX i ON o (k)
     | ^

-- CASE parts of tables
CREATE TABLE a (x int DEFAULT 1) WITH (connector = 'stdin');
CREATE TABLE b (x int NOT NULL) WITH (connector = 'stdin');
CREATE TABLE c (x int CHECK (x > 0)) WITH (connector = 'stdin');
CREATE TABLE d (x varchar(3)) WITH (connector = 'stdin');
CREATE TABLE e (x char(3)) WITH (connector = 'stdin');
CREATE TABLE g (x int[][]) WITH (connector = 'stdin');
CREATE TABLE h (x nosuch) WITH (connector = 'stdin');
CREATE TABLE i (x int) PARTITION BY LIST (x);
CREATE TEMP TABLE j (x int);
CREATE TABLE IF NOT EXISTS l (x int) WITH (connector = 'stdin');
CREATE TABLE m (LIKE t);
CREATE TABLE n (x int);
CREATE TABLE q (x int) WITH (connector = file);
CREATE TABLE r (x int) WITH (connector = 'stdin', connector = 'stdout');
CREATE TABLE z (x int(y), y int) WITH (connector);
CREATE TABLE zz (x int) WITH (connector);
CREATE TABLE s (x int, PRIMARY KEY (y)) WITH (connector = 'stdin');
CREATE TABLE u (x int) WITH (connector = 'stdin', emit = 'later');
CREATE TABLE t (x int) WITH (connector = 'stdin');
CREATE OR REPLACE VIEW v AS SELECT 1;
CREATE MATERIALIZED VIEW w AS SELECT 1
-- ERRORS
job.sql:5:19: error: char(n) is not supported; it pads with blanks; write text
   5 | CREATE TABLE e (x char(3)) WITH (connector = 'stdin');
     |                   ^
job.sql:6:19: error: an array of several dimensions is not supported; its elements may be a type of CREATE TYPE
   6 | CREATE TABLE g (x int[][]) WITH (connector = 'stdin');
     |                   ^
job.sql:7:19: error: unknown type "nosuch"; valid are boolean, int, bigint, double precision, decimal(38,S), text, bytea, date, timestamp, interval, json, TYPE[] and struct(NAME TYPE, ...)
   7 | CREATE TABLE h (x nosuch) WITH (connector = 'stdin');
     |                   ^
job.sql:8:24: error: PARTITION BY is not supported
   8 | CREATE TABLE i (x int) PARTITION BY LIST (x);
     |                        ^
job.sql:9:19: error: a temporary or unlogged table is not supported
   9 | CREATE TEMP TABLE j (x int);
     |                   ^
job.sql:11:22: error: LIKE is not supported
  11 | CREATE TABLE m (LIKE t);
     |                      ^
job.sql:12:14: error: table "n" needs WITH (connector = '...'): where its rows are
  12 | CREATE TABLE n (x int);
     |              ^
job.sql:13:42: error: the value of option connector must be a text in quotes, a number, true or false
  13 | CREATE TABLE q (x int) WITH (connector = file);
     |                                          ^
job.sql:14:51: error: option connector is given twice
  14 | CREATE TABLE r (x int) WITH (connector = 'stdin', connector = 'stdout');
     |                                                   ^
job.sql:15:22: error: syntax error at or near "("
  15 | CREATE TABLE z (x int(y), y int) WITH (connector);
     |                      ^
job.sql:16:31: error: option connector needs a value: connector = 'value'
  16 | CREATE TABLE zz (x int) WITH (connector);
     |                               ^
job.sql:17:24: error: column "y" named in the key does not exist
  17 | CREATE TABLE s (x int, PRIMARY KEY (y)) WITH (connector = 'stdin');
     |                        ^
job.sql:18:58: error: emit is 'changes' or 'final'
  18 | CREATE TABLE u (x int) WITH (connector = 'stdin', emit = 'later');
     |                                                          ^
job.sql:19:14: error: relation "t" already exists
  19 | CREATE TABLE t (x int) WITH (connector = 'stdin');
     |              ^
job.sql:20:24: error: OR REPLACE is not supported; a script defines each view once
  20 | CREATE OR REPLACE VIEW v AS SELECT 1;
     |                        ^
job.sql:21:1: error: CREATE MATERIALIZED VIEW is not supported; write CREATE TABLE ... WITH (...) AS
  21 | CREATE MATERIALIZED VIEW w AS SELECT 1
     | ^

-- CASE settings
SET paralelism = 4;
SET parallelism = 0;
SET parallelism = 'many';
SET mode = 'exactly-one';
SET name = '';
SET snapshot_interval = '1ms';
SET snapshot_interval = 'soon';
SET LOCAL name = 'x';
SET name TO DEFAULT
-- ERRORS
job.sql:1:5: error: unrecognized setting "paralelism"; did you mean "parallelism"? (there are name, parallelism, key_groups, mode, snapshot_interval, state_ttl)
   1 | SET paralelism = 4;
     |     ^
job.sql:2:19: error: parallelism must be an integer between 1 and 4096
   2 | SET parallelism = 0;
     |                   ^
job.sql:3:19: error: parallelism must be an integer between 1 and 4096
   3 | SET parallelism = 'many';
     |                   ^
job.sql:4:12: error: mode is exactly-once, at-least-once or at-most-once; did you mean "exactly-once"?
   4 | SET mode = 'exactly-one';
     |            ^
job.sql:5:12: error: a job's name cannot be empty
   5 | SET name = '';
     |            ^
job.sql:6:25: error: snapshot_interval is below 100ms
   6 | SET snapshot_interval = '1ms';
     |                         ^
job.sql:7:25: error: snapshot_interval 'soon': expected a number and a unit such as 100ms, 1s, 5m, 1h or 2d
   7 | SET snapshot_interval = 'soon';
     |                         ^
job.sql:8:18: error: SET LOCAL is not supported; write SET
   8 | SET LOCAL name = 'x';
     |                  ^
job.sql:9:1: error: this form of SET is not supported; write SET name = value
   9 | SET name TO DEFAULT
     | ^

-- CASE what a subquery cannot have of the query around it
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM o WHERE o.n = count(t.v));
INSERT INTO hole SELECT k, 1 FROM t GROUP BY k, (SELECT sum(t.v));
INSERT INTO hole SELECT k, sum((SELECT max(t.v) FROM o)) FROM t GROUP BY k;
INSERT INTO hole SELECT t.k, s FROM t, LATERAL (SELECT sum(t.v) AS s FROM o) AS l;
INSERT INTO hole SELECT generate_series(1, 2)::text, (SELECT max(t.v)) FROM t;
INSERT INTO hole SELECT k, v FROM t WHERE row_number() OVER (ORDER BY v) IN (SELECT n FROM o) OR v = 1;
INSERT INTO hole SELECT k, 1 FROM t GROUP BY k HAVING row_number() OVER (ORDER BY k) IN (SELECT n FROM o);
INSERT INTO hole SELECT k, sum(CASE WHEN rank() OVER (ORDER BY v) IN (SELECT n FROM o) THEN 1 END) OVER (ORDER BY v) FROM t
-- ERRORS
job.sql:1:59: error: aggregate functions are not allowed in WHERE
   1 | SELECT k FROM t WHERE EXISTS (SELECT 1 FROM o WHERE o.n = count(t.v));
     |                                                           ^
job.sql:2:57: error: aggregate functions are not allowed in GROUP BY
   2 | INSERT INTO hole SELECT k, 1 FROM t GROUP BY k, (SELECT sum(t.v));
     |                                                         ^
job.sql:3:40: error: aggregate function calls cannot be nested
   3 | INSERT INTO hole SELECT k, sum((SELECT max(t.v) FROM o)) FROM t GROUP BY k;
     |                                        ^
job.sql:4:56: error: aggregate functions are not allowed in FROM clause of their own query level
   4 | INSERT INTO hole SELECT t.k, s FROM t, LATERAL (SELECT sum(t.v) AS s FROM o) AS l;
     |                                                        ^
job.sql:5:62: error: an aggregate of this query in a subquery, beside a function that gives rows in the select list, is not supported; write the function in FROM
   5 | INSERT INTO hole SELECT generate_series(1, 2)::text, (SELECT max(t.v)) FROM t;
     |                                                              ^
job.sql:6:95: error: window functions are not allowed in WHERE; put the query into FROM (SELECT ...) and filter its rows
   6 | INSERT INTO hole SELECT k, v FROM t WHERE row_number() OVER (ORDER BY v) IN (SELECT n FROM o) OR v = 1;
     |                                                                                               ^
job.sql:7:86: error: window functions are not allowed in HAVING; put the query into FROM (SELECT ...) and filter its rows
   7 | INSERT INTO hole SELECT k, 1 FROM t GROUP BY k HAVING row_number() OVER (ORDER BY k) IN (SELECT n FROM o);
     |                                                                                      ^
job.sql:8:42: error: window function calls cannot be nested
   8 | INSERT INTO hole SELECT k, sum(CASE WHEN rank() OVER (ORDER BY v) IN (SELECT n FROM o) THEN 1 END) OVER (ORDER BY v) FROM t
     |                                          ^

-- CASE what groups do not have
SELECT k FROM t GROUP BY k HAVING EXISTS (SELECT 1 FROM o WHERE o.n = t.v);
SELECT count(*), (SELECT max(n) FROM o WHERE o.k = t.k) FROM t
-- ERRORS
job.sql:1:35: error: subquery uses ungrouped column "t.v" from outer query; group by it, or aggregate in a subquery of FROM
   1 | SELECT k FROM t GROUP BY k HAVING EXISTS (SELECT 1 FROM o WHERE o.n = t.v);
     |                                   ^
job.sql:2:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   2 | SELECT count(*), (SELECT max(n) FROM o WHERE o.k = t.k) FROM t
     | ^
job.sql:2:18: error: subquery uses ungrouped column "t.k" from outer query; group by it, or aggregate in a subquery of FROM
   2 | SELECT count(*), (SELECT max(n) FROM o WHERE o.k = t.k) FROM t
     |                  ^

-- CASE windows left of subqueries that give one row
SELECT count(*) FROM t GROUP BY count(*) OVER (PARTITION BY k) <> ALL (SELECT min(n) FROM o)
-- ERRORS
job.sql:1:33: error: window functions are not allowed left of ALL (SELECT ...) here
   1 | SELECT count(*) FROM t GROUP BY count(*) OVER (PARTITION BY k) <> ALL (SELECT min(n) FROM o)
     |                                 ^

-- CASE arrays of queries, and functions that give rows
SELECT ARRAY(SELECT * FROM t);
SELECT ARRAY(SELECT k, v FROM t);
SELECT ARRAY(VALUES (1, 2));
SELECT CASE WHEN v > 1 THEN unnest('{1,2}'::int[]) END FROM t;
SELECT unnest('{1}'::int[]), words(k) FROM t;
SELECT unnest('{1}'::int[]) + max(unnest('{1}'::int[])) FROM t;
SELECT coalesce(unnest('{1}'::int[]), 2), sum(unnest('{1}'::int[])) OVER () FROM t;
SELECT k FROM t WHERE unnest('{1}'::int[]) = v;
SELECT k FROM t GROUP BY k HAVING unnest('{1}'::int[]) = 1;
SELECT t.k FROM t JOIN o ON unnest('{1}'::int[]) = v;
SELECT generate_series(1, unnest('{1}'::int[])) FROM t;
SELECT n FROM ROWS FROM (generate_series(1, 2), tumble(t)) AS r (n, m);
SELECT *, unnest('{1}'::int[]), row_number() OVER (ORDER BY ts) FROM t;
SELECT * FROM generate_series(1.5, 2);
SELECT * FROM generate_series(timestamp '2020-01-01', timestamp '2020-01-02');
SELECT json_build_object('a', 1, 'b');
SELECT json_build_object(k, 1) FROM t;
SELECT json_agg(v) OVER (ORDER BY ts) FROM t
-- ERRORS
job.sql:1:21: error: subquery must return only one column
   1 | SELECT ARRAY(SELECT * FROM t);
     |                     ^
job.sql:2:8: error: subquery must return only one column
   2 | SELECT ARRAY(SELECT k, v FROM t);
     |        ^
job.sql:3:8: error: subquery must return only one column
   3 | SELECT ARRAY(VALUES (1, 2));
     |        ^
job.sql:4:29: error: set-returning functions are not allowed in CASE; write them in FROM
   4 | SELECT CASE WHEN v > 1 THEN unnest('{1,2}'::int[]) END FROM t;
     |                             ^
job.sql:5:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   5 | SELECT unnest('{1}'::int[]), words(k) FROM t;
     | ^
job.sql:5:30: error: words() beside another function that gives rows is not supported
   5 | SELECT unnest('{1}'::int[]), words(k) FROM t;
     |                              ^
job.sql:6:35: error: aggregate function calls cannot contain set-returning function calls; write them in FROM
   6 | SELECT unnest('{1}'::int[]) + max(unnest('{1}'::int[])) FROM t;
     |                                   ^
job.sql:7:17: error: set-returning functions are not allowed in COALESCE; write them in FROM
   7 | SELECT coalesce(unnest('{1}'::int[]), 2), sum(unnest('{1}'::int[])) OVER () FROM t;
     |                 ^
job.sql:8:23: error: set-returning functions are not allowed in WHERE; write them in FROM
   8 | SELECT k FROM t WHERE unnest('{1}'::int[]) = v;
     |                       ^
job.sql:9:35: error: set-returning functions are not allowed in HAVING; write them in FROM
   9 | SELECT k FROM t GROUP BY k HAVING unnest('{1}'::int[]) = 1;
     |                                   ^
job.sql:10:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
  10 | SELECT t.k FROM t JOIN o ON unnest('{1}'::int[]) = v;
     | ^
job.sql:10:29: error: set-returning functions are not allowed in JOIN conditions
  10 | SELECT t.k FROM t JOIN o ON unnest('{1}'::int[]) = v;
     |                             ^
job.sql:11:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
  11 | SELECT generate_series(1, unnest('{1}'::int[])) FROM t;
     | ^
job.sql:11:8: error: generate_series() gives rows; write it in FROM
  11 | SELECT generate_series(1, unnest('{1}'::int[])) FROM t;
     |        ^
job.sql:12:26: error: tumble() in ROWS FROM is not supported
  12 | SELECT n FROM ROWS FROM (generate_series(1, 2), tumble(t)) AS r (n, m);
     |                          ^
job.sql:13:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
  13 | SELECT *, unnest('{1}'::int[]), row_number() OVER (ORDER BY ts) FROM t;
     | ^
job.sql:13:11: error: unnest() gives rows; write it in FROM
  13 | SELECT *, unnest('{1}'::int[]), row_number() OVER (ORDER BY ts) FROM t;
     |           ^
job.sql:14:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
  14 | SELECT * FROM generate_series(1.5, 2);
     | ^
job.sql:14:15: error: function generate_series(numeric, integer) does not exist; there is generate_series(integer, integer), generate_series(integer, integer, integer), generate_series(bigint, bigint), generate_series(bigint, bigint, bigint)
  14 | SELECT * FROM generate_series(1.5, 2);
     |               ^
job.sql:15:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
  15 | SELECT * FROM generate_series(timestamp '2020-01-01', timestamp '2020-01-02');
     | ^
job.sql:15:15: error: function generate_series(timestamp, timestamp) does not exist; there is generate_series(integer, integer), generate_series(integer, integer, integer), generate_series(bigint, bigint), generate_series(bigint, bigint, bigint)
  15 | SELECT * FROM generate_series(timestamp '2020-01-01', timestamp '2020-01-02');
     |               ^
job.sql:16:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
  16 | SELECT json_build_object('a', 1, 'b');
     | ^
job.sql:16:8: error: argument list must have even number of elements
  16 | SELECT json_build_object('a', 1, 'b');
     |        ^
job.sql:17:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
  17 | SELECT json_build_object(k, 1) FROM t;
     | ^
job.sql:18:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
  18 | SELECT json_agg(v) OVER (ORDER BY ts) FROM t
     | ^

-- CASE constraints of tables
CREATE TABLE c (d varchar(0)) WITH (connector = 'file', path = 'c', format = 'csv');
CREATE TABLE c (a int, UNIQUE (a)) WITH (connector = 'file', path = 'c', format = 'csv');
CREATE TABLE c3 (a int DEFAULT 'x', b text DEFAULT now(), d int DEFAULT a + 1) WITH (connector = 'file', path = 'c', format = 'csv');
CREATE TABLE c4 (a int CHECK (z > 1), b int CHECK (count(*) > 1), d int CHECK (d), CHECK (a > (SELECT 1))) WITH (connector = 'file', path = 'c', format = 'csv')
-- ERRORS
job.sql:1:19: error: length for type varchar must be at least 1
   1 | CREATE TABLE c (d varchar(0)) WITH (connector = 'file', path = 'c', format = 'csv');
     |                   ^
job.sql:2:24: error: UNIQUE is not supported
   2 | CREATE TABLE c (a int, UNIQUE (a)) WITH (connector = 'file', path = 'c', format = 'csv');
     |                        ^
job.sql:3:32: error: invalid input syntax for type integer: "x"
   3 | CREATE TABLE c3 (a int DEFAULT 'x', b text DEFAULT now(), d int DEFAULT a + 1) WITH (connector = 'file', path = 'c', format = 'csv');
     |                                ^
job.sql:3:52: error: now() is not supported: a replay after a failure must give the same result; use a column that holds the time or value
   3 | CREATE TABLE c3 (a int DEFAULT 'x', b text DEFAULT now(), d int DEFAULT a + 1) WITH (connector = 'file', path = 'c', format = 'csv');
     |                                                    ^
job.sql:3:73: error: column "a" does not exist
   3 | CREATE TABLE c3 (a int DEFAULT 'x', b text DEFAULT now(), d int DEFAULT a + 1) WITH (connector = 'file', path = 'c', format = 'csv');
     |                                                                         ^
job.sql:4:31: error: column "z" does not exist; did you mean "a"?
   4 | CREATE TABLE c4 (a int CHECK (z > 1), b int CHECK (count(*) > 1), d int CHECK (d), CHECK (a > (SELECT 1))) WITH (connector = 'file', path = 'c', format = 'csv')
     |                               ^
job.sql:4:52: error: aggregate functions are not allowed in CHECK
   4 | CREATE TABLE c4 (a int CHECK (z > 1), b int CHECK (count(*) > 1), d int CHECK (d), CHECK (a > (SELECT 1))) WITH (connector = 'file', path = 'c', format = 'csv')
     |                                                    ^
job.sql:4:80: error: expected type boolean, but this is integer
   4 | CREATE TABLE c4 (a int CHECK (z > 1), b int CHECK (count(*) > 1), d int CHECK (d), CHECK (a > (SELECT 1))) WITH (connector = 'file', path = 'c', format = 'csv')
     |                                                                                ^
job.sql:4:95: error: a subquery as a value is not supported in this clause; it may stand in WHERE, HAVING, ON and the select list
   4 | CREATE TABLE c4 (a int CHECK (z > 1), b int CHECK (count(*) > 1), d int CHECK (d), CHECK (a > (SELECT 1))) WITH (connector = 'file', path = 'c', format = 'csv')
     |                                                                                               ^

-- CASE subqueries that are not there
INSERT INTO hole SELECT k, v FROM t WHERE (k, v) > (SELECT k FROM o LIMIT 1);
INSERT INTO hole SELECT k, v FROM t WHERE (v, k) IN (SELECT k, n FROM o) OR v = 1;
INSERT INTO hole SELECT k, v FROM t WHERE (k, v) IN (SELECT k FROM o);
INSERT INTO hole SELECT k, v FROM t WHERE k IN (SELECT k, n FROM o);
INSERT INTO hole SELECT k, v FROM t WHERE (k, v) = (SELECT k, n FROM o);
INSERT INTO hole SELECT k, count(*) FROM t GROUP BY k HAVING k IN (SELECT k FROM o WHERE o.n = t.v);
INSERT INTO hole SELECT v, count(*) FROM t GROUP BY k HAVING v IN (SELECT n FROM o);
INSERT INTO hole SELECT k, v FROM t WHERE (k, v) + (SELECT k, n FROM o LIMIT 1) = 1
-- ERRORS
job.sql:1:50: error: subquery has too few columns
   1 | INSERT INTO hole SELECT k, v FROM t WHERE (k, v) > (SELECT k FROM o LIMIT 1);
     |                                                  ^
job.sql:2:50: error: operator does not exist: text = bigint; a cast may help
   2 | INSERT INTO hole SELECT k, v FROM t WHERE (v, k) IN (SELECT k, n FROM o) OR v = 1;
     |                                                  ^
job.sql:3:50: error: subquery has too few columns
   3 | INSERT INTO hole SELECT k, v FROM t WHERE (k, v) IN (SELECT k FROM o);
     |                                                  ^
job.sql:4:45: error: subquery has too many columns
   4 | INSERT INTO hole SELECT k, v FROM t WHERE k IN (SELECT k, n FROM o);
     |                                             ^
job.sql:5:50: error: a subquery that is used as a value must give one row at most; aggregate it, as in (SELECT max(x) FROM ...)
   5 | INSERT INTO hole SELECT k, v FROM t WHERE (k, v) = (SELECT k, n FROM o);
     |                                                  ^
job.sql:6:64: error: subquery uses ungrouped column "t.v" from outer query; group by it, or aggregate in a subquery of FROM
   6 | INSERT INTO hole SELECT k, count(*) FROM t GROUP BY k HAVING k IN (SELECT k FROM o WHERE o.n = t.v);
     |                                                                ^
job.sql:7:62: error: column "t.v" must appear in the GROUP BY clause or be used in an aggregate function
   7 | INSERT INTO hole SELECT v, count(*) FROM t GROUP BY k HAVING v IN (SELECT n FROM o);
     |                                                              ^
job.sql:8:50: error: operator does not exist: struct(f1 text, f2 int) + struct(f1 text, f2 bigint); a cast may help
   8 | INSERT INTO hole SELECT k, v FROM t WHERE (k, v) + (SELECT k, n FROM o LIMIT 1) = 1
     |                                                  ^

-- CASE clauses are refused by their names, where they stand
CREATE TABLE w1 (a int COLLATE "C") WITH (connector = 'blackhole');
CREATE TABLE w2 (a int, b int, PRIMARY KEY (a) INCLUDE (b)) WITH (connector = 'blackhole');
CREATE TABLE w3 (a int, CHECK (a > 1) NO INHERIT) WITH (connector = 'blackhole');
CREATE TABLE w4 (a int, CHECK (a > 1) NOT VALID) WITH (connector = 'blackhole');
CREATE TABLE w5 (a int PRIMARY KEY DEFERRABLE) WITH (connector = 'blackhole');
CREATE VIEW v1 WITH (security_barrier) AS SELECT k FROM t;
CREATE VIEW v2 AS SELECT k FROM t WITH CHECK OPTION;
INSERT INTO hole OVERRIDING SYSTEM VALUE SELECT k, v FROM t;
INSERT INTO hole SELECT DEFAULT, 1;
INSERT INTO hole SELECT k, v FROM t WHERE k <> 'FOR UPDATE' /* FOR UPDATE */ FOR UPDATE;
INSERT INTO hole SELECT k, v FROM t WHERE v > 1 FOR NO KEY UPDATE;
INSERT INTO hole SELECT k, num_nulls((t).*) FROM t;
INSERT INTO hole SELECT j.k, 1 FROM (t JOIN o ON t.k = o.k) AS j;
INSERT INTO hole SELECT z.v, 1 FROM t JOIN o USING (k) AS z;
INSERT INTO hole SELECT to_char(v, '9D.'), age(ts) FROM t;
INSERT INTO hole SELECT k, count(t) FROM t GROUP BY k, t.v HAVING t IS NULL;
INSERT INTO hole SELECT k, (SELECT count(*) FROM o WHERE o.k = to_json(t) ->> 'k') FROM t;
INSERT INTO hole SELECT k, corr(DISTINCT v, v), sum(DISTINCT ts - ts) FROM t GROUP BY k;
INSERT INTO hole SELECT k, lag(v, v) OVER (ORDER BY v) FROM t;
INSERT INTO hole SELECT k, first(v) OVER (PARTITION BY k) FROM t;
INSERT INTO hole SELECT 'x', a FROM unnest(ARRAY[1], ARRAY[2]) u (a, b)
-- ERRORS
job.sql:1:24: error: COLLATE (text compares by its bytes) is not supported
   1 | CREATE TABLE w1 (a int COLLATE "C") WITH (connector = 'blackhole');
     |                        ^
job.sql:2:32: error: INCLUDE is not supported
   2 | CREATE TABLE w2 (a int, b int, PRIMARY KEY (a) INCLUDE (b)) WITH (connector = 'blackhole');
     |                                ^
job.sql:3:25: error: NO INHERIT is not supported
   3 | CREATE TABLE w3 (a int, CHECK (a > 1) NO INHERIT) WITH (connector = 'blackhole');
     |                         ^
job.sql:4:25: error: NOT VALID is not supported; every row is asked
   4 | CREATE TABLE w4 (a int, CHECK (a > 1) NOT VALID) WITH (connector = 'blackhole');
     |                         ^
job.sql:5:36: error: DEFERRABLE is not supported
   5 | CREATE TABLE w5 (a int PRIMARY KEY DEFERRABLE) WITH (connector = 'blackhole');
     |                                    ^
job.sql:6:22: error: WITH (...) of a view is not supported; options are those of tables
   6 | CREATE VIEW v1 WITH (security_barrier) AS SELECT k FROM t;
     |                      ^
job.sql:7:35: error: WITH CHECK OPTION is not supported; nothing is inserted into a view
   7 | CREATE VIEW v2 AS SELECT k FROM t WITH CHECK OPTION;
     |                                   ^
job.sql:8:18: error: OVERRIDING is not supported; leave generated columns out of the list
   8 | INSERT INTO hole OVERRIDING SYSTEM VALUE SELECT k, v FROM t;
     |                  ^
job.sql:9:25: error: DEFAULT is not allowed in this context
   9 | INSERT INTO hole SELECT DEFAULT, 1;
     |                         ^
job.sql:10:78: error: FOR UPDATE (SHARE, ...) is not supported; rows of a stream cannot be locked
  10 | INSERT INTO hole SELECT k, v FROM t WHERE k <> 'FOR UPDATE' /* FOR UPDATE */ FOR UPDATE;
     |                                                                              ^
job.sql:11:49: error: FOR UPDATE (SHARE, ...) is not supported; rows of a stream cannot be locked
  11 | INSERT INTO hole SELECT k, v FROM t WHERE v > 1 FOR NO KEY UPDATE;
     |                                                 ^
job.sql:12:39: error: row expansion via "*" is not supported here
  12 | INSERT INTO hole SELECT k, num_nulls((t).*) FROM t;
     |                                       ^
job.sql:13:25: error: column reference "k" is ambiguous; name its table, or give the columns different names
  13 | INSERT INTO hole SELECT j.k, 1 FROM (t JOIN o ON t.k = o.k) AS j;
     |                         ^
job.sql:14:25: error: column z.v does not exist; did you mean "k"?
  14 | INSERT INTO hole SELECT z.v, 1 FROM t JOIN o USING (k) AS z;
     |                         ^
job.sql:15:36: error: multiple decimal points
  15 | INSERT INTO hole SELECT to_char(v, '9D.'), age(ts) FROM t;
     |                                    ^
job.sql:15:44: error: age() of one argument is not supported: it counts from today, and a replay after a failure must give the same result; write age(a, b)
  15 | INSERT INTO hole SELECT to_char(v, '9D.'), age(ts) FROM t;
     |                                            ^
job.sql:16:67: error: column "t.d" must appear in the GROUP BY clause or be used in an aggregate function
  16 | INSERT INTO hole SELECT k, count(t) FROM t GROUP BY k, t.v HAVING t IS NULL;
     |                                                                   ^
job.sql:17:72: error: column "t" does not exist; did you mean "k"?
  17 | INSERT INTO hole SELECT k, (SELECT count(*) FROM o WHERE o.k = to_json(t) ->> 'k') FROM t;
     |                                                                        ^
job.sql:18:28: error: corr(DISTINCT ...) is not supported
  18 | INSERT INTO hole SELECT k, corr(DISTINCT v, v), sum(DISTINCT ts - ts) FROM t GROUP BY k;
     |                            ^
job.sql:18:65: error: sum(DISTINCT ...) of interval is not supported: intervals may be equal and yet not the same
  18 | INSERT INTO hole SELECT k, corr(DISTINCT v, v), sum(DISTINCT ts - ts) FROM t GROUP BY k;
     |                                                                 ^
job.sql:19:35: error: the offset of lag must be a constant
  19 | INSERT INTO hole SELECT k, lag(v, v) OVER (ORDER BY v) FROM t;
     |                                   ^
job.sql:20:28: error: first with OVER is not supported; write first_value or last_value
  20 | INSERT INTO hole SELECT k, first(v) OVER (PARTITION BY k) FROM t;
     |                            ^

-- CASE options that say nothing without another, and of tables that nobody reads
CREATE TABLE w1 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', watermark_delay = '5s');
CREATE TABLE w2 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', allowed_lateness = '5s');
CREATE TABLE w3 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', event_time = 'ts',
  watermark_delay = '1 fortnight');
CREATE TABLE w4 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', event_time = 'ts',
  allowed_lateness = 'long');
CREATE TABLE w5 (a int) WITH (connector = 'fil', path = 'w');
CREATE TABLE w6 (a int) WITH (connector = 'file', path = 'w', format = 'csv', heder = true);
CREATE TABLE w7 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', watermark_delay = '5s');
INSERT INTO hole SELECT 'x', a FROM w1 UNION ALL SELECT 'y', a FROM w2 UNION ALL SELECT 'y', a FROM w3 UNION ALL SELECT 'z', a FROM w4
-- ERRORS
job.sql:1:93: error: option watermark_delay of table "w1" needs the option event_time, too: the timestamp that says when a row happened
   1 | CREATE TABLE w1 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', watermark_delay = '5s');
     |                                                                                             ^
job.sql:2:93: error: option allowed_lateness of table "w2" needs the option event_time, too: the timestamp that says when a row happened
   2 | CREATE TABLE w2 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', allowed_lateness = '5s');
     |                                                                                             ^
job.sql:4:3: error: option watermark_delay '1 fortnight': 'fortnight' is no unit of time (us, ms, s, m, h or d)
   4 |   watermark_delay = '1 fortnight');
     |   ^
job.sql:6:3: error: option allowed_lateness 'long': expected a number and a unit such as 100ms, 1s, 5m, 1h or 2d
   6 |   allowed_lateness = 'long');
     |   ^
job.sql:7:31: error: there is no connector "fil"; did you mean "file"? (known: file, stdin, stdout, blackhole, topic, kafka, sequence, memory, nexmark)
   7 | CREATE TABLE w5 (a int) WITH (connector = 'fil', path = 'w');
     |                               ^
job.sql:8:79: error: connector file as a source has no option heder; did you mean "header"? (known: path, format, header, delimiter, null_text, multiline, follow, poll_interval, record_size_max, compression, split_size, rate, lookup, cache, partition_by, timestamp_unit, keyed, connector, event_time, watermark_delay, idle_timeout, dead_letter_path, on_error, allowed_lateness, late_table, dead_letter_topic)
   8 | CREATE TABLE w6 (a int) WITH (connector = 'file', path = 'w', format = 'csv', heder = true);
     |                                                                               ^
job.sql:9:93: error: option watermark_delay of table "w7" needs the option event_time, too: the timestamp that says when a row happened
   9 | CREATE TABLE w7 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', watermark_delay = '5s');
     |                                                                                             ^

-- CASE a session behind WHERE
INSERT INTO hole SELECT k, count(*) FROM (SELECT * FROM SESSION(t, ts, INTERVAL '1 hour') WHERE v > 1) s GROUP BY window_end, k
-- ERRORS
job.sql:1:115: error: this step groups rows of sessions in a way that does not say whose sessions they are: name their key, SESSION(t, column, gap, key), and leave out rows before it, in a view
   1 | INSERT INTO hole SELECT k, count(*) FROM (SELECT * FROM SESSION(t, ts, INTERVAL '1 hour') WHERE v > 1) s GROUP BY window_end, k
     |                                                                                                                   ^

-- CASE a table that is looked up, in LATERAL
CREATE TABLE names (k text PRIMARY KEY, b text) WITH (connector = 'file', path = 'n.csv', format = 'csv', lookup = true);
INSERT INTO hole SELECT t.k, s.n FROM t, LATERAL (SELECT count(*) AS n FROM names WHERE names.k = t.k) s
-- ERRORS
job.sql:1:107: error: table "names" is looked up (option lookup), so rows only meet it as the right side of JOIN or LEFT JOIN, perhaps filtered, in EXISTS and in IN; leave the option out to read it once
   1 | CREATE TABLE names (k text PRIMARY KEY, b text) WITH (connector = 'file', path = 'n.csv', format = 'csv', lookup = true);
     |                                                                                                           ^

-- CASE rows of a table of changes
CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.json', format = 'debezium_json');
INSERT INTO o SELECT k, n FROM d
-- ERRORS
job.sql:2:13: error: table "o" (file) only appends rows, but rows of table "d" (debezium_json) are changed and taken back by later ones; read a format that only appends, or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   2 | INSERT INTO o SELECT k, n FROM d
     |             ^

-- CASE late rows of a join
CREATE TABLE late (k text, v int) WITH (connector = 'blackhole');
CREATE TABLE w (k text, v int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', event_time = 'ts', late_table = 'late');
INSERT INTO hole SELECT w.k, w.v FROM w JOIN t ON w.k = t.k AND w.ts BETWEEN t.ts AND t.ts + INTERVAL '1 hour'
-- ERRORS
job.sql:2:132: error: late_table of "w": late rows are those that an aggregate over windows of the table's rows leaves out, and there is none (joins count what comes too late for them, but do not give it away)
   2 | CREATE TABLE w (k text, v int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', event_time = 'ts', late_table = 'late');
     |                                                                                                                                    ^

-- CASE views that name themselves
CREATE VIEW v AS SELECT * FROM v;
CREATE VIEW u AS SELECT k FROM t UNION ALL SELECT k FROM u;
CREATE VIEW w AS SELECT k FROM t WHERE EXISTS (SELECT 1 FROM w);
CREATE VIEW x AS SELECT k FROM TUMBLE(x, ts, INTERVAL '1 hour');
CREATE VIEW t AS SELECT * FROM t;
INSERT INTO hole SELECT k, 1 FROM v
-- ERRORS
job.sql:1:32: error: relation "v" does not exist; did you mean "f"?
   1 | CREATE VIEW v AS SELECT * FROM v;
     |                                ^
job.sql:2:58: error: relation "u" does not exist; did you mean "f"?
   2 | CREATE VIEW u AS SELECT k FROM t UNION ALL SELECT k FROM u;
     |                                                          ^
job.sql:3:62: error: relation "w" does not exist; did you mean "f"?
   3 | CREATE VIEW w AS SELECT k FROM t WHERE EXISTS (SELECT 1 FROM w);
     |                                                              ^
job.sql:4:39: error: relation "x" does not exist; did you mean "f"?
   4 | CREATE VIEW x AS SELECT k FROM TUMBLE(x, ts, INTERVAL '1 hour');
     |                                       ^
job.sql:5:13: error: relation "t" already exists
   5 | CREATE VIEW t AS SELECT * FROM t;
     |             ^

-- CASE windows that are defined twice, and ON COMMIT
INSERT INTO hole SELECT k, sum(v) OVER w FROM t WINDOW w AS (PARTITION BY k), w AS (PARTITION BY v);
CREATE TABLE c1 (a int) ON COMMIT DROP;
CREATE TABLE c2 (a int) WITH (connector = 'blackhole') ON COMMIT DELETE ROWS;
CREATE TABLE c3 WITH (connector = 'blackhole') ON COMMIT PRESERVE ROWS AS SELECT v FROM t
-- ERRORS
job.sql:1:84: error: window "w" is already defined
   1 | INSERT INTO hole SELECT k, sum(v) OVER w FROM t WINDOW w AS (PARTITION BY k), w AS (PARTITION BY v);
     |                                                                                    ^
job.sql:2:25: error: ON COMMIT is not supported; no table is temporary
   2 | CREATE TABLE c1 (a int) ON COMMIT DROP;
     |                         ^
job.sql:3:56: error: ON COMMIT is not supported; no table is temporary
   3 | CREATE TABLE c2 (a int) WITH (connector = 'blackhole') ON COMMIT DELETE ROWS;
     |                                                        ^
job.sql:4:48: error: ON COMMIT is not supported; no table is temporary
   4 | CREATE TABLE c3 WITH (connector = 'blackhole') ON COMMIT PRESERVE ROWS AS SELECT v FROM t
     |                                                ^

-- CASE windows over event time that a join has taken
CREATE TABLE u (k text, ts2 timestamp) WITH (connector = 'file', path = 'u.csv', format = 'csv', event_time = 'ts2');
CREATE VIEW j AS SELECT t.k, t.ts FROM t LEFT JOIN u ON t.k = u.k AND t.ts > u.ts2 - INTERVAL '2 hours';
CREATE VIEW i AS SELECT k, ts FROM t WHERE k IN (SELECT k FROM u);
INSERT INTO hole SELECT k, count(*) FROM TUMBLE(j, ts, INTERVAL '1 hour') GROUP BY k, window_start;
INSERT INTO hole SELECT k, count(*) FROM TUMBLE(i, ts, INTERVAL '1 hour') GROUP BY k, window_start
-- ERRORS
job.sql:4:52: error: "ts" is no event time behind this join: its rows leave when they find each other, and the watermark may have passed them by then; bound in its ON how far apart in time they are (a.t BETWEEN b.t - INTERVAL '1 hour' AND b.t; of a FULL JOIN select coalesce(a.t, b.t)), or make the windows in front of it and join those (ON a.window_start = b.window_start AND a.window_end = b.window_end)
   4 | INSERT INTO hole SELECT k, count(*) FROM TUMBLE(j, ts, INTERVAL '1 hour') GROUP BY k, window_start;
     |                                                    ^
job.sql:5:52: error: "ts" is no event time behind this join: its rows leave when they find each other, and the watermark may have passed them by then; bound in its ON how far apart in time they are (a.t BETWEEN b.t - INTERVAL '1 hour' AND b.t; of a FULL JOIN select coalesce(a.t, b.t)), or make the windows in front of it and join those (ON a.window_start = b.window_start AND a.window_end = b.window_end)
   5 | INSERT INTO hole SELECT k, count(*) FROM TUMBLE(i, ts, INTERVAL '1 hour') GROUP BY k, window_start
     |                                                    ^

-- CASE tables that their connector cannot give
CREATE TABLE s1 (n int) WITH (connector = 'sequence', end = 5);
CREATE TABLE s2 (n bigint, m bigint) WITH (connector = 'sequence', end = 5);
CREATE TABLE s3 (n bigint) WITH (connector = 'sequence', start = 5, end = 1);
CREATE TABLE r1 (n bigint) WITH (connector = 'file', path = 'r', format = 'raw');
CREATE TABLE r2 (a text, b text) WITH (connector = 'stdin', format = 'raw');
CREATE TABLE m1 (a int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', event_time = 'ts',
  watermark_delay = '1 month');
CREATE TABLE p1 (a int) WITH (connector = 'file', format = 'csv');
CREATE TABLE k1 (a int) WITH (connector = 'kafka', topic = 'x', until = 'latest');
CREATE TABLE u1 (a int) WITH (connector = 'fil', path = 'w');
INSERT INTO hole SELECT 'a', n FROM s1;
INSERT INTO hole SELECT 'a', n FROM s2;
INSERT INTO hole SELECT 'a', n FROM s3;
INSERT INTO hole SELECT 'a', n FROM r1;
INSERT INTO hole SELECT a, 1 FROM r2;
INSERT INTO hole SELECT 'a', a FROM m1;
INSERT INTO hole SELECT 'a', a FROM p1;
INSERT INTO hole SELECT 'a', a FROM k1;
INSERT INTO hole SELECT 'a', a FROM u1
-- ERRORS
job.sql:1:31: error: connector sequence has one column, of type bigint
   1 | CREATE TABLE s1 (n int) WITH (connector = 'sequence', end = 5);
     |                               ^
job.sql:2:44: error: connector sequence has one column, of type bigint
   2 | CREATE TABLE s2 (n bigint, m bigint) WITH (connector = 'sequence', end = 5);
     |                                            ^
job.sql:3:69: error: option end = '1': the sequence starts behind it, at 5
   3 | CREATE TABLE s3 (n bigint) WITH (connector = 'sequence', start = 5, end = 1);
     |                                                                     ^
job.sql:4:66: error: option format = 'raw' needs a table of one column of type text or bytea
   4 | CREATE TABLE r1 (n bigint) WITH (connector = 'file', path = 'r', format = 'raw');
     |                                                                  ^
job.sql:5:61: error: option format = 'raw' needs a table of one column of type text or bytea
   5 | CREATE TABLE r2 (a text, b text) WITH (connector = 'stdin', format = 'raw');
     |                                                             ^
job.sql:7:3: error: option watermark_delay: months have no fixed length; give days or less
   7 |   watermark_delay = '1 month');
     |   ^
job.sql:8:31: error: connector file needs the option path
   8 | CREATE TABLE p1 (a int) WITH (connector = 'file', format = 'csv');
     |                               ^
job.sql:9:31: error: connector kafka needs the option bootstrap (HOST:PORT of a broker, or several)
   9 | CREATE TABLE k1 (a int) WITH (connector = 'kafka', topic = 'x', until = 'latest');
     |                               ^
job.sql:10:31: error: there is no connector "fil"; did you mean "file"? (known: file, stdin, stdout, blackhole, topic, kafka, sequence, memory, nexmark)
  10 | CREATE TABLE u1 (a int) WITH (connector = 'fil', path = 'w');
     |                               ^

-- CASE rows in more windows than can be
INSERT INTO hole SELECT k, max(v) FROM HOP(t, ts, INTERVAL '1 second', INTERVAL '10 hours') GROUP BY k
-- ERRORS
job.sql:1:40: error: each row would be copied into 36000 windows, but 10000 is the limit; group by window_start and window_end, and compute with them behind that: then windows are made of slices
   1 | INSERT INTO hole SELECT k, max(v) FROM HOP(t, ts, INTERVAL '1 second', INTERVAL '10 hours') GROUP BY k
     |                                        ^

-- CASE a late table whose columns are others
CREATE TABLE late (k int, v int) WITH (connector = 'blackhole');
CREATE TABLE w (k text, v int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', event_time = 'ts', late_table = 'late');
INSERT INTO hole SELECT k, count(*) FROM TUMBLE(w, ts, INTERVAL '1 hour') GROUP BY k, window_start
-- ERRORS
job.sql:2:132: error: option late_table names "late": column "k" of the sink is int, but "k" is text; cast it in a select
   2 | CREATE TABLE w (k text, v int, ts timestamp) WITH (connector = 'file', path = 'w', format = 'csv', event_time = 'ts', late_table = 'late');
     |                                                                                                                                    ^

-- CASE parts of expressions and types by their names
INSERT INTO hole SELECT round(v => v), v FROM t;
INSERT INTO hole SELECT v::bit(3), v FROM t;
INSERT INTO hole SELECT '{a}'::varchar(3)[], v FROM t
-- ERRORS
job.sql:1:31: error: an argument by name (name => value) is not supported; give the function's arguments in their order
   1 | INSERT INTO hole SELECT round(v => v), v FROM t;
     |                               ^
job.sql:2:26: error: type "bit" with modifiers is not supported
   2 | INSERT INTO hole SELECT v::bit(3), v FROM t;
     |                          ^
job.sql:3:30: error: an array of a type with a length or precision is not supported
   3 | INSERT INTO hole SELECT '{a}'::varchar(3)[], v FROM t
     |                              ^

-- CASE a statement that ends too early is told so where its text ends
INSERT INTO hole SELECT k, v
  FROM t JOIN
-- nothing more
-- ERRORS
job.sql:2:14: error: syntax error at end of input
   2 |   FROM t JOIN
     |              ^

-- CASE a name that two tables of the query outside have
CREATE TABLE u (k text, v int) WITH (connector = 'file', path = 'u', format = 'csv');
INSERT INTO hole SELECT t.k, t.v FROM t, u WHERE EXISTS (SELECT 1 FROM o WHERE n = v);
INSERT INTO hole SELECT t.k, (SELECT max(n) FROM o WHERE n > v) FROM t, u;
INSERT INTO hole SELECT t.k, 1 FROM t, u WHERE 1 IN (SELECT n FROM o WHERE EXISTS (SELECT 1 FROM f WHERE f.n = v));
INSERT INTO hole SELECT t.k, 1 FROM t, u, LATERAL (SELECT v AS w FROM o) AS l;
INSERT INTO hole SELECT t.k, 1 FROM t, u WHERE EXISTS (SELECT 1 FROM o, LATERAL (SELECT v) AS l);
INSERT INTO hole SELECT t.k, 1 FROM t, u WHERE EXISTS (WITH w AS (SELECT v AS x) SELECT x FROM w);
INSERT INTO hole SELECT t.k, (SELECT max(v) FROM o) FROM t, u;
-- ERRORS
job.sql:2:84: error: column reference "v" is ambiguous; name its table, or give the columns different names
   2 | INSERT INTO hole SELECT t.k, t.v FROM t, u WHERE EXISTS (SELECT 1 FROM o WHERE n = v);
     |                                                                                    ^
job.sql:3:62: error: column reference "v" is ambiguous; name its table, or give the columns different names
   3 | INSERT INTO hole SELECT t.k, (SELECT max(n) FROM o WHERE n > v) FROM t, u;
     |                                                              ^
job.sql:4:112: error: column reference "v" is ambiguous; name its table, or give the columns different names
   4 | INSERT INTO hole SELECT t.k, 1 FROM t, u WHERE 1 IN (SELECT n FROM o WHERE EXISTS (SELECT 1 FROM f WHERE f.n = v));
     |                                                                                                                ^
job.sql:5:59: error: column reference "v" is ambiguous; name its table, or give the columns different names
   5 | INSERT INTO hole SELECT t.k, 1 FROM t, u, LATERAL (SELECT v AS w FROM o) AS l;
     |                                                           ^
job.sql:6:89: error: column reference "v" is ambiguous; name its table, or give the columns different names
   6 | INSERT INTO hole SELECT t.k, 1 FROM t, u WHERE EXISTS (SELECT 1 FROM o, LATERAL (SELECT v) AS l);
     |                                                                                         ^
job.sql:7:74: error: column reference "v" is ambiguous; name its table, or give the columns different names
   7 | INSERT INTO hole SELECT t.k, 1 FROM t, u WHERE EXISTS (WITH w AS (SELECT v AS x) SELECT x FROM w);
     |                                                                          ^
job.sql:8:42: error: column reference "v" is ambiguous; name its table, or give the columns different names
   8 | INSERT INTO hole SELECT t.k, (SELECT max(v) FROM o) FROM t, u;
     |                                          ^

-- CASE upserts that are read
CREATE TABLE a (k text, v int) WITH (connector = 'file', path = 'a', format = 'upsert_json');
CREATE TABLE b (k text, v int, PRIMARY KEY (w)) WITH (connector = 'file', path = 'a', format = 'upsert_json');
CREATE TABLE c (k text, v int, w int GENERATED ALWAYS AS (v + 1) STORED, PRIMARY KEY (w)) WITH (connector = 'stdin', format = 'upsert_json');
CREATE TABLE d (k json, PRIMARY KEY (k)) WITH (connector = 'file', path = 'a', format = 'upsert_json');
CREATE TABLE e (k text, v int, PRIMARY KEY (k)) WITH (connector = 'file', path = 'a', format = 'upsert_json', split_size = '1MiB');
CREATE TABLE g (k text, v bigint, PRIMARY KEY (k)) WITH (connector = 'file', path = 'a', format = 'upsert_json');
INSERT INTO hole SELECT k, v FROM a;
INSERT INTO hole SELECT k, v FROM b;
INSERT INTO hole SELECT k, v FROM c;
INSERT INTO hole SELECT '', 1 FROM d;
INSERT INTO hole SELECT k, v FROM e;
INSERT INTO o SELECT k, v FROM g
-- ERRORS
job.sql:2:32: error: column "w" named in the key does not exist
   2 | CREATE TABLE b (k text, v int, PRIMARY KEY (w)) WITH (connector = 'file', path = 'a', format = 'upsert_json');
     |                                ^
job.sql:5:111: error: option split_size: a file of format upsert_json is read as a whole, since its lines mean something in their order
   5 | CREATE TABLE e (k text, v int, PRIMARY KEY (k)) WITH (connector = 'file', path = 'a', format = 'upsert_json', split_size = '1MiB');
     |                                                                                                               ^
job.sql:7:35: error: table "a": format upsert_json needs a PRIMARY KEY
   7 | INSERT INTO hole SELECT k, v FROM a;
     |                                   ^
job.sql:9:35: error: table "c": the PRIMARY KEY names "w", which is no column that is read
   9 | INSERT INTO hole SELECT k, v FROM c;
     |                                   ^
job.sql:10:36: error: table "d": "k" is json, which cannot be a key
  10 | INSERT INTO hole SELECT '', 1 FROM d;
     |                                    ^
job.sql:12:13: error: table "o" (file) only appends rows, but rows of table "g" (upsert_json) are changed and taken back by later ones; read a format that only appends, or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
  12 | INSERT INTO o SELECT k, v FROM g
     |             ^

-- CASE ordered-set aggregates and those of two numbers
INSERT INTO hole SELECT k, percentile_cont(0.5, v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, mode(v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, sum(v) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, rank(1) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, percentile_cont(0.5) WITHIN GROUP (ORDER BY v, d) FROM t GROUP BY k;
INSERT INTO hole SELECT k, percentile_cont(0.5) WITHIN GROUP (ORDER BY ts) FROM t GROUP BY k;
INSERT INTO hole SELECT k, percentile_disc(0.5) WITHIN GROUP (ORDER BY j) FROM t GROUP BY k;
INSERT INTO hole SELECT k, percentile_disc(true) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, percentile_disc(v) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, percentile_disc(avg(v)) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, mode(1) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, percentile_disc(0.5) WITHIN GROUP (ORDER BY v) OVER () FROM t;
INSERT INTO hole SELECT k, v FROM t WHERE mode() WITHIN GROUP (ORDER BY v) = 1;
INSERT INTO hole SELECT k, corr(v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, regr_slope(v, ts) FROM t GROUP BY k;
INSERT INTO hole SELECT k, bit_and(d) FROM t GROUP BY k;
INSERT INTO hole SELECT k, json_object_agg(k) FROM t GROUP BY k;
INSERT INTO hole SELECT k, json_object_agg(ARRAY[v], v) FROM t GROUP BY k;
INSERT INTO hole SELECT k, v FROM t LIMIT bit_or(1)
-- ERRORS
job.sql:1:28: error: WITHIN GROUP is required for ordered-set aggregate percentile_cont
   1 | INSERT INTO hole SELECT k, percentile_cont(0.5, v) FROM t GROUP BY k;
     |                            ^
job.sql:2:28: error: WITHIN GROUP is required for ordered-set aggregate mode
   2 | INSERT INTO hole SELECT k, mode(v) FROM t GROUP BY k;
     |                            ^
job.sql:3:28: error: sum is not an ordered-set aggregate, so it cannot have WITHIN GROUP
   3 | INSERT INTO hole SELECT k, sum(v) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
     |                            ^
job.sql:4:28: error: WITHIN GROUP of rank is not supported in a scalar expression
   4 | INSERT INTO hole SELECT k, rank(1) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
     |                            ^
job.sql:5:28: error: function percentile_cont(double precision, int, decimal(38,2)) does not exist
   5 | INSERT INTO hole SELECT k, percentile_cont(0.5) WITHIN GROUP (ORDER BY v, d) FROM t GROUP BY k;
     |                            ^
job.sql:6:28: error: function percentile_cont(double precision, timestamp) does not exist
   6 | INSERT INTO hole SELECT k, percentile_cont(0.5) WITHIN GROUP (ORDER BY ts) FROM t GROUP BY k;
     |                            ^
job.sql:7:72: error: could not identify an ordering operator for type json
   7 | INSERT INTO hole SELECT k, percentile_disc(0.5) WITHIN GROUP (ORDER BY j) FROM t GROUP BY k;
     |                                                                        ^
job.sql:8:44: error: the fraction of percentile_disc is double precision, not boolean
   8 | INSERT INTO hole SELECT k, percentile_disc(true) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
     |                                            ^
job.sql:9:44: error: column "t.v" must appear in the GROUP BY clause or be used in an aggregate function
   9 | INSERT INTO hole SELECT k, percentile_disc(v) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
     |                                            ^
job.sql:10:44: error: aggregate function calls cannot be nested
  10 | INSERT INTO hole SELECT k, percentile_disc(avg(v)) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
     |                                            ^
job.sql:11:28: error: function mode(double precision, int) does not exist
  11 | INSERT INTO hole SELECT k, mode(1) WITHIN GROUP (ORDER BY v) FROM t GROUP BY k;
     |                            ^
job.sql:12:28: error: OVER is not supported for ordered-set aggregate percentile_disc
  12 | INSERT INTO hole SELECT k, percentile_disc(0.5) WITHIN GROUP (ORDER BY v) OVER () FROM t;
     |                            ^
job.sql:13:43: error: aggregate functions are not allowed in WHERE; write HAVING
  13 | INSERT INTO hole SELECT k, v FROM t WHERE mode() WITHIN GROUP (ORDER BY v) = 1;
     |                                           ^
job.sql:14:28: error: function corr(int) does not exist
  14 | INSERT INTO hole SELECT k, corr(v) FROM t GROUP BY k;
     |                            ^
job.sql:15:28: error: function regr_slope(int, timestamp) does not exist
  15 | INSERT INTO hole SELECT k, regr_slope(v, ts) FROM t GROUP BY k;
     |                            ^
job.sql:16:36: error: function bit_and(decimal(38,2)) does not exist
  16 | INSERT INTO hole SELECT k, bit_and(d) FROM t GROUP BY k;
     |                                    ^
job.sql:17:28: error: function json_object_agg(text) does not exist
  17 | INSERT INTO hole SELECT k, json_object_agg(k) FROM t GROUP BY k;
     |                            ^
job.sql:18:44: error: key value must be scalar, not array, composite, or json
  18 | INSERT INTO hole SELECT k, json_object_agg(ARRAY[v], v) FROM t GROUP BY k;
     |                                            ^
job.sql:19:43: error: aggregate functions are not allowed in LIMIT
  19 | INSERT INTO hole SELECT k, v FROM t LIMIT bit_or(1)
     |                                           ^
