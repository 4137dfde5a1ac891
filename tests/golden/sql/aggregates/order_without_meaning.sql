-- Aggregates whose result does not depend on the order of their rows take ORDER BY all the same.
SELECT k, count(x ORDER BY y) AS n, sum(x ORDER BY y DESC, x) AS s, min(x ORDER BY y) AS low, avg(x ORDER BY 1)::int AS mean, bool_and(x > 0 ORDER BY y) AS above,
       count(DISTINCT x ORDER BY x) AS kinds, sum(DISTINCT x ORDER BY x DESC) AS once, corr(x, y ORDER BY x + y) AS r,
       max(y ORDER BY x || 'a') FILTER (WHERE x > 1) AS high
FROM (VALUES ('a', 1, 2), ('a', 2, 4), ('a', 2, 5), ('a', NULL, 1), ('b', 3, 3)) AS v(k, x, y) GROUP BY k;
