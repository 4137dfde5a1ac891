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
CREATE TABLE p (k text, n bigint) WITH (connector = 'file', path = 'p', format = 'csv');
CREATE VIEW v AS SELECT k, v + 1 AS n FROM t UNION ALL SELECT k, n FROM p;
INSERT INTO o SELECT k, n FROM v WHERE n > 1;
INSERT INTO hole SELECT k, n FROM v
-- PLAN
sink file o (csv)
  filter (n > '1'::bigint)
    union
      project k, (v + 1)::bigint AS n
        source file t.csv (csv): k, v
      source file p (csv): k, n
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

-- CASE a condition that NULL does not meet makes an outer join an inner one
SELECT t.k, o.n FROM t LEFT JOIN o ON t.k = o.k WHERE o.n > 3
-- PLAN
sink stdout
  project k, n
    join on k = k
      [k] source file t.csv (csv): k
      [k] filter (n > '3'::bigint)
        source file o (csv): k, n

-- CASE of both sides
SELECT t.k, o.n FROM t FULL JOIN o ON t.k = o.k WHERE o.n > 3 AND t.v < 5
-- PLAN
sink stdout
  project k, n
    join on k = k
      [k] project k
        filter (v < 5)
          source file t.csv (csv): k, v
      [k] filter (n > '3'::bigint)
        source file o (csv): k, n

-- CASE of one side of a full join
SELECT t.k, o.n FROM t FULL JOIN o ON t.k = o.k WHERE t.v < 5
-- PLAN
sink stdout
  changes: project k, n
    changes: left join on k = k
      [k] project k
        filter (v < 5)
          source file t.csv (csv): k, v
      [k] source file o (csv): k, n

-- CASE what NULL meets keeps the rows without a partner
SELECT t.k, o.n FROM t LEFT JOIN o ON t.k = o.k WHERE coalesce(o.n, 4) > 3 OR o.k IS NULL
-- PLAN
sink stdout
  changes: project k, n
    changes: filter ((coalesce(n, '4'::bigint) > '3'::bigint) OR (k_2 IS NULL))
      changes: left join on k = k
        [k] source file t.csv (csv): k
        [k] source file o (csv): k, n

-- CASE through projections, over a computed value
SELECT a FROM (SELECT t.k AS a, lower(o.k) || 'x' AS b FROM t LEFT JOIN o ON t.k = o.k) AS s WHERE b = 'ax' OR b LIKE 'c%'
-- PLAN
sink stdout
  project a
    filter ((b = 'ax') OR (b ~~ 'c%'))
      project k AS a, (lower(k_2) || 'x') AS b
        join on k = k
          [k] source file t.csv (csv): k
          [k] source file o (csv): k

-- CASE the condition of a join above counts, where its rows come from there
SELECT t.k FROM t LEFT JOIN o ON t.k = o.k JOIN f ON o.n = f.n
-- PLAN
sink stdout
  project k
    join on n = n
      [n] join on k = k
        [k] source file t.csv (csv): k
        [k] source file o (csv): k, n
      [n] source file f (csv): n

-- CASE also of an outer join, for the side that it does not keep
SELECT f.k FROM f LEFT JOIN (t LEFT JOIN o ON t.k = o.k) ON o.n = f.n
-- PLAN
sink stdout
  changes: project k
    changes: left join on n = n
      [n] source file f (csv): k, n
      [n] join on k = k
        [k] source file t.csv (csv): k
        [k] source file o (csv): k, n

-- CASE not for the side that it keeps
SELECT t.k FROM t LEFT JOIN o ON t.k = o.k LEFT JOIN f ON o.n = f.n
-- PLAN
sink stdout
  changes: project k
    changes: left join on n = n
      [n] changes: left join on k = k
        [k] source file t.csv (csv): k
        [k] source file o (csv): k, n
      [n] source file f (csv): n

-- CASE not where somebody else reads the rows
CREATE VIEW both_sides AS SELECT t.k, o.n FROM t LEFT JOIN o ON t.k = o.k;
INSERT INTO hole SELECT k, n FROM both_sides WHERE n > 1;
INSERT INTO hole SELECT k, n FROM both_sides
-- PLAN
sink blackhole
  changes: union
    changes: filter (n > '1'::bigint)
      changes: project k, n
        changes: left join on k = k
          [k] source file t.csv (csv): k
          [k] source file o (csv): k, n
    changes: project k, n (see above)

-- CASE tables are joined in an order in which neighbours have keys
SELECT t.v, f.n FROM t, o, f WHERE t.k = f.k AND f.n = o.n
-- PLAN
sink stdout
  project v, n_2 AS n
    join on n_2 = n
      [n_2] join on k = k
        [k] source file t.csv (csv): k, v
        [k] source file f (csv): k, n
      [n] source file o (csv): n

-- CASE columns come out as they were written
SELECT * FROM o, t, f WHERE o.n = f.n AND f.k = t.k AND o.k < t.k
-- PLAN
sink stdout
  project k, n, k_2, v, d, j, ts, k_3, n_2
    join on k_3 = k and (k < k)
      [k_3] join on n = n
        [n] source file o (csv): k, n
        [n] source file f (csv): k, n
      [k] source file t.csv (csv): k, v, d, j, ts

-- CASE a table that nothing connects comes last
SELECT t.v, f.n FROM t, o, f WHERE t.k = f.k
-- PLAN
sink stdout
  project v, n_2 AS n
    join, all pairs
      join on k = k
        [k] source file t.csv (csv): k, v
        [k] source file f (csv): k, n
      source file o (csv): k

-- CASE nothing is changed where all have keys
SELECT t.v, f.n FROM t, o, f WHERE t.k = o.k AND o.n = f.n AND t.k = f.k
-- PLAN
sink stdout
  project v, n_2 AS n
    join on n = n and k = k
      [n, k] join on k = k
        [k] source file t.csv (csv): k, v
        [k] source file o (csv): k, n
      [n, k] source file f (csv): k, n

-- CASE rows joined with the highest value of their group are its first rank
SELECT a.k, a.v, m.high FROM TUMBLE(t, ts, INTERVAL '1 h') a
  JOIN (SELECT window_start, window_end, max(v) AS high FROM TUMBLE(t, ts, INTERVAL '1 h')
        GROUP BY window_start, window_end) m
  ON a.window_start = m.window_start AND a.window_end = m.window_end AND a.v = m.high
-- PLAN
sink stdout
  project k, v, v AS high
    top ranks 1 by v DESC NULLS LAST per window_start, window_end; once per window
      [window_start, window_end] preselect top ranks 1 by v DESC NULLS LAST per window_start, window_end
        project k, v, window_start, window_end
          filter (window_end IS NOT NULL)
            tumbling windows of 1h 00m over ts
              filter (v IS NOT NULL)
                source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE and with the lowest, the groups first, as changes; what else is asked comes after
SELECT a.v, m.k FROM (SELECT k, min(d) AS low FROM t GROUP BY k) m
  JOIN t a ON m.k IS NOT DISTINCT FROM a.k AND m.low >= a.d AND a.v > length(m.k)
-- PLAN
sink stdout
  changes: project v, k
    changes: filter (v > length(k))
      changes: top ranks 1 by d per k
        [k] preselect top ranks 1 by d per k
          filter (d IS NOT NULL)
            source file t.csv (csv): k, v, d

-- CASE the highest of all, asked in WHERE
SELECT t.k FROM t, (SELECT max(v) AS high FROM t) m WHERE t.v = m.high
-- PLAN
sink stdout
  changes: project k
    [k, v] changes: top ranks 1 by v DESC NULLS LAST
      preselect top ranks 1 by v DESC NULLS LAST
        filter (v IS NOT NULL)
          source file t.csv (csv): k, v

-- CASE not the highest of the same rows
SELECT a.k FROM t a JOIN (SELECT k, max(v) AS high FROM t WHERE v > 1 GROUP BY k) m ON a.k = m.k AND a.v = m.high
-- PLAN
sink stdout
  changes: project k
    changes: join on k = k and v = max(v)
      [k, v] source file t.csv (csv): k, v
      [k, max(v)] changes: aggregate max(v) by k
        [k] pre-aggregate max(v) by k
          filter (v > 1)
            source file t.csv (csv): k, v (see above)

-- CASE not of all keys of the group
SELECT a.k FROM t a JOIN (SELECT k, d, max(v) AS high FROM t GROUP BY k, d) m ON a.k = m.k AND a.v = m.high
-- PLAN
sink stdout
  changes: project k
    changes: join on k = k and v = max(v)
      [k, v] project k, v
        source file t.csv (csv): k, v, d
      [k, max(v)] changes: project k, max(v)
        changes: aggregate max(v) by k, d
          [k, d] pre-aggregate max(v) by k, d
            source file t.csv (csv): k, v, d (see above)

-- CASE not where more of the group is read
SELECT a.k, m.n FROM t a JOIN (SELECT k, max(v) AS high, count(*) AS n FROM t GROUP BY k) m ON a.k = m.k AND a.v = m.high
-- PLAN
sink stdout
  changes: project k, "count(*)" AS n
    changes: join on k = k and v = max(v)
      [k, v] source file t.csv (csv): k, v
      [k, max(v)] changes: aggregate max(v), count(*) by k
        [k] pre-aggregate max(v), count(*) by k
          source file t.csv (csv): k, v (see above)
