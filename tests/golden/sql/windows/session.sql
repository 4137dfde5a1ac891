-- postgres: SELECT min(at), max(at) + interval '20 minutes', count(*) FROM (SELECT at, sum(first) OVER (ORDER BY at) AS s FROM (SELECT at, CASE WHEN at - lag(at) OVER (ORDER BY at) < interval '20 minutes' THEN 0 ELSE 1 END AS first FROM orders) AS x) AS y GROUP BY s
SELECT window_start, window_end, count(*) AS n
FROM SESSION(orders, at, INTERVAL '20 minutes') GROUP BY window_start, window_end;
