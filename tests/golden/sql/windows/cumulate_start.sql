-- The start alone: the windows of all ends are one group.
-- postgres: SELECT date_trunc('day', at), count(*), max(price) FROM generate_series(timestamp '2024-03-01 03:00', '2024-03-02 00:00', '3 hours') AS e, orders WHERE at < e GROUP BY 1
SELECT window_start, count(*) AS n, max(price) AS dearest
FROM CUMULATE(orders, at, INTERVAL '3 hours', INTERVAL '1 day') GROUP BY window_start;
