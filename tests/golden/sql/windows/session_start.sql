-- Sessions of several keys that have this bound in common are one group.
-- postgres: SELECT bound, sum(n) FROM (SELECT min(at) AS bound, count(*) AS n FROM (SELECT k, at, sum(first) OVER (PARTITION BY k ORDER BY at) AS s FROM (SELECT k, at, CASE WHEN at - lag(at) OVER (PARTITION BY k ORDER BY at) < interval '20 minutes' THEN 0 ELSE 1 END AS first FROM (SELECT item AS k, at FROM orders UNION ALL SELECT 'all', at FROM orders) AS o) AS x) AS y GROUP BY k, s) AS z GROUP BY bound
CREATE VIEW twice AS SELECT item AS k, at FROM orders UNION ALL SELECT 'all', at FROM orders;
SELECT window_start, count(*) AS n
FROM SESSION(twice, at, INTERVAL '20 minutes', k) GROUP BY window_start;
