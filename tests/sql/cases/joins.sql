-- CASE equal columns are keys, the rest is asked of each pair
SELECT t.k, o.n FROM t JOIN o ON t.k = o.k AND t.v < o.n
-- PLAN
sink stdout
  project k, n
    join on k = k and (v::bigint < n)
      [k] source file t.csv (csv): k, v
      [k] source file o (csv): k, n

-- CASE conditions on one side go to that side
SELECT t.k, o.n FROM t JOIN o ON t.k = o.k AND t.v > 3 WHERE o.n < 10 AND t.v <> o.n
-- PLAN
sink stdout
  project k, n
    join on k = k and (v::bigint <> n)
      [k] filter (v > 3)
        source file t.csv (csv): k, v
      [k] filter (n < '10'::bigint)
        source file o (csv): k, n

-- CASE but not to the side that an outer join fills with NULL
SELECT t.k, o.n FROM t LEFT JOIN o ON t.k = o.k AND t.v > 3 AND o.n > 4 WHERE o.n IS NULL AND t.v < 9
-- PLAN
sink stdout
  changes: project k, n
    changes: filter (n IS NULL)
      changes: left join on k = k and (v > 3)
        [k] filter (v < 9)
          source file t.csv (csv): k, v
        [k] filter (n > '4'::bigint)
          source file o (csv): k, n

-- CASE tables behind commas are joined by WHERE
SELECT t.k, f.n FROM t, o, f WHERE t.k = o.k AND o.n = f.n
-- PLAN
sink stdout
  project k, n_2 AS n
    join on n = n
      [n] join on k = k
        [k] source file t.csv (csv): k
        [k] source file o (csv): k, n
      [n] source file f (csv): n

-- CASE keys that are computed
SELECT t.k FROM t JOIN o ON lower(t.k) = o.k
-- PLAN
sink stdout
  project k
    join on key 1 = k
      [key 1] project k, lower(k) AS key 1
        source file t.csv (csv): k
      [k] source file o (csv): k

-- CASE all pairs meet in one place
SELECT count(*) FROM t CROSS JOIN o
-- PLAN
sink stdout
  changes: project "count(*)" AS count
    changes: aggregate count(*)
      pre-aggregate count(*)
        join, all pairs
          source file t.csv (csv): k
          source file o (csv): k

-- CASE NULL as a key
SELECT t.k FROM t JOIN o ON t.k IS NOT DISTINCT FROM o.k
-- PLAN
sink stdout
  project k
    join on k is not distinct from k
      [k] source file t.csv (csv): k
      [k] source file o (csv): k

-- CASE USING gives its columns once
SELECT * FROM o FULL JOIN f USING (k)
-- PLAN
sink stdout
  changes: project coalesce(k, k_2) AS k, n, n_2
    changes: full join on k = k
      [k] source file o (csv): k, n
      [k] source file f (csv): k, n

-- CASE rows of the same window, final ones for a file
INSERT INTO o SELECT a.k, b.v FROM TUMBLE(t, ts, INTERVAL '1 hour') a LEFT JOIN TUMBLE(t, ts, INTERVAL '1 hour') b
  ON a.k = b.k AND a.window_end = b.window_end AND a.window_start = b.window_start
-- PLAN
sink file o (csv)
  project k, v_2::bigint AS n
    left join on k = k and window_end = window_end and window_start = window_start
      [k, window_end, window_start] project k, window_start, window_end
        tumbling windows of 1h 00m over ts
          source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order
      [k, window_end, window_start] project k, v, window_start, window_end
        tumbling windows of 1h 00m over ts (see above)

-- CASE times at most so far apart, final ones for a file
INSERT INTO o SELECT a.k, b.v FROM t a LEFT JOIN t b
  ON a.k = b.k AND a.ts BETWEEN b.ts - INTERVAL '1 minute' AND b.ts + INTERVAL '1 hour'
-- PLAN
sink file o (csv)
  project k, v_2::bigint AS n
    left join on k = k and ((ts >= (ts - '00:01:00'::interval)) AND (ts <= (ts + '01:00:00'::interval)))
      [k] project k, ts
        source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order
      [k] source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order (see above)

-- CASE an outer join without bound changes its rows
INSERT INTO o SELECT t.k, f.n FROM t LEFT JOIN f ON t.k = f.k
-- ERRORS
job.sql:1:48: error: table "o" (file) only appends rows, but this join updates rows that it has emitted as more input arrives; group by a window (TUMBLE and its window_start), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   1 | INSERT INTO o SELECT t.k, f.n FROM t LEFT JOIN f ON t.k = f.k
     |                                                ^

-- CASE an aggregate behind a join by its key needs no exchange
SELECT t.k, count(*) FROM t JOIN o ON t.k = o.k GROUP BY t.k
-- PLAN
sink stdout
  changes: project k, "count(*)" AS count
    changes: aggregate count(*) by k
      pre-aggregate count(*) by k
        join on k = k
          [k] source file t.csv (csv): k
          [k] source file o (csv): k

-- CASE IN and EXISTS
SELECT k FROM t WHERE k IN (SELECT k FROM o WHERE n > 1) AND NOT EXISTS (SELECT * FROM f WHERE f.k = t.k AND f.n > t.v)
-- PLAN
sink stdout
  changes: project k
    changes: anti join on k = k and (n > v::bigint)
      [k] semi join on k = k
        [k] source file t.csv (csv): k, v
        [k] project k
          filter (n > '1'::bigint)
            source file o (csv): k, n
      [k] source file f (csv): k, n

-- CASE NOT IN knows NULL
SELECT k FROM t WHERE k NOT IN (SELECT k FROM o)
-- PLAN
sink stdout
  changes: project k
    changes: anti join on k = k
      [k] changes: project k
        changes: filter ((rows IS NULL) OR (rows = '0'::bigint) OR ((k IS NOT NULL) AND (rows = values)))
          [k, rows, values] changes: left join, all pairs
            source file t.csv (csv): k
            changes: aggregate count(*), count(k)
              pre-aggregate count(*), count(k)
                project k
                  source file o (csv): k
      [k] project k (see above)

-- CASE a value of the outer row's group
SELECT k, (SELECT count(*) + 1 FROM o WHERE o.k = t.k) AS n FROM t
-- PLAN
sink stdout
  changes: project k, CASE WHEN ("is there" IS NULL) THEN '1'::bigint ELSE value END AS n
    changes: left join on k = for
      [k] source file t.csv (csv): k
      [for] changes: project ("count(*)" + '1'::bigint) AS value, k AS for, true AS is there
        changes: aggregate count(*) by k
          [k] pre-aggregate count(*) by k
            filter (k = k)
              source file o (csv): k

-- CASE values that equal nothing inside are made distinct first
SELECT k, (SELECT max(n) FROM o WHERE o.n < t.v) AS n FROM t
-- PLAN
sink stdout
  changes: project k, value AS n
    changes: left join on v is not distinct from for
      [v] source file t.csv (csv): k, v
      [for] changes: project "max(n)" AS value, v AS for
        changes: aggregate max(n) by v
          [v] pre-aggregate max(n) by v
            join on (n < v::bigint)
              source file o (csv): n
              distinct
                [v] project v
                  source file t.csv (csv): k, v (see above)

-- CASE a value for all groups joins the groups
SELECT k, count(*) FROM t GROUP BY k HAVING count(*) > (SELECT max(n) FROM o)
-- PLAN
sink stdout
  changes: project k, "count(*)" AS count
    [k, count(*)] changes: join on ("count(*)" > value)
      changes: aggregate count(*) by k
        [k] pre-aggregate count(*) by k
          source file t.csv (csv): k
      changes: project "max(n)" AS value
        changes: aggregate max(n)
          pre-aggregate max(n)
            source file o (csv): n

-- CASE LATERAL
SELECT t.k, s.n FROM t LEFT JOIN LATERAL (SELECT n FROM o WHERE o.k = t.k) s ON true
-- PLAN
sink stdout
  changes: project k, n
    changes: left join on k = for k
      [k] source file t.csv (csv): k
      [for k] project n, k AS for k
        filter (k = k)
          source file o (csv): k, n

-- CASE INTERSECT and EXCEPT
SELECT k FROM t INTERSECT SELECT k FROM o
-- PLAN
sink stdout
  changes: project k
    changes: filter (("on the left" > '0'::bigint) AND ("on the right" > '0'::bigint))
      changes: aggregate count(*) FILTER (WHERE "is left"), count(*) FILTER (WHERE (NOT "is left")) by k
        [k] pre-aggregate count(*) FILTER (WHERE "is left"), count(*) FILTER (WHERE (NOT "is left")) by k
          union
            project k, true AS is left
              source file t.csv (csv): k
            project k, false AS is left
              source file o (csv): k

-- CASE EXCEPT ALL
SELECT k FROM t EXCEPT ALL SELECT k FROM o
-- PLAN
sink stdout
  changes: repeat by times
    changes: project k, ("on the left" - "on the right") AS times
      changes: aggregate count(*) FILTER (WHERE "is left"), count(*) FILTER (WHERE (NOT "is left")) by k
        [k] pre-aggregate count(*) FILTER (WHERE "is left"), count(*) FILTER (WHERE (NOT "is left")) by k
          union
            project k, true AS is left
              source file t.csv (csv): k
            project k, false AS is left
              source file o (csv): k

-- CASE mistakes in joins
SELECT 1 FROM t JOIN o ON t.k = o.n;
SELECT 1 FROM t JOIN o USING (v);
SELECT 1 FROM t JOIN o ON k = 'x';
SELECT 1 FROM t JOIN t ON true;
SELECT 1 FROM t JOIN o ON t.v;
SELECT 1 FROM o a JOIN LATERAL (SELECT k FROM t WHERE t.k = z.k) s ON true;
SELECT 1 FROM o RIGHT JOIN LATERAL (SELECT k FROM t WHERE t.k = o.k) s ON true
-- ERRORS
job.sql:1:31: error: operator does not exist: text = bigint; a cast may help
   1 | SELECT 1 FROM t JOIN o ON t.k = o.n;
     |                               ^
job.sql:2:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   2 | SELECT 1 FROM t JOIN o USING (v);
     | ^
job.sql:2:22: error: column "v" specified in USING clause does not exist in right table; did you mean "k"?
   2 | SELECT 1 FROM t JOIN o USING (v);
     |                      ^
job.sql:3:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   3 | SELECT 1 FROM t JOIN o ON k = 'x';
     | ^
job.sql:3:27: error: column reference "k" is ambiguous; name its table, or give the columns different names
   3 | SELECT 1 FROM t JOIN o ON k = 'x';
     |                           ^
job.sql:4:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   4 | SELECT 1 FROM t JOIN t ON true;
     | ^
job.sql:4:22: error: table name "t" specified more than once
   4 | SELECT 1 FROM t JOIN t ON true;
     |                      ^
job.sql:5:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   5 | SELECT 1 FROM t JOIN o ON t.v;
     | ^
job.sql:5:27: error: argument of JOIN/ON must be type boolean, not type integer
   5 | SELECT 1 FROM t JOIN o ON t.v;
     |                           ^
job.sql:6:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   6 | SELECT 1 FROM o a JOIN LATERAL (SELECT k FROM t WHERE t.k = z.k) s ON true;
     | ^
job.sql:6:61: error: missing FROM-clause entry for table "z"; did you mean "t"?
   6 | SELECT 1 FROM o a JOIN LATERAL (SELECT k FROM t WHERE t.k = z.k) s ON true;
     |                                                             ^
job.sql:7:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   7 | SELECT 1 FROM o RIGHT JOIN LATERAL (SELECT k FROM t WHERE t.k = o.k) s ON true
     | ^
job.sql:7:44: error: the combining JOIN type must be INNER or LEFT for a LATERAL reference
   7 | SELECT 1 FROM o RIGHT JOIN LATERAL (SELECT k FROM t WHERE t.k = o.k) s ON true
     |                                            ^

-- CASE mistakes in subqueries
SELECT (SELECT k FROM o) AS x FROM t;
SELECT (SELECT k, n FROM o) AS x FROM t;
SELECT k FROM t WHERE k IN (SELECT k, n FROM o);
SELECT k FROM t WHERE v IN (SELECT k FROM o);
SELECT count(*) FROM t HAVING max(k) IN (SELECT k FROM o);
SELECT k FROM t WHERE v = 1 OR v > ANY (SELECT n FROM o);
SELECT k FROM t INTERSECT SELECT k, n FROM o
-- ERRORS
job.sql:1:8: error: a subquery that is used as a value must give one row at most; aggregate it, as in (SELECT max(x) FROM ...)
   1 | SELECT (SELECT k FROM o) AS x FROM t;
     |        ^
job.sql:2:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   2 | SELECT (SELECT k, n FROM o) AS x FROM t;
     | ^
job.sql:2:8: error: subquery must return only one column
   2 | SELECT (SELECT k, n FROM o) AS x FROM t;
     |        ^
job.sql:3:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   3 | SELECT k FROM t WHERE k IN (SELECT k, n FROM o);
     | ^
job.sql:3:25: error: subquery has too many columns
   3 | SELECT k FROM t WHERE k IN (SELECT k, n FROM o);
     |                         ^
job.sql:4:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   4 | SELECT k FROM t WHERE v IN (SELECT k FROM o);
     | ^
job.sql:4:25: error: operator does not exist: integer = text; a cast may help
   4 | SELECT k FROM t WHERE v IN (SELECT k FROM o);
     |                         ^
job.sql:5:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   5 | SELECT count(*) FROM t HAVING max(k) IN (SELECT k FROM o);
     | ^
job.sql:6:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   6 | SELECT k FROM t WHERE v = 1 OR v > ANY (SELECT n FROM o);
     | ^
job.sql:7:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   7 | SELECT k FROM t INTERSECT SELECT k, n FROM o
     | ^
job.sql:7:34: error: each INTERSECT query must have the same number of columns
   7 | SELECT k FROM t INTERSECT SELECT k, n FROM o
     |                                  ^

-- CASE as-of joins of a view, of a subquery and of a query of WITH
CREATE TABLE r (k text, rate int, dead boolean, at timestamp) WITH (connector = 'file', path = 'r.csv', format = 'csv', event_time = 'at');
CREATE VIEW alive AS SELECT k AS key, rate * 2 AS twice, at FROM r WHERE NOT dead;
CREATE VIEW seen AS SELECT t.k, a.twice, t.ts FROM t JOIN LATERAL (SELECT twice FROM alive AS x WHERE x.key = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) AS a ON true;
INSERT INTO o SELECT k, twice FROM seen;
INSERT INTO hole SELECT t.k, a.rate FROM t LEFT JOIN LATERAL (SELECT rate FROM (SELECT * FROM r WHERE rate > 0) AS x WHERE x.k = t.k AND x.at < t.ts ORDER BY x.at DESC LIMIT 1) AS a ON true
-- PLAN
sink file o (csv)
  project k, twice::bigint AS n
    as-of join on k = key
      [k] source file t.csv (csv): k, ts; event time ts, up to 0s out of order
      [key] project k AS key, (rate * 2) AS twice, at
        filter (NOT dead)
          source file r.csv (csv): k, rate, dead, at; event time at, up to 0s out of order
sink blackhole
  project k, rate::bigint AS n
    as-of left join on k = k
      [k] source file t.csv (csv): k, ts; event time ts, up to 0s out of order (see above)
      [k] project k, rate, at
        filter (rate > 0)
          source file r.csv (csv): k, rate, dead, at; event time at, up to 0s out of order (see above)

-- CASE what is no as-of join says why
CREATE TABLE r (k text, rate int, at timestamp) WITH (connector = 'file', path = 'r.csv', format = 'csv', event_time = 'at');
CREATE TABLE plain (k text, rate int, at timestamp) WITH (connector = 'file', path = 'r.csv', format = 'csv');
CREATE VIEW best AS SELECT k, max(rate) AS rate, max(at) AS at FROM r GROUP BY k;
INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM best AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) AS a;
INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM plain AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) AS a;
INSERT INTO o SELECT t.k, a.rate FROM t LEFT JOIN LATERAL (SELECT rate FROM r AS x WHERE x.k = t.k AND x.at <= t.ts AND x.rate < t.v ORDER BY x.at DESC LIMIT 1) AS a ON true;
INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM r AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.rate DESC LIMIT 1) AS a;
INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM r AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC, x.rate DESC LIMIT 1) AS a;
CREATE TABLE history (k text, rate int, at timestamp) WITH (connector = 'file', path = 'h.json', format = 'debezium_json', event_time = 'at');
INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM history AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) AS a;
INSERT INTO o SELECT t.k, (SELECT rate FROM r AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) FROM t
-- ERRORS
job.sql:4:136: error: table "o" (file) only appends rows, but this LATERAL subquery is no as-of join, as the rows that it looks at change, and an as-of join reads a table that only grows: it updates rows that it has emitted as more input arrives; write it as one (docs/sql.md, as-of joins), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   4 | INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM best AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) AS a;
     |                                                                                                                                        ^
job.sql:5:137: error: table "o" (file) only appends rows, but this LATERAL subquery is no as-of join, as the rows that it looks at have no event time: it updates rows that it has emitted as more input arrives; write it as one (docs/sql.md, as-of joins), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   5 | INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM plain AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) AS a;
     |                                                                                                                                         ^
job.sql:6:159: error: table "o" (file) only appends rows, but this LATERAL subquery is no as-of join, as it asks for more than equal columns, one bound of the two event times (<= or <) and conditions on the rows that it looks at: it updates rows that it has emitted as more input arrives; write it as one (docs/sql.md, as-of joins), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   6 | INSERT INTO o SELECT t.k, a.rate FROM t LEFT JOIN LATERAL (SELECT rate FROM r AS x WHERE x.k = t.k AND x.at <= t.ts AND x.rate < t.v ORDER BY x.at DESC LIMIT 1) AS a ON true;
     |                                                                                                                                                               ^
job.sql:7:135: error: table "o" (file) only appends rows, but this LATERAL subquery is no as-of join, as its ORDER BY is not by the event time of the rows that it looks at: it updates rows that it has emitted as more input arrives; write it as one (docs/sql.md, as-of joins), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   7 | INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM r AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.rate DESC LIMIT 1) AS a;
     |                                                                                                                                       ^
job.sql:8:146: error: table "o" (file) only appends rows, but this LATERAL subquery is no as-of join, as its ORDER BY has more than the event time of the rows that it looks at: it updates rows that it has emitted as more input arrives; write it as one (docs/sql.md, as-of joins), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   8 | INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM r AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC, x.rate DESC LIMIT 1) AS a;
     |                                                                                                                                                  ^
job.sql:10:139: error: table "o" (file) only appends rows, but this LATERAL subquery is no as-of join, as the rows that it looks at change, and an as-of join reads a table that only grows: it updates rows that it has emitted as more input arrives; write it as one (docs/sql.md, as-of joins), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
  10 | INSERT INTO o SELECT t.k, a.rate FROM t, LATERAL (SELECT rate FROM history AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) AS a;
     |                                                                                                                                           ^
job.sql:11:110: error: table "o" (file) only appends rows, but which rows are the first changes as more input arrives; choose them within a window (with its window_end among the keys of DISTINCT ON or PARTITION BY), or, for the newest row of a table at the event time of each row of another, write an as-of join (docs/sql.md), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
  11 | INSERT INTO o SELECT t.k, (SELECT rate FROM r AS x WHERE x.k = t.k AND x.at <= t.ts ORDER BY x.at DESC LIMIT 1) FROM t
     |                                                                                                              ^

-- CASE subqueries in ON that read both sides: the pairs that ON accepts, and rows without one
CREATE TABLE u (k text, v int, w int) WITH (connector = 'file', path = 'u', format = 'csv');
INSERT INTO hole SELECT t.k, u.w FROM t LEFT JOIN u ON t.k = u.k AND EXISTS (SELECT 1 FROM o WHERE o.n = t.v AND o.k = u.k)
-- PLAN
sink blackhole
  changes: project k, w::bigint AS n
    changes: union
      project k, w
        semi join on key 1 = n and k_2 = k
          [key 1, k_2] project k, v, k_2, w, v::bigint AS key 1
            join on k = k
              [k] source file t.csv (csv): k, v
              [k] source file u (csv): k, w
          [n, k] source file o (csv): k, n
      changes: project k, NULL::int AS w
        changes: anti join on k is not distinct from k and v is not distinct from v
          [k, v] source file t.csv (csv): k, v (see above)
          [k, v] project k, v
            semi join on key 1 = n and k_2 = k (see above)

-- CASE subqueries in ON of a FULL JOIN
CREATE TABLE u (k text, v int, w int) WITH (connector = 'file', path = 'u', format = 'csv');
INSERT INTO hole SELECT t.k, u.w FROM t FULL JOIN u ON t.k = u.k AND u.w IN (SELECT n FROM o WHERE o.n > t.v)
-- PLAN
sink blackhole
  changes: project k, w::bigint AS n
    changes: union
      project k, w
        semi join on key 1 = n and (n > v::bigint)
          [key 1] project k, v, k_2, w, w::bigint AS key 1
            join on k = k
              [k] source file t.csv (csv): k, v
              [k] source file u (csv): k, w
          [n] source file o (csv): n
      changes: project k, NULL::int AS w
        changes: anti join on k is not distinct from k and v is not distinct from v
          [k, v] source file t.csv (csv): k, v (see above)
          [k, v] project k, v
            semi join on key 1 = n and (n > v::bigint) (see above)
      changes: project NULL AS k, w
        changes: anti join on k is not distinct from k_2 and w is not distinct from w
          [k, w] source file u (csv): k, w (see above)
          [k_2, w] project k_2, w
            semi join on key 1 = n and (n > v::bigint) (see above)

-- CASE subqueries in ON beside LATERAL
INSERT INTO hole SELECT t.k, l.n FROM t LEFT JOIN LATERAL (SELECT n FROM o WHERE o.k = t.k) AS l ON l.n IN (SELECT v FROM t)
-- PLAN
sink blackhole
  changes: project k, n
    changes: union
      project k, n
        semi join on n = key 1
          [n] join on k = for k
            [k] source file t.csv (csv): k, v
            [for k] project n, k AS for k
              filter (k = k)
                source file o (csv): k, n
          [key 1] project v::bigint AS key 1
            source file t.csv (csv): k, v (see above)
      changes: project k, NULL::bigint AS n
        changes: anti join on k is not distinct from k and v is not distinct from v
          [k, v] source file t.csv (csv): k, v (see above)
          [k, v] project k, v
            semi join on n = key 1 (see above)

-- CASE a FULL JOIN behind a comma that reads the query outside
INSERT INTO hole SELECT k, (SELECT count(*) FROM f AS g, o FULL JOIN (SELECT n FROM f WHERE f.n = t.v) AS h ON o.n = h.n) FROM t
-- PLAN
sink blackhole
  changes: project k, CASE WHEN ("is there" IS NULL) THEN '0'::bigint ELSE value END AS n
    changes: left join on v is not distinct from for
      [v] source file t.csv (csv): k, v
      [for] changes: project "count(*)" AS value, v AS for, true AS is there
        changes: aggregate count(*) by v
          pre-aggregate count(*) by v
            changes: project v
              [v] changes: join, all pairs
                changes: join on v is not distinct from v
                  [v] distinct
                    [v] project v
                      source file t.csv (csv): k, v (see above)
                  [v] changes: project CASE WHEN ("is there" IS NULL) THEN v ELSE v_2 END AS v
                    changes: full join on v is not distinct from v and n = n
                      [v, n] join, all pairs
                        distinct (see above)
                        source file o (csv): n
                      [v, n] project v, n, true AS is there
                        join on v is not distinct from for v
                          [v] distinct (see above)
                          [for v] project n, v AS for v
                            join on n = key 1
                              [n] project n
                                source file f (csv): k, n
                              [key 1] project v, v::bigint AS key 1
                                distinct
                                  [v] distinct (see above)
                project k
                  source file f (csv): k, n (see above)
