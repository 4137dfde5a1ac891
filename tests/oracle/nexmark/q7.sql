SELECT auction, price, bidder, date_time, extra
FROM (
  SELECT *, max(price) OVER (PARTITION BY date_bin('10 seconds', date_time, '2000-01-01')) AS highest
  FROM bid
) AS b
WHERE price = highest;
