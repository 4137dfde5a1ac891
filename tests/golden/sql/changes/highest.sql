-- What was the highest is taken back.
SELECT max(n) AS high, min(n) AS low, array_agg(item ORDER BY item, n) AS items FROM stock;
