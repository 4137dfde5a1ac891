SELECT *, sum(n) OVER (PARTITION BY machine ORDER BY at RANGE BETWEEN INTERVAL '30 minutes' PRECEDING AND CURRENT ROW) AS recent,
  lag(s69) OVER (PARTITION BY machine ORDER BY at, n) AS before FROM readings;
