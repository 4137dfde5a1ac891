-- CASE constants are folded, conditions that always hold are gone
SELECT v + (1 + 2) AS x FROM t WHERE 1 < 2 AND v > 10 * 10
-- PLAN
sink stdout
  project (v + 3) AS x
    filter (v > 100)
      source file t.csv (csv): v

-- CASE a condition through a projection of columns
SELECT a FROM (SELECT k AS a, v AS b FROM t) s WHERE b > 1
-- PLAN
sink stdout
  project k AS a
    filter (v > 1)
      source file t.csv (csv): k, v

-- CASE not through a computed column
SELECT a FROM (SELECT v + 1 AS a FROM t) s WHERE a > 1
-- PLAN
sink stdout
  filter (a > 1)
    project (v + 1) AS a
      source file t.csv (csv): v

-- CASE filters that meet become one, the inner condition first
SELECT k FROM (SELECT k, v FROM t WHERE v <> 0) s WHERE 10 / v > 1
-- PLAN
sink stdout
  project k
    filter ((v <> 0) AND ((10 / v) > 1))
      source file t.csv (csv): k, v

-- CASE through a union, in each input's columns
SELECT x FROM (SELECT k AS x, v FROM t UNION ALL SELECT k, 1 FROM o) s WHERE v > 1
-- PLAN
sink stdout
  project x
    union
      project k AS x
        filter (v > 1)
          source file t.csv (csv): k, v
      project k
        filter false
          source file o (csv): k

-- CASE through distinct
SELECT k FROM (SELECT DISTINCT k, v FROM t) s WHERE v > 1
-- PLAN
sink stdout
  project k
    distinct
      [k, v] project k, v
        filter (v > 1)
          source file t.csv (csv): k, v

-- CASE conditions on keys below the aggregate, others above
SELECT k, count(*) FROM t GROUP BY k HAVING k > 'a' AND count(*) > 1
-- PLAN
sink stdout
  changes: project k, "count(*)" AS count
    changes: filter ("count(*)" > '1'::bigint)
      changes: aggregate count(*) by k
        [k] pre-aggregate count(*) by k
          filter (k > 'a')
            source file t.csv (csv): k

-- CASE not below an aggregate without keys
SELECT n FROM (SELECT count(*) AS n FROM t) s WHERE 1 > 2
-- PLAN
sink stdout
  changes: project "count(*)" AS n
    changes: filter false
      changes: aggregate count(*)
        pre-aggregate count(*)
          source file t.csv (csv): k

-- CASE below a window, unless it reads its bounds
SELECT k FROM TUMBLE(t, ts, INTERVAL '1 h') WHERE v > 1 AND window_start > '2013-01-01'
-- PLAN
sink stdout
  project k
    filter (window_start > '2013-01-01 00:00:00'::timestamp)
      tumbling windows of 1h 00m over ts
        filter (v > 1)
          source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE below a flat map, unless it reads the element
SELECT w FROM t, words(k) AS w WHERE v > 1 AND w <> 'a'
-- PLAN
sink stdout
  project w
    filter (w <> 'a')
      flat_map words(k) AS w
        filter (v > 1)
          source file t.csv (csv): k, v

-- CASE not where others read the same rows
CREATE VIEW v AS SELECT k, v + 1 AS n FROM t UNION ALL SELECT k, n FROM o;
INSERT INTO o SELECT k, n FROM v WHERE n > 1;
INSERT INTO hole SELECT k, n FROM v
-- PLAN
sink file o (csv)
  filter (n > '1'::bigint)
    union
      project k, (v + 1)::bigint AS n
        source file t.csv (csv): k, v
      source file o (csv): k, n
sink blackhole
  union (see above)

-- CASE equal parts of two inserts are one
INSERT INTO o SELECT k, count(*) FROM TUMBLE(t, ts, INTERVAL '1 h') WHERE v > 0 GROUP BY k, window_start;
INSERT INTO hole SELECT k, count(*) FROM TUMBLE(t, ts, INTERVAL '1 h') WHERE v > 0 GROUP BY k, window_start
-- PLAN
sink file o (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k, window_start, window_end; once per window
      [k, window_start, window_end] pre-aggregate count(*) by k, window_start, window_end
        tumbling windows of 1h 00m over ts
          filter (v > 0)
            source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order
sink blackhole
  project k, "count(*)" AS n (see above)

-- CASE projections become one
SELECT a + 1 AS b FROM (SELECT v * 2 AS a FROM t) s
-- PLAN
sink stdout
  project ((v * 2) + 1) AS b
    source file t.csv (csv): v
