-- CASE keys and aggregates
SELECT k, count(*), sum(v), count(DISTINCT v) FILTER (WHERE v > 0) FROM t GROUP BY k
-- PLAN
sink stdout
  changes: project k, "count(*)" AS count, "sum(v)" AS sum, "count(DISTINCT v) FILTER (WHERE (v > 0))" AS count_2
    changes: aggregate count(*), sum(v), count(DISTINCT v) FILTER (WHERE (v > 0)) by k
      [k] source file t.csv (csv): k, v

-- CASE positions and names of the select list
SELECT lower(k) AS name, v AS k, count(*) FROM t GROUP BY name, 2
-- PLAN
sink stdout
  changes: project "lower(k)" AS name, v AS k, "count(*)" AS count
    changes: aggregate count(*) by key lower(k), key v
      [key lower(k), key v] pre-aggregate count(*) by key lower(k), key v
        project lower(k) AS key lower(k), v AS key v
          source file t.csv (csv): k, v

-- CASE an input column goes before a name of the select list
SELECT lower(k) AS v, count(*) FROM t GROUP BY v, k
-- PLAN
sink stdout
  changes: project lower(k) AS v, "count(*)" AS count
    changes: aggregate count(*) by v, k
      [v, k] pre-aggregate count(*) by v, k
        source file t.csv (csv): k, v

-- CASE expressions over keys and aggregates; equal calls are computed once
SELECT upper(lower(k)) AS u, sum(v) / count(*) AS mean, sum(v) + 1 FROM t GROUP BY lower(k) HAVING count(*) > 1
-- PLAN
sink stdout
  changes: project upper("lower(k)") AS u, ("sum(v)" / "count(*)") AS mean, ("sum(v)" + '1'::bigint) AS ?column?
    changes: filter ("count(*)" > '1'::bigint)
      changes: aggregate sum(v), count(*) by key lower(k)
        [key lower(k)] pre-aggregate sum(v), count(*) by key lower(k)
          project lower(k) AS key lower(k), v
            source file t.csv (csv): k, v

-- CASE no keys
SELECT count(*), max(ts) FROM t
-- PLAN
sink stdout
  changes: project "count(*)" AS count, "max(ts)" AS max
    changes: aggregate count(*), max(ts)
      pre-aggregate count(*), max(ts)
        source file t.csv (csv): ts

-- CASE having alone
SELECT 1 AS one FROM t HAVING count(*) > 3
-- PLAN
sink stdout
  changes: project 1 AS one
    changes: filter ("count(*)" > '3'::bigint)
      changes: aggregate count(*)
        pre-aggregate count(*)
          source file t.csv (csv): k

-- CASE having without aggregates in it
SELECT 1 AS one FROM t HAVING true
-- PLAN
sink stdout
  changes: project 1 AS one
    changes: aggregate count(*)
      pre-aggregate count(*)
        source file t.csv (csv): k

-- CASE group without aggregates
SELECT k FROM t GROUP BY k
-- PLAN
sink stdout
  changes: aggregate  by k
    [k] pre-aggregate  by k
      source file t.csv (csv): k

-- CASE distinct over groups
SELECT DISTINCT count(*) FROM t GROUP BY k
-- PLAN
sink stdout
  changes: distinct
    [count] changes: project "count(*)" AS count
      changes: aggregate count(*) by k
        [k] pre-aggregate count(*) by k
          source file t.csv (csv): k

-- CASE aggregates of aggregates by subquery
SELECT max(n) FROM (SELECT k, count(*) AS n FROM t GROUP BY k) s
-- PLAN
sink stdout
  changes: project "max(""count(*)"")" AS max
    changes: aggregate max("count(*)")
      changes: project count(*)
        changes: aggregate count(*) by k
          [k] pre-aggregate count(*) by k
            source file t.csv (csv): k

-- CASE string_agg, bool_and, first
SELECT string_agg(k, ', '), bool_and(v > 0), first(k) FROM t
-- PLAN
sink stdout
  changes: project "string_agg(k, ', ')" AS string_agg, "bool_and((v > 0))" AS bool_and, "first(k)" AS first
    changes: aggregate string_agg(k, ', '), bool_and((v > 0)), first(k)
      source file t.csv (csv): k, v

-- CASE neither key nor aggregate
SELECT k, v, count(*) FROM t GROUP BY k HAVING d > 1
-- ERRORS
job.sql:1:11: error: column "t.v" must appear in the GROUP BY clause or be used in an aggregate function
   1 | SELECT k, v, count(*) FROM t GROUP BY k HAVING d > 1
     |           ^
job.sql:1:48: error: column "t.d" must appear in the GROUP BY clause or be used in an aggregate function
   1 | SELECT k, v, count(*) FROM t GROUP BY k HAVING d > 1
     |                                                ^

-- CASE stars in groups
SELECT * FROM t GROUP BY k
-- ERRORS
job.sql:1:8: error: column "t.v" must appear in the GROUP BY clause or be used in an aggregate function
   1 | SELECT * FROM t GROUP BY k
     |        ^

-- CASE where aggregates are not allowed
SELECT sum(sum(v)) FROM t WHERE count(*) > 1 GROUP BY max(k), count(*)
-- ERRORS
job.sql:1:12: error: aggregate function calls cannot be nested
   1 | SELECT sum(sum(v)) FROM t WHERE count(*) > 1 GROUP BY max(k), count(*)
     |            ^
job.sql:1:33: error: aggregate functions are not allowed in WHERE; write HAVING
   1 | SELECT sum(sum(v)) FROM t WHERE count(*) > 1 GROUP BY max(k), count(*)
     |                                 ^
job.sql:1:55: error: aggregate functions are not allowed in GROUP BY
   1 | SELECT sum(sum(v)) FROM t WHERE count(*) > 1 GROUP BY max(k), count(*)
     |                                                       ^
job.sql:1:63: error: aggregate functions are not allowed in GROUP BY
   1 | SELECT sum(sum(v)) FROM t WHERE count(*) > 1 GROUP BY max(k), count(*)
     |                                                               ^

-- CASE positions that are not there
SELECT k, count(*) FROM t GROUP BY 0, 3, 2, 'x'
-- ERRORS
job.sql:1:36: error: GROUP BY position 0 is not in select list
   1 | SELECT k, count(*) FROM t GROUP BY 0, 3, 2, 'x'
     |                                    ^
job.sql:1:39: error: GROUP BY position 3 is not in select list
   1 | SELECT k, count(*) FROM t GROUP BY 0, 3, 2, 'x'
     |                                       ^
job.sql:1:42: error: aggregate functions are not allowed in GROUP BY
   1 | SELECT k, count(*) FROM t GROUP BY 0, 3, 2, 'x'
     |                                          ^
job.sql:1:45: error: non-integer constant in GROUP BY
   1 | SELECT k, count(*) FROM t GROUP BY 0, 3, 2, 'x'
     |                                             ^

-- CASE forms that aggregates do not have
SELECT sum(DISTINCT v), string_agg(k), sum(*), count(v, v), string_agg(k, ',' ORDER BY k), sum(k), count(*) FILTER (WHERE v) FROM t
-- ERRORS
job.sql:1:25: error: string_agg takes a value and a separator
   1 | SELECT sum(DISTINCT v), string_agg(k), sum(*), count(v, v), string_agg(k, ',' ORDER BY k), sum(k), count(*) FILTER (WHERE v) FROM t
     |                         ^
job.sql:1:40: error: only count takes *
   1 | SELECT sum(DISTINCT v), string_agg(k), sum(*), count(v, v), string_agg(k, ',' ORDER BY k), sum(k), count(*) FILTER (WHERE v) FROM t
     |                                        ^
job.sql:1:57: error: this aggregate takes one argument
   1 | SELECT sum(DISTINCT v), string_agg(k), sum(*), count(v, v), string_agg(k, ',' ORDER BY k), sum(k), count(*) FILTER (WHERE v) FROM t
     |                                                         ^
job.sql:1:96: error: function sum(text) does not exist
   1 | SELECT sum(DISTINCT v), string_agg(k), sum(*), count(v, v), string_agg(k, ',' ORDER BY k), sum(k), count(*) FILTER (WHERE v) FROM t
     |                                                                                                ^
job.sql:1:123: error: the condition is int, but boolean is needed
   1 | SELECT sum(DISTINCT v), string_agg(k), sum(*), count(v, v), string_agg(k, ',' ORDER BY k), sum(k), count(*) FILTER (WHERE v) FROM t
     |                                                                                                                           ^

-- CASE having must be boolean
SELECT k FROM t GROUP BY k HAVING count(*)
-- ERRORS
job.sql:1:35: error: argument of HAVING must be type boolean, not type bigint
   1 | SELECT k FROM t GROUP BY k HAVING count(*)
     |                                   ^

-- CASE json has no equality
SELECT j, count(*) FROM t GROUP BY j;
SELECT DISTINCT k, j FROM t
-- ERRORS
job.sql:1:36: error: could not identify an equality operator for type json; compare one of its fields (j ->> 'field')
   1 | SELECT j, count(*) FROM t GROUP BY j;
     |                                    ^
job.sql:2:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   2 | SELECT DISTINCT k, j FROM t
     | ^
job.sql:2:20: error: could not identify an equality operator for type json; compare one of its fields (j ->> 'field')
   2 | SELECT DISTINCT k, j FROM t
     |                    ^

-- CASE json has no equality in unions
SELECT j FROM t UNION SELECT j FROM t
-- ERRORS
job.sql:1:8: error: could not identify an equality operator for type json; compare one of its fields (j ->> 'field')
   1 | SELECT j FROM t UNION SELECT j FROM t
     |        ^

-- CASE grouping sets are aggregates put together
SELECT k, v, count(*), grouping(k, v) FROM t GROUP BY ROLLUP (k, v)
-- PLAN
sink stdout
  changes: project k, v, "count(*)" AS count, CASE WHEN (grouping = '0'::bigint) THEN 0 WHEN (grouping = '1'::bigint) THEN 1 ELSE 3 END AS grouping
    changes: union
      changes: project k, v, count(*), '0'::bigint AS grouping
        changes: aggregate count(*) by k, v
          [k, v] pre-aggregate count(*) by k, v
            source file t.csv (csv): k, v
      changes: project k, NULL::int AS v, count(*), '1'::bigint AS grouping
        changes: aggregate count(*) by k
          [k] pre-aggregate count(*) by k
            source file t.csv (csv): k, v (see above)
      [k, v, count(*), grouping] changes: project NULL AS k, NULL::int AS v, count(*), '2'::bigint AS grouping
        changes: aggregate count(*)
          pre-aggregate count(*)
            source file t.csv (csv): k, v (see above)

-- CASE mistakes in grouping sets
SELECT k FROM t WHERE grouping(k) = 1 GROUP BY ROLLUP (k)
-- ERRORS
job.sql:1:23: error: grouping operations are not allowed in WHERE
   1 | SELECT k FROM t WHERE grouping(k) = 1 GROUP BY ROLLUP (k)
     |                       ^

-- CASE grouping of what is no key
SELECT grouping(v) FROM t GROUP BY k
-- ERRORS
job.sql:1:17: error: arguments to GROUPING must be grouping expressions of the associated query level
   1 | SELECT grouping(v) FROM t GROUP BY k
     |                 ^

-- CASE sums of distinct values
SELECT k, sum(DISTINCT v), avg(DISTINCT v) FROM t GROUP BY k
-- PLAN
sink stdout
  changes: project k, sum_of(array_of("array_agg(v)", 'd')) AS sum, (sum_of(array_of("array_agg(v)", 'd'))::double precision / cardinality(array_of("array_agg(v)", 'd'))::double precision) AS avg
    changes: aggregate array_agg(v) by k
      [k] source file t.csv (csv): k, v

-- CASE one group of all rows
SELECT count(*) FROM t GROUP BY ()
-- PLAN
sink stdout
  changes: project "count(*)" AS count
    changes: aggregate count(*)
      pre-aggregate count(*)
        source file t.csv (csv): k

-- CASE ordered-set aggregates share their values
SELECT k, percentile_cont(0.5) WITHIN GROUP (ORDER BY d), percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY d), mode() WITHIN GROUP (ORDER BY d DESC) FILTER (WHERE v > 1) FROM t GROUP BY k
-- PLAN
sink stdout
  changes: project k, percentile_cont_of(array_of("array_agg(d::double precision)", 's'), '0.5'::double precision, false) AS percentile_cont, percentile_disc_of(array_of("array_agg(d)", 's'), '{0.1,0.9}'::double precision[], false) AS percentile_disc, mode_of(array_of("array_agg(d) FILTER (WHERE (v > 1))", 's'), true) AS mode
    changes: aggregate array_agg(d::double precision), array_agg(d), array_agg(d) FILTER (WHERE (v > 1)) by k
      [k] source file t.csv (csv): k, v, d

-- CASE aggregates of bits, intervals and two numbers are pre-aggregated
SELECT k, bit_or(v), sum(ts - timestamp '2020-01-01'), corr(v, d), covar_pop(v, d), regr_count(d, 1) FROM t GROUP BY k
-- PLAN
sink stdout
  changes: project k, "bit_or(v)" AS bit_or, "sum((ts - '2020-01-01 00:00:00'::timestamp))" AS sum, "corr(v::double precision, d::double precision)" AS corr, "covar_pop(v::double precision, d::double precision)" AS covar_pop, "regr_count(d::double precision, 1::double precision)" AS regr_count
    changes: aggregate bit_or(v), sum((ts - '2020-01-01 00:00:00'::timestamp)), corr(v::double precision, d::double precision), covar_pop(v::double precision, d::double precision), regr_count(d::double precision, '1'::double precision) by k
      [k] pre-aggregate bit_or(v), sum((ts - '2020-01-01 00:00:00'::timestamp)), corr(v::double precision, d::double precision), covar_pop(v::double precision, d::double precision), regr_count(d::double precision, '1'::double precision) by k
        source file t.csv (csv): k, v, d, ts

-- CASE json_object_agg
SELECT json_object_agg(k, v ORDER BY v DESC), json_object_agg(v, d) FROM t
-- PLAN
sink stdout
  changes: project json_object_of(array_of("array_agg(ROW(k, v) ORDER BY v DESC)", 's')) AS json_object_agg, json_object_of(array_of("array_agg(ROW(v::text, d))", '')) AS json_object_agg_2
    changes: aggregate array_agg(ROW(k, v) ORDER BY v DESC), array_agg(ROW(v::text, d))
      project k, v, d
        source file t.csv (csv): k, v, d

-- CASE frames that leave rows out, and texts of frames
SELECT string_agg(k, ', ') OVER (ORDER BY v ROWS UNBOUNDED PRECEDING EXCLUDE TIES), array_agg(v) OVER (ORDER BY v ROWS 1 PRECEDING EXCLUDE CURRENT ROW), stddev(v) OVER (), corr(v, d) OVER (PARTITION BY k) FROM t
-- PLAN
sink stdout
  changes: project "string_agg(k, ', ') rows unbounded preceding to current row exclude ties" AS string_agg, array_of("string_agg(array_item(v, 'n')) rows 1 preceding to current row exclude current row", '') AS array_agg, "stddev_samp(v)" AS stddev, "corr(pair_of(v::double precision, d::double precision))" AS corr
    changes: over (k): corr(pair_of(v::double precision, d::double precision))
      [k] changes: project k, pair_of(v::double precision, d::double precision), string_agg(k, ', ') rows unbounded preceding to current row exclude ties, string_agg(array_item(v, 'n')) rows 1 preceding to current row exclude current row, stddev_samp(v)
        changes: over: stddev_samp(v)
          changes: project k, v, pair_of(v::double precision, d::double precision), string_agg(k, ', ') rows unbounded preceding to current row exclude ties, string_agg(array_item(v, 'n')) rows 1 preceding to current row exclude current row
            changes: over in order of v: string_agg(k, ', ') rows unbounded preceding to current row exclude ties, string_agg(array_item(v, 'n')) rows 1 preceding to current row exclude current row
              project k, v, array_item(v, 'n'), pair_of(v::double precision, d::double precision)
                source file t.csv (csv): k, v, d
