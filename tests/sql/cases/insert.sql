-- CASE by position, with casts where an assignment makes them
INSERT INTO o SELECT k, v FROM t
-- PLAN
sink file o (csv)
  project k, v::bigint AS n
    source file t.csv (csv): k, v

-- CASE named columns, the others are NULL
INSERT INTO o (n) SELECT v FROM t
-- PLAN
sink file o (csv)
  project NULL AS k, v::bigint AS n
    source file t.csv (csv): v

-- CASE fewer expressions than columns
INSERT INTO o SELECT k FROM t
-- PLAN
sink file o (csv)
  project k, NULL::bigint AS n
    source file t.csv (csv): k

-- CASE literals take the column's type
CREATE TABLE times (a timestamp, b int) WITH (connector = 'blackhole');
INSERT INTO times VALUES ('2013-01-01', NULL), ('2013-01-02', '7');
INSERT INTO times SELECT '2013-01-03', '8'
-- PLAN
sink blackhole
  project column1 AS a, column2 AS b
    union
      project CASE WHEN (n = '1'::bigint) THEN '2013-01-01 00:00:00'::timestamp ELSE '2013-01-02 00:00:00'::timestamp END AS column1, CASE WHEN (n = '1'::bigint) THEN NULL::int ELSE 7 END AS column2
        source sequence: n
      project '2013-01-03 00:00:00'::timestamp AS ?column?, 8 AS ?column?_2
        source sequence: n

-- CASE generated columns of a sink are computed
CREATE TABLE g (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c int) WITH (connector = 'blackhole');
INSERT INTO g (c, a) SELECT 1, v FROM t
-- PLAN
sink blackhole
  project v AS a, (v * 2) AS b, 1 AS c
    source file t.csv (csv): v

-- CASE create table as
CREATE TABLE copy (x) WITH (connector = 'file', path = 'c', format = 'csv') AS SELECT k, v AS y FROM t
-- PLAN
sink file c (csv)
  project k AS x, v AS y
    source file t.csv (csv): k, v

-- CASE only final rows
INSERT INTO f SELECT k, count(*) FROM t GROUP BY k
-- PLAN
sink file f (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k; once, at the end
      [k] pre-aggregate count(*) by k
        source file t.csv (csv): k

-- CASE final rows through a view that others read as changes
CREATE VIEW v AS SELECT k, count(*) AS n FROM t GROUP BY k;
INSERT INTO f SELECT * FROM v;
INSERT INTO hole SELECT * FROM v
-- PLAN
sink file f (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k; once, at the end
      [k] pre-aggregate count(*) by k
        source file t.csv (csv): k
sink blackhole
  changes: project k, "count(*)" AS n
    changes: aggregate count(*) by k
      [k] pre-aggregate count(*) by k
        source file t.csv (csv): k (see above)

-- CASE several inserts share what they have in common
INSERT INTO o SELECT k, v FROM t WHERE v > 0;
INSERT INTO hole SELECT k, v FROM t WHERE v > 0
-- PLAN
sink file o (csv)
  project k, v::bigint AS n
    filter (v > 0)
      source file t.csv (csv): k, v
sink blackhole
  project k, v::bigint AS n (see above)

-- CASE changes into a table that only appends
INSERT INTO o
  SELECT k, count(*)
  FROM t
  GROUP BY k
-- ERRORS
job.sql:4:12: error: table "o" (file) only appends rows, but this aggregate updates rows that it has emitted as more input arrives; group by a window (TUMBLE and its window_start), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   4 |   GROUP BY k
     |            ^

-- CASE changes through a view, named at the clause that makes them
CREATE VIEW v AS
  SELECT k, count(*) AS n FROM t GROUP BY k;
INSERT INTO o SELECT * FROM v WHERE n > 1
-- ERRORS
job.sql:2:43: error: table "o" (file) only appends rows, but this aggregate updates rows that it has emitted as more input arrives; group by a window (TUMBLE and its window_start), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   2 |   SELECT k, count(*) AS n FROM t GROUP BY k;
     |                                           ^

-- CASE changes of an aggregate without keys
INSERT INTO o SELECT 'all', count(*) FROM t
-- ERRORS
job.sql:1:29: error: table "o" (file) only appends rows, but this aggregate updates rows that it has emitted as more input arrives; group by a window (TUMBLE and its window_start), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   1 | INSERT INTO o SELECT 'all', count(*) FROM t
     |                             ^

-- CASE wrong numbers and types of columns
INSERT INTO o SELECT k, v, v FROM t;
INSERT INTO o (k, n) SELECT k FROM t;
INSERT INTO o SELECT v, k FROM t;
INSERT INTO o SELECT k, ts FROM t;
INSERT INTO o VALUES ('a', 'b')
-- ERRORS
job.sql:1:28: error: INSERT has more expressions than target columns
   1 | INSERT INTO o SELECT k, v, v FROM t;
     |                            ^
job.sql:2:13: error: INSERT has more target columns than expressions
   2 | INSERT INTO o (k, n) SELECT k FROM t;
     |             ^
job.sql:3:25: error: column "n" is of type bigint but expression is of type text; write CAST(... AS bigint)
   3 | INSERT INTO o SELECT v, k FROM t;
     |                         ^
job.sql:4:25: error: column "n" is of type bigint but expression is of type timestamp; write CAST(... AS bigint)
   4 | INSERT INTO o SELECT k, ts FROM t;
     |                         ^
job.sql:5:28: error: invalid input syntax for type bigint: "b"
   5 | INSERT INTO o VALUES ('a', 'b')
     |                            ^

-- CASE wrong targets
CREATE VIEW v AS SELECT 1;
INSERT INTO v SELECT 1;
INSERT INTO oo SELECT 1;
INSERT INTO o (k, m) SELECT k, 1 FROM t;
INSERT INTO o (k, k) SELECT k, k FROM t
-- ERRORS
job.sql:2:13: error: cannot insert into view "v"
   2 | INSERT INTO v SELECT 1;
     |             ^
job.sql:3:13: error: relation "oo" does not exist; did you mean "o"?
   3 | INSERT INTO oo SELECT 1;
     |             ^
job.sql:4:19: error: column "m" of relation "o" does not exist; did you mean "k"?
   4 | INSERT INTO o (k, m) SELECT k, 1 FROM t;
     |                   ^
job.sql:5:19: error: column "k" specified more than once
   5 | INSERT INTO o (k, k) SELECT k, k FROM t
     |                   ^

-- CASE a sink that is none, and options that it does not have
CREATE TABLE i (a int) WITH (connector = 'stdin', format = 'csv');
INSERT INTO i SELECT 1;
CREATE TABLE p (a int) WITH (connector = 'file', path = 'x', format = 'csv', hedar = true);
INSERT INTO p SELECT 1
-- ERRORS
job.sql:2:13: error: connector stdin cannot be used as a sink
   2 | INSERT INTO i SELECT 1;
     |             ^
job.sql:3:78: error: connector file as a sink has no option hedar; did you mean "header"? (known: path, format, header, delimiter, null_text, roll_size, roll_interval, existing, partition_by, partitions_open, connector)
   3 | CREATE TABLE p (a int) WITH (connector = 'file', path = 'x', format = 'csv', hedar = true);
     |                                                                              ^

-- CASE tables are defined before they are used
INSERT INTO o SELECT k, v FROM t WHERE v > 0;
INSERT INTO o (n) SELECT n FROM hole2;
CREATE TABLE hole2 (n bigint) WITH (connector = 'sequence', end = 5);
-- ERRORS
job.sql:2:33: error: relation "hole2" does not exist; did you mean "hole"?
   2 | INSERT INTO o (n) SELECT n FROM hole2;
     |                                 ^

-- CASE several inserts of one table are one sink
CREATE TABLE s (n bigint) WITH (connector = 'sequence', end = 5);
INSERT INTO o SELECT k, v FROM t WHERE v > 0;
INSERT INTO o (n) SELECT n FROM s;
INSERT INTO f SELECT k, sum(n) FROM (SELECT k, v AS n FROM t) x GROUP BY k
-- PLAN
sink file o (csv)
  project k, v AS n
    union
      project k, v::bigint AS v
        filter (v > 0)
          source file t.csv (csv): k, v
      project NULL AS k, n
        source sequence: n
sink file f (csv)
  project k, "sum(n)" AS n
    aggregate sum(n) by k; once, at the end
      [k] pre-aggregate sum(n) by k
        project k, v AS n
          source file t.csv (csv): k, v (see above)
