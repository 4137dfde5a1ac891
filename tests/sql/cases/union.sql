-- CASE union all
SELECT k, v FROM t UNION ALL SELECT k, n FROM o
-- PLAN
sink stdout
  union
    project k, v::bigint AS v
      source file t.csv (csv): k, v
    source file o (csv): k, n

-- CASE union keeps each row once, in one step for a chain
SELECT k FROM t UNION SELECT k FROM o UNION ALL SELECT 'x' UNION SELECT k FROM f
-- PLAN
sink stdout
  distinct
    [k] union
      project k
        source file t.csv (csv): k
      project k
        source file o (csv): k
      project 'x' AS ?column?
        source sequence: n
      project k
        source file f (csv): k

-- CASE types are unified from left to right
SELECT v FROM t UNION ALL SELECT d FROM t UNION ALL SELECT '5'
-- PLAN
sink stdout
  union
    project v::decimal(38,2) AS v
      source file t.csv (csv): v, d
    project d
      source file t.csv (csv): v, d (see above)
    project 5.00 AS ?column?
      source sequence: n

-- CASE literals of all sides are text
SELECT 'a' AS x UNION ALL SELECT NULL
-- PLAN
sink stdout
  union
    project 'a' AS x
      source sequence: n
    project NULL AS ?column?
      source sequence: n (see above)

-- CASE types that do not match
SELECT v FROM t UNION ALL SELECT k FROM t
-- ERRORS
job.sql:1:34: error: UNION types integer and text cannot be matched
   1 | SELECT v FROM t UNION ALL SELECT k FROM t
     |                                  ^

-- CASE numbers of columns
SELECT v, k FROM t UNION SELECT k FROM t
-- ERRORS
job.sql:1:33: error: each UNION query must have the same number of columns
   1 | SELECT v, k FROM t UNION SELECT k FROM t
     |                                 ^

-- CASE unions in subqueries and with WITH
WITH w AS (SELECT k FROM t UNION ALL SELECT k FROM o) SELECT k, count(*) FROM w GROUP BY k
-- PLAN
sink stdout
  changes: project k, "count(*)" AS count
    changes: aggregate count(*) by k
      [k] pre-aggregate count(*) by k
        union
          project k
            source file t.csv (csv): k
          project k
            source file o (csv): k
