-- What ORDER BY, DISTINCT ON and GROUP BY of a subquery call by its own columns' names is nothing of the query around it.
CREATE TABLE t (i int, c0 int, c1 int);
CREATE TABLE o (k int, n int);
INSERT INTO t VALUES (1, 1, 10), (1, 1, 20), (2, 2, NULL), (3, NULL, 30);
INSERT INTO o VALUES (1, 5), (1, 7), (2, 5);
SELECT min(c1) AS c0 FROM t GROUP BY c0 HAVING EXISTS (SELECT DISTINCT ON (o.n) o.n AS c0, o.k AS c1 FROM o ORDER BY c0, c1);
SELECT c0 AS c0, (SELECT o.n AS c1 FROM o ORDER BY c1 DESC LIMIT 1) AS c1 FROM t GROUP BY c0;
SELECT i AS c0, (SELECT max(n) FROM (SELECT o.k AS c0, sum(n) AS n FROM o GROUP BY c0) AS s WHERE s.c0 = t.i) AS c1 FROM t;
SELECT i AS c0 FROM t WHERE EXISTS (SELECT o.k AS c0 FROM o UNION SELECT 3 ORDER BY c0 LIMIT 1);
