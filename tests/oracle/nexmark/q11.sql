-- A session goes on while the next bid comes within 10 seconds; it ends 10 seconds after its last bid.
WITH marked AS (
  SELECT bidder, date_time,
         coalesce(date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) >
                  INTERVAL '10 seconds', true) AS begins
  FROM bid
), numbered AS (
  SELECT bidder, date_time,
         count(*) FILTER (WHERE begins) OVER (PARTITION BY bidder ORDER BY date_time) AS session
  FROM marked
)
SELECT bidder, count(*), min(date_time), max(date_time) + INTERVAL '10 seconds'
FROM numbered
GROUP BY bidder, session;
