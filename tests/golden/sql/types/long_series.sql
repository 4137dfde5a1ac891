-- Longer than a literal of a plan may be.
SELECT count(*) AS n, sum(a.i) AS a, min(b.i) AS b
FROM generate_series(1, 3) AS a(i), generate_series(1, 150000) AS b(i);
