-- CASE a value over changes
SELECT k, v, sum(v) OVER (PARTITION BY k ORDER BY d DESC) AS total FROM t
-- PLAN
sink stdout
  changes: project k, v, "sum(v)" AS total
    changes: over (k) in order of d DESC: sum(v)
      [k] source file t.csv (csv): k, v, d

-- CASE in order of event time rows leave once
INSERT INTO o SELECT k, v - lag(v) OVER (PARTITION BY k ORDER BY ts) FROM t
-- PLAN
sink file o (csv)
  project k, (v - "lag(v, 1)")::bigint AS n
    over (k) in order of ts: lag(v, 1); once, behind the watermark
      [k] source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE several windows, one step for each; names of windows
SELECT k, row_number() OVER w, rank() OVER (w ORDER BY v), max(v) OVER w FROM t WINDOW w AS (PARTITION BY k)
-- PLAN
sink stdout
  changes: project k, "row_number()" AS row_number, "rank()" AS rank, "max(v)" AS max
    changes: over (k) in order of v: rank()
      changes: over (k): row_number(), max(v)
        [k] source file t.csv (csv): k, v

-- CASE expressions in windows are computed first, calls that are there already once
SELECT sum(v + 1) OVER (PARTITION BY upper(k) ORDER BY v * 2) + 1 AS a, sum(v + 1) OVER (PARTITION BY upper(k) ORDER BY v * 2) AS b FROM t
-- PLAN
sink stdout
  changes: project ("sum((v + 1))" + '1'::bigint) AS a, "sum((v + 1))" AS b
    changes: over (upper(k)) in order of (v * 2): sum((v + 1))
      [upper(k)] project (v + 1), upper(k), (v * 2)
        source file t.csv (csv): k, v

-- CASE over groups
SELECT k, count(*), rank() OVER (ORDER BY count(*) DESC, sum(v)) AS place, sum(count(*)) OVER () FROM t GROUP BY k
-- PLAN
sink stdout
  changes: project k, "count(*)" AS count, "rank()" AS place, "sum(count(*))" AS sum
    changes: over: sum(count(*))
      changes: project k, count(*), rank()
        changes: over in order of count(*) DESC, sum(v): rank()
          changes: aggregate count(*), sum(v) by k
            [k] pre-aggregate count(*), sum(v) by k
              source file t.csv (csv): k, v

-- CASE frames
SELECT sum(v) OVER (ORDER BY v ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS a,
       count(*) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND INTERVAL '1 minute' FOLLOWING) AS b,
       min(d) FILTER (WHERE v > 0) OVER (ORDER BY d GROUPS 1 PRECEDING) AS c
FROM t
-- PLAN
sink stdout
  changes: project "sum(v) rows 2 preceding to current row" AS a, "count(*) range 3600000000 preceding to 60000000 following" AS b, "min(d) FILTER ((v > 0)) groups 1 preceding to current row" AS c
    changes: over in order of d: min(d) FILTER ((v > 0)) groups 1 preceding to current row
      changes: project d, (v > 0), sum(v) rows 2 preceding to current row, count(*) range 3600000000 preceding to 60000000 following
        changes: over in order of ts: count(*) range 3600000000 preceding to 60000000 following
          changes: project d, ts, (v > 0), sum(v) rows 2 preceding to current row
            changes: over in order of v: sum(v) rows 2 preceding to current row
              project v, d, ts, (v > 0)
                source file t.csv (csv): v, d, ts

-- CASE a window nobody reads is not computed
SELECT k FROM (SELECT k, sum(d) OVER (ORDER BY v) AS x FROM t) s
-- PLAN
sink stdout
  changes: project k
    source file t.csv (csv): k

-- CASE the first rows of a partition, their numbers not read
SELECT k, v FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t) s WHERE rn <= 3
-- PLAN
sink stdout
  changes: project k, v
    changes: top 3 by v DESC per k
      [k] preselect top 3 by v DESC per k
        source file t.csv (csv): k, v

-- CASE numbers that are read, other conditions stay, those on keys go below
SELECT * FROM (SELECT k, v, dense_rank() OVER (PARTITION BY k ORDER BY v) AS rn FROM t) s WHERE rn BETWEEN 2 AND 3 AND v > 1 AND k <> 'x'
-- PLAN
sink stdout
  changes: project k, v, "dense_rank()" AS rn
    changes: filter (v > 1)
      changes: top ranks 2 to 3 (dense) by v per k, numbered
        [k] preselect top ranks 2 to 3 (dense) by v per k
          filter (k <> 'x')
            source file t.csv (csv): k, v

-- CASE one row per key
SELECT k, v, d FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) s WHERE 1 = rn
-- PLAN
sink stdout
  changes: project k, v, d
    changes: top 1 by ts DESC per k
      [k] preselect top 1 by ts DESC per k
        source file t.csv (csv): k, v, d, ts

-- CASE a bound from below numbers all
SELECT k, v FROM (SELECT k, v, rank() OVER (PARTITION BY k ORDER BY v) AS rn FROM t) s WHERE rn > 2
-- PLAN
sink stdout
  changes: project k, v
    changes: filter ("rank()" > '2'::bigint)
      changes: over (k) in order of v: rank()
        [k] source file t.csv (csv): k, v

-- CASE the first row in order of event time leaves once
INSERT INTO o SELECT k, v FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY ts) AS rn FROM t) s WHERE rn = 1
-- PLAN
sink file o (csv)
  project k, v::bigint AS n
    filter ("row_number()" = '1'::bigint)
      over (k) in order of ts: row_number(); once, behind the watermark
        [k] source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE by window
INSERT INTO o SELECT k, (100 * percent_rank() OVER (PARTITION BY window_end ORDER BY n))::bigint
FROM (SELECT k, window_end, count(*) AS n FROM TUMBLE(t, ts, INTERVAL '1 hour') GROUP BY k, window_start, window_end) s
-- PLAN
sink file o (csv)
  project k, ('100'::double precision * "percent_rank()")::bigint AS n
    over (window_end) in order of n: percent_rank(); once per window
      [window_end] project k, window_end, "count(*)" AS n
        aggregate count(*) by k, window_start, window_end; once per window
          [k, window_start, window_end] pre-aggregate count(*) by k, window_start, window_end
            tumbling windows of 1h 00m over ts
              source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE ordered by a window function
SELECT k, v FROM t ORDER BY v - avg(v) OVER (PARTITION BY k) DESC LIMIT 5
-- PLAN
sink stdout
  changes: project k, v
    changes: top 5 by ?column? DESC
      changes: project k, v, (v::double precision - "avg(v)") AS ?column?
        changes: over (k): avg(v)
          [k] source file t.csv (csv): k, v

-- CASE the first rows for each row outside
SELECT o.k, s.v FROM o, LATERAL (SELECT v FROM t WHERE t.k = o.k ORDER BY v DESC LIMIT 2) s
-- PLAN
sink stdout
  changes: project k, v
    changes: join on k = for k
      [k] source file o (csv): k
      [for k] changes: top 2 by v DESC per for k
        [for k] preselect top 2 by v DESC per for k
          project v, k AS for k
            filter (k = k)
              source file t.csv (csv): k, v

-- CASE what windows may not
SELECT k FROM t WHERE row_number() OVER () = 1;
INSERT INTO hole SELECT k, count(*) FROM t GROUP BY k, rank() OVER (ORDER BY v);
INSERT INTO hole SELECT k, count(*) FROM t GROUP BY k HAVING sum(v) OVER () > 1;
INSERT INTO hole SELECT k, sum(sum(v) OVER ()) FROM t GROUP BY k;
INSERT INTO hole SELECT k, lag(rank() OVER (ORDER BY v)) OVER (ORDER BY v) FROM t;
INSERT INTO hole SELECT k, row_number() FROM t;
INSERT INTO hole SELECT k, lower(k) OVER () FROM t;
INSERT INTO hole SELECT k, count(DISTINCT v) OVER () FROM t;
INSERT INTO hole SELECT k, rank() FILTER (WHERE v > 1) OVER () FROM t;
INSERT INTO hole SELECT k, ntile(0) OVER () FROM t;
INSERT INTO hole SELECT k, lag(v, v) OVER () FROM t;
INSERT INTO hole SELECT k, lag(v, 1, 'x'::text) OVER () FROM t;
INSERT INTO hole SELECT k, sum(v) OVER nosuch FROM t;
INSERT INTO hole SELECT k, sum(v) OVER (w PARTITION BY v) FROM t WINDOW w AS (ORDER BY v);
INSERT INTO hole SELECT k, sum(v) OVER (w ORDER BY v) FROM t WINDOW w AS (ORDER BY k);
INSERT INTO hole SELECT k, sum(v) OVER (w) FROM t WINDOW w AS (ROWS UNBOUNDED PRECEDING);
INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY k, v RANGE 1 PRECEDING) FROM t;
INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY k RANGE 1 PRECEDING) FROM t;
INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY v ROWS -1 PRECEDING) FROM t;
INSERT INTO hole SELECT k, sum(v) OVER (GROUPS 1 PRECEDING) FROM t;
INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY ts RANGE INTERVAL '1 month' PRECEDING) FROM t;
INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY v ROWS 1 PRECEDING EXCLUDE TIES) FROM t;
INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY j) FROM t;
INSERT INTO hole SELECT k, length(string_agg(k, ',') OVER ()) FROM t;
INSERT INTO hole SELECT k, max(v) OVER (ORDER BY d) FROM t GROUP BY k
-- ERRORS
job.sql:1:23: error: window functions are not allowed in WHERE; put the query into FROM (SELECT ...) and filter its rows
   1 | SELECT k FROM t WHERE row_number() OVER () = 1;
     |                       ^
job.sql:2:56: error: window functions are not allowed in GROUP BY
   2 | INSERT INTO hole SELECT k, count(*) FROM t GROUP BY k, rank() OVER (ORDER BY v);
     |                                                        ^
job.sql:3:62: error: window functions are not allowed in HAVING; put the query into FROM (SELECT ...) and filter its rows
   3 | INSERT INTO hole SELECT k, count(*) FROM t GROUP BY k HAVING sum(v) OVER () > 1;
     |                                                              ^
job.sql:4:32: error: aggregate function calls cannot contain window function calls
   4 | INSERT INTO hole SELECT k, sum(sum(v) OVER ()) FROM t GROUP BY k;
     |                                ^
job.sql:5:32: error: window function calls cannot be nested
   5 | INSERT INTO hole SELECT k, lag(rank() OVER (ORDER BY v)) OVER (ORDER BY v) FROM t;
     |                                ^
job.sql:6:28: error: window function row_number requires an OVER clause
   6 | INSERT INTO hole SELECT k, row_number() FROM t;
     |                            ^
job.sql:7:28: error: OVER specified, but lower is not a window function nor an aggregate function
   7 | INSERT INTO hole SELECT k, lower(k) OVER () FROM t;
     |                            ^
job.sql:8:28: error: DISTINCT is not implemented for window functions
   8 | INSERT INTO hole SELECT k, count(DISTINCT v) OVER () FROM t;
     |                            ^
job.sql:9:28: error: FILTER is not implemented for non-aggregate window functions
   9 | INSERT INTO hole SELECT k, rank() FILTER (WHERE v > 1) OVER () FROM t;
     |                            ^
job.sql:10:34: error: argument of ntile must be greater than zero
  10 | INSERT INTO hole SELECT k, ntile(0) OVER () FROM t;
     |                                  ^
job.sql:11:35: error: the offset of lag must be a constant
  11 | INSERT INTO hole SELECT k, lag(v, v) OVER () FROM t;
     |                                   ^
job.sql:12:38: error: lag types integer and text cannot be matched
  12 | INSERT INTO hole SELECT k, lag(v, 1, 'x'::text) OVER () FROM t;
     |                                      ^
job.sql:13:40: error: window "nosuch" does not exist
  13 | INSERT INTO hole SELECT k, sum(v) OVER nosuch FROM t;
     |                                        ^
job.sql:14:40: error: cannot override PARTITION BY clause of window "w"
  14 | INSERT INTO hole SELECT k, sum(v) OVER (w PARTITION BY v) FROM t WINDOW w AS (ORDER BY v);
     |                                        ^
job.sql:15:40: error: cannot override ORDER BY clause of window "w"
  15 | INSERT INTO hole SELECT k, sum(v) OVER (w ORDER BY v) FROM t WINDOW w AS (ORDER BY k);
     |                                        ^
job.sql:16:40: error: cannot copy window "w" because it has a frame clause
  16 | INSERT INTO hole SELECT k, sum(v) OVER (w) FROM t WINDOW w AS (ROWS UNBOUNDED PRECEDING);
     |                                        ^
job.sql:17:40: error: RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column
  17 | INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY k, v RANGE 1 PRECEDING) FROM t;
     |                                        ^
job.sql:18:58: error: RANGE with offset PRECEDING/FOLLOWING is not supported for column type text
  18 | INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY k RANGE 1 PRECEDING) FROM t;
     |                                                          ^
job.sql:19:57: error: frame starting offset must not be negative
  19 | INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY v ROWS -1 PRECEDING) FROM t;
     |                                                         ^
job.sql:20:40: error: GROUPS mode requires an ORDER BY clause
  20 | INSERT INTO hole SELECT k, sum(v) OVER (GROUPS 1 PRECEDING) FROM t;
     |                                        ^
job.sql:21:59: error: the offset of a frame is in days, hours or less: months have no fixed length
  21 | INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY ts RANGE INTERVAL '1 month' PRECEDING) FROM t;
     |                                                           ^
job.sql:23:50: error: could not identify an ordering operator for type json
  23 | INSERT INTO hole SELECT k, sum(v) OVER (ORDER BY j) FROM t;
     |                                                  ^
job.sql:25:32: error: column "t.v" must appear in the GROUP BY clause or be used in an aggregate function
  25 | INSERT INTO hole SELECT k, max(v) OVER (ORDER BY d) FROM t GROUP BY k
     |                                ^
