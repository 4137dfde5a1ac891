-- CASE the first rows of all
SELECT k, v FROM t ORDER BY d DESC, v LIMIT 3
-- PLAN
sink stdout
  changes: project k, v
    changes: top 3 by d DESC, v
      preselect top 3 by d DESC, v
        project k, v, d
          source file t.csv (csv): k, v, d

-- CASE an order that is selected needs no column of its own
SELECT v AS x, k FROM t ORDER BY x NULLS FIRST, 2 DESC LIMIT 3 OFFSET 2
-- PLAN
sink stdout
  changes: top 3 to 5 by x NULLS FIRST, k DESC
    preselect top 3 to 5 by x NULLS FIRST, k DESC
      project v AS x, k
        source file t.csv (csv): k, v

-- CASE names of the list go before columns of the table
SELECT v AS k, k AS v FROM t ORDER BY k FETCH FIRST ROW WITH TIES
-- PLAN
sink stdout
  changes: top with ties 1 by k
    preselect top with ties 1 by k
      project v AS k, k AS v
        source file t.csv (csv): k, v

-- CASE over groups, by an aggregate that is not selected
SELECT k FROM t GROUP BY k ORDER BY sum(v) + 1 DESC LIMIT 10
-- PLAN
sink stdout
  changes: project k
    changes: top 10 by ?column? DESC
      changes: project k, ("sum(v)" + '1'::bigint) AS ?column?
        changes: aggregate sum(v) by k
          [k] pre-aggregate sum(v) by k
            source file t.csv (csv): k, v

-- CASE any rows
SELECT k FROM t LIMIT 3
-- PLAN
sink stdout
  changes: top 3
    preselect top 3
      project k
        source file t.csv (csv): k

-- CASE OFFSET alone, LIMIT ALL
SELECT k FROM (SELECT k FROM t ORDER BY v LIMIT ALL OFFSET 2) s
-- PLAN
sink stdout
  changes: project k
    changes: top 3 to the end by v
      project k, v
        source file t.csv (csv): k, v

-- CASE limits without effect
SELECT k FROM t LIMIT ALL OFFSET 0
-- PLAN
sink stdout
  project k
    source file t.csv (csv): k

-- CASE DISTINCT and ORDER BY
SELECT DISTINCT k, v FROM t ORDER BY v LIMIT 3
-- PLAN
sink stdout
  changes: top 3 by v
    preselect top 3 by v
      distinct
        [k, v] project k, v
          source file t.csv (csv): k, v

-- CASE DISTINCT ON
SELECT DISTINCT ON (k) k, v FROM t ORDER BY k, d DESC
-- PLAN
sink stdout
  changes: project k, v
    changes: top 1 by d DESC per k
      [k] preselect top 1 by d DESC per k
        project k, v, d
          source file t.csv (csv): k, v, d

-- CASE DISTINCT ON with a limit of its own
SELECT DISTINCT ON (k) k, v FROM t ORDER BY k DESC, d LIMIT 2
-- PLAN
sink stdout
  changes: project k, v
    changes: top 2 by k DESC, d
      changes: top 1 by d per k
        [k] preselect top 1 by d per k
          project k, v, d
            source file t.csv (csv): k, v, d

-- CASE a condition on the key goes below, others stay
SELECT k FROM (SELECT DISTINCT ON (k) k, v FROM t ORDER BY k, d) s WHERE k > 'a' AND v > 1
-- PLAN
sink stdout
  changes: project k
    changes: filter (v > 1)
      changes: top 1 by d per k
        [k] preselect top 1 by d per k
          project k, v, d
            filter (k > 'a')
              source file t.csv (csv): k, v, d

-- CASE conditions stay above a limit
SELECT k FROM (SELECT k, v FROM t ORDER BY v LIMIT 5) s WHERE k > 'a'
-- PLAN
sink stdout
  changes: project k
    changes: filter (k > 'a')
      changes: top 5 by v
        preselect top 5 by v
          project k, v
            source file t.csv (csv): k, v

-- CASE set operations order by names and positions
SELECT k, v FROM t UNION ALL SELECT k, n FROM o ORDER BY v, 1 LIMIT 4
-- PLAN
sink stdout
  changes: top 4 by v, k
    preselect top 4 by v, k
      union
        project k, v::bigint AS v
          source file t.csv (csv): k, v
        source file o (csv): k, n

-- CASE VALUES
VALUES (1, 'a'), (2, 'b') ORDER BY column2 DESC LIMIT 1
-- PLAN
sink stdout
  changes: top 1 by column2 DESC
    preselect top 1 by column2 DESC
      project CASE WHEN (n = '1'::bigint) THEN 1 ELSE 2 END AS column1, CASE WHEN (n = '1'::bigint) THEN 'a' ELSE 'b' END AS column2
        source sequence: n

-- CASE rows that leave once leave in order
INSERT INTO f SELECT k, v FROM t ORDER BY d
-- PLAN
sink file f (csv)
  project k, v::bigint AS n
    sort by d; once, at the end
      project k, v, d
        source file t.csv (csv): k, v, d

-- CASE the first rows, once
INSERT INTO f SELECT k, count(*) FROM t GROUP BY k ORDER BY 2 DESC LIMIT 5
-- PLAN
sink file f (csv)
  project k, "count(*)" AS n
    top 5 by count(*) DESC; once, at the end
      preselect top 5 by count(*) DESC
        aggregate count(*) by k; once, at the end
          [k] pre-aggregate count(*) by k
            source file t.csv (csv): k

-- CASE the first rows of each window leave when it ends
INSERT INTO o SELECT DISTINCT ON (window_end) k, n
FROM (SELECT k, window_end, count(*) AS n FROM TUMBLE(t, ts, INTERVAL '1 hour') GROUP BY k, window_start, window_end) s
ORDER BY window_end, n DESC
-- PLAN
sink file o (csv)
  project k, n
    top 1 by n DESC per window_end; once per window
      [window_end] preselect top 1 by n DESC per window_end
        project k, "count(*)" AS n, window_end
          aggregate count(*) by k, window_start, window_end; once per window
            [k, window_start, window_end] pre-aggregate count(*) by k, window_start, window_end
              tumbling windows of 1h 00m over ts
                source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE subqueries in ORDER BY
SELECT k, v FROM t ORDER BY (SELECT max(n) FROM o WHERE o.k = t.k), v LIMIT 3
-- PLAN
sink stdout
  changes: project k, v
    changes: top 3 by max, v
      changes: project k, v, value AS max
        changes: left join on k = for
          [k] source file t.csv (csv): k, v
          [for] changes: project "max(n)" AS value, k AS for
            changes: aggregate max(n) by k
              [k] pre-aggregate max(n) by k
                filter (k = k)
                  source file o (csv): k, n

-- CASE subqueries in DISTINCT ON
SELECT DISTINCT ON ((SELECT max(n) FROM o WHERE o.k = t.k)) k, v FROM t
-- PLAN
sink stdout
  changes: project k, v
    changes: top 1 per max
      [max] changes: project k, v, value AS max
        changes: left join on k = for
          [k] source file t.csv (csv): k, v
          [for] changes: project "max(n)" AS value, k AS for
            changes: aggregate max(n) by k
              [k] pre-aggregate max(n) by k
                filter (k = k)
                  source file o (csv): k, n

-- CASE equal subqueries are one value
SELECT DISTINCT ON ((SELECT max(n) FROM o WHERE o.k = t.k)) (SELECT max(n) FROM o WHERE o.k = t.k) AS c, v FROM t ORDER BY c, v
-- PLAN
sink stdout
  changes: top 1 by v per c
    [c] changes: project value AS c, v
      changes: left join on k = for
        [k] source file t.csv (csv): k, v
        [for] changes: project "max(n)" AS value, k AS for
          changes: aggregate max(n) by k
            [k] pre-aggregate max(n) by k
              filter (k = k)
                source file o (csv): k, n
