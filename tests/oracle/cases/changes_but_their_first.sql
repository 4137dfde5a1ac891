-- Both sides change, and the first rows leave one task for many: no change may overtake the one it takes back.
CREATE TABLE t (n numeric(12, 2), f float8);
INSERT INTO t VALUES (1.5, 1), (2.5, 1), (NULL, 2), (3.25, 3), (0.5, 3), (-1.25, 4), (-7.5, 4), (2.5, 5), (0, 6),
  (4.5, 7), (1, 7), (0.75, 8), (NULL, 9), (-0.85, 10), (-3.5, 10), (9.5, 11), (8.5, 11), (-2.25, 12), (-1.75, 12), (6, 13);
CREATE VIEW v AS SELECT max(n - 2.25) AS c0 FROM t GROUP BY f;
(SELECT c0 FROM v) EXCEPT (SELECT c0 FROM v ORDER BY c0 NULLS FIRST LIMIT 5);
(SELECT c0 FROM v) EXCEPT ALL (SELECT c0 FROM v ORDER BY c0 DESC NULLS LAST LIMIT 3);
SELECT sum(c0) AS c0, count(*) AS c1 FROM (SELECT c0 FROM v ORDER BY c0 NULLS FIRST LIMIT 5) AS x UNION ALL SELECT sum(c0), count(*) FROM v;
