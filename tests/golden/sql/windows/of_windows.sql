-- The busiest hour of the day, out of the hours' counts.
-- postgres: SELECT date '2024-03-01', max(n) FROM (SELECT count(*) AS n FROM orders GROUP BY date_trunc('hour', at)) AS h
CREATE VIEW hours AS
  SELECT window_end AS until, count(*) AS n FROM TUMBLE(orders, at, INTERVAL '1 hour') GROUP BY window_end;
SELECT window_start::date AS day, max(n) AS busiest
FROM TUMBLE(hours, until, INTERVAL '1 day') GROUP BY window_start;
