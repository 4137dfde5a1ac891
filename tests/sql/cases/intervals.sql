-- CASE groups of intervals are those of their canonical form, and show the first that came
SELECT ts - timestamp '2024-01-01' AS i, count(*) FROM t GROUP BY 1
-- PLAN
sink stdout
  changes: project "first (ts - '2024-01-01 00:00:00'::timestamp)" AS i, "count(*)" AS count
    changes: aggregate count(*), first((ts - '2024-01-01 00:00:00'::timestamp)) by key canonical (ts - '2024-01-01 00:00:00'::timestamp)
      [key canonical (ts - '2024-01-01 00:00:00'::timestamp)] pre-aggregate count(*), first((ts - '2024-01-01 00:00:00'::timestamp)) by key canonical (ts - '2024-01-01 00:00:00'::timestamp)
        project canonical_of((ts - '2024-01-01 00:00:00'::timestamp)) AS key canonical (ts - '2024-01-01 00:00:00'::timestamp), ts
          source file t.csv (csv): ts

-- CASE DISTINCT over intervals only grows where its input does
CREATE TABLE waits (k text, i interval) WITH (connector = 'file', path = 'w', format = 'csv');
INSERT INTO waits SELECT DISTINCT k, ts - timestamp '2024-01-01' FROM t
-- PLAN
sink file w (csv)
  project k, "first ?column?" AS i
    aggregate first("?column?") by key k, key canonical ?column?
      [key k, key canonical ?column?] pre-aggregate first("?column?") by key k, key canonical ?column?
        project k AS key k, canonical_of("?column?") AS key canonical ?column?, ?column?
          project k, (ts - '2024-01-01 00:00:00'::timestamp) AS ?column?
            source file t.csv (csv): k, ts

-- CASE joins on intervals are keyed by their canonical form
SELECT a.k FROM t a JOIN t b ON a.ts - timestamp '2024-01-01' = b.ts - timestamp '2023-01-01'
-- PLAN
sink stdout
  project k
    join on key 1 = key 1
      [key 1] project k, canonical_of((ts - '2024-01-01 00:00:00'::timestamp)) AS key 1
        source file t.csv (csv): k, ts
      [key 1] project canonical_of((ts - '2023-01-01 00:00:00'::timestamp)) AS key 1
        source file t.csv (csv): k, ts (see above)

-- CASE partitions
SELECT k, count(*) OVER (PARTITION BY i) FROM (SELECT k, v, ts - timestamp '2024-01-01' AS i FROM t) AS s
-- PLAN
sink stdout
  changes: project k, "count(*)" AS count
    changes: over (canonical i): count(*)
      [canonical i] project k, canonical_of(i) AS canonical i
        project k, (ts - '2024-01-01 00:00:00'::timestamp) AS i
          source file t.csv (csv): k, ts

-- CASE first rows
SELECT DISTINCT ON (i) k, i FROM (SELECT k, v, ts - timestamp '2024-01-01' AS i FROM t) AS s ORDER BY i, v
-- PLAN
sink stdout
  changes: project k, i
    changes: top 1 by v per canonical i
      [canonical i] preselect top 1 by v per canonical i
        project k, i, v, canonical_of(i) AS canonical i
          project k, (ts - '2024-01-01 00:00:00'::timestamp) AS i, v
            source file t.csv (csv): k, v, ts

-- CASE counts of distinct ones
SELECT k, count(DISTINCT ts - timestamp '2024-01-01') FROM t GROUP BY k
-- PLAN
sink stdout
  changes: project k, "count(DISTINCT (ts - '2024-01-01 00:00:00'::timestamp))" AS count
    changes: aggregate count(DISTINCT canonical_of((ts - '2024-01-01 00:00:00'::timestamp))) by k
      [k] source file t.csv (csv): k, ts
