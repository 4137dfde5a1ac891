-- Each bid is in five windows; of each window, the auctions with the most bids.
SELECT auction, num, starttime, starttime + INTERVAL '10 seconds'
FROM (
  SELECT *, max(num) OVER (PARTITION BY starttime) AS most
  FROM (
    SELECT auction, w AS starttime, count(*) AS num
    FROM bid,
         generate_series(date_bin('2 seconds', date_time, '2000-01-01') - INTERVAL '8 seconds',
                         date_bin('2 seconds', date_time, '2000-01-01'), INTERVAL '2 seconds') AS w
    GROUP BY auction, w
  ) AS counts
) AS ranked
WHERE num = most;
