-- Functions that give rows of what window functions compute, written again in DISTINCT ON and ORDER BY.
SELECT DISTINCT ON (generate_series(1, count(*) OVER (PARTITION BY kind ORDER BY n ROWS 1 PRECEDING)))
       generate_series(1, count(*) OVER (PARTITION BY kind ORDER BY n ROWS 1 PRECEDING)) AS g, kind, n
FROM (VALUES ('a', 1), ('a', 2), ('b', 3), ('b', 4), ('b', 5)) v(kind, n)
ORDER BY generate_series(1, count(*) OVER (PARTITION BY kind ORDER BY n ROWS 1 PRECEDING)), n DESC
