-- What came back within two hours, by the hour of its order; the join's watermark is two hours behind.
-- postgres: SELECT date_trunc('hour', o.at), count(*), count(r.reason) FROM orders AS o LEFT JOIN returns AS r ON r.order_id = o.id AND r.at BETWEEN o.at AND o.at + INTERVAL '2 hours' GROUP BY 1
CREATE VIEW outcomes AS
  SELECT o.at, r.reason FROM orders AS o LEFT JOIN returns AS r
    ON r.order_id = o.id AND r.at BETWEEN o.at AND o.at + INTERVAL '2 hours';
SELECT window_start AS hour, count(*) AS orders, count(reason) AS came_back
FROM TUMBLE(outcomes, at, INTERVAL '1 hour') GROUP BY window_start;
