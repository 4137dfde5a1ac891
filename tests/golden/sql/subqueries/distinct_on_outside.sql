-- Aggregates of the query outside in DISTINCT ON and ORDER BY of a subquery are alike.
SELECT k, (SELECT DISTINCT ON (sum(o.v)) y FROM (VALUES (1), (2)) w(y) ORDER BY sum(o.v), y DESC LIMIT 1) AS one,
       (SELECT max(y) FROM (SELECT DISTINCT ON (y % sum(o.v)) y FROM (VALUES (1), (2), (4), (5)) w(y) ORDER BY y % sum(o.v), y) q) AS most,
       ARRAY(SELECT DISTINCT ON (y % sum(o.v)) y FROM (VALUES (1), (2), (4), (5)) w(y) ORDER BY y % sum(o.v), y) AS firsts
FROM (VALUES ('a', 1), ('a', 2), ('b', 3), ('c', 1)) o(k, v) GROUP BY k;
