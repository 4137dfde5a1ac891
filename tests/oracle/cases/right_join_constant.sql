-- A condition that reads nothing, behind a RIGHT JOIN, and sides of which nothing is read.
CREATE TABLE t0 (i0 int, s0 text);
CREATE TABLE t1 (i0 int, n0 numeric(12, 2));
INSERT INTO t0 VALUES (1, 'a'), (2, 'b'), (NULL, 'c');
INSERT INTO t1 VALUES (1, 1.5), (1, 2.5), (7, NULL);
SELECT t0.s0 AS c0, t1.n0 AS c1 FROM t0 RIGHT JOIN t1 ON t0.i0 = t1.i0 WHERE 2 > 1;
SELECT t0.s0 AS c0, t1.n0 AS c1 FROM t0 RIGHT JOIN t1 ON t0.i0 = t1.i0 WHERE 3 NOT IN (3);
SELECT 1 AS c0 FROM t0 AS x1 RIGHT JOIN t1 AS x2 ON x1.i0 IN (2, 3);
SELECT x1.c0 AS c0, x1.c1 AS c1, (SELECT count(*) FROM t1 CROSS JOIN t0) AS c2
  FROM (SELECT max(n0) AS c0, min(i0) AS c1 FROM t1) AS x1 RIGHT JOIN t0 AS x2 ON x1.c1 IN (1, 2);
