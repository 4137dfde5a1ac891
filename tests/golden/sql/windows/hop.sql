-- postgres: SELECT w, w + interval '1 hour', count(*) FROM generate_series(timestamp '2024-03-01 08:00', '2024-03-01 13:00', '30 minutes') AS w, orders WHERE at >= w AND at < w + interval '1 hour' GROUP BY w
SELECT window_start, window_end, count(*) AS n
FROM HOP(orders, at, INTERVAL '30 minutes', INTERVAL '1 hour') GROUP BY window_start, window_end;
