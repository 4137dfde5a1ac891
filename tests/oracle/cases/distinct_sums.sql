-- sum and avg of distinct values, over rows that come and go.
CREATE TABLE t (k text, i int, b bigint, n numeric, d float8);
INSERT INTO t VALUES ('a', 1, 10, 1.5, 0.5), ('a', 1, 10, 1.50, 0.5), ('a', 2, 20, 2.25, 1.5), ('b', NULL, NULL, NULL, NULL), ('b', 7, 70, 7, 7), ('c', NULL, NULL, NULL, NULL), (NULL, 4, 40, 0.5, 4);
SELECT k AS c0, sum(DISTINCT i) AS c1, sum(DISTINCT b) AS c2, sum(DISTINCT n) AS c3, sum(DISTINCT d) AS c4 FROM t GROUP BY k;
SELECT k AS c0, avg(DISTINCT d) AS c1, sum(i) AS c2, count(DISTINCT i) AS c3 FROM t GROUP BY k;
SELECT sum(DISTINCT i) AS c0, sum(DISTINCT i) FILTER (WHERE k = 'a') AS c1, sum(DISTINCT i % 2) AS c2 FROM t;
SELECT sum(DISTINCT i) AS c0 FROM t WHERE k = 'none';
SELECT sum(DISTINCT m) AS c0 FROM (SELECT k, max(i) AS m FROM t GROUP BY k) s;
SELECT k AS c0, (SELECT sum(DISTINCT i) FROM t o WHERE o.i > t.i) AS c1 FROM t;
