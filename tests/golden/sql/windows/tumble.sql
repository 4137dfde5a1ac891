-- postgres: SELECT date_trunc('hour', at), item, count(*), sum(qty) FROM orders GROUP BY 1, 2
SELECT window_start, item, count(*) AS n, sum(qty) AS qty
FROM TUMBLE(orders, at, INTERVAL '1 hour') GROUP BY window_start, item;
