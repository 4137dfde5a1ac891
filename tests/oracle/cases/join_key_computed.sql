-- The side of a join that is one column wider than needed lost its computed key: the other column stood for it.
CREATE TABLE t0 (i0 int, i1 int, s0 text, n0 numeric(12, 2));
INSERT INTO t0 VALUES (1, 2, 'a', 1.00), (2, 1, 'b', 2.00), (3, 3, 'c', 3.50), (2, NULL, NULL, NULL);
CREATE VIEW v0 AS SELECT x3.i0 AS c0, x3.n0 AS c1 FROM t0 AS x1 CROSS JOIN t0 AS x2 JOIN t0 AS x3 ON x1.i1 = x3.n0;
SELECT x1.i0 AS c0, (SELECT sum(x2.c0) AS c0 FROM v0 AS x2 JOIN t0 AS x3 ON x2.c1 = x3.i0) AS c1 FROM t0 AS x1;
SELECT x1.s0 AS c0, x2.i1 AS c1 FROM t0 AS x1 JOIN t0 AS x2 ON x1.i0 + 1 = x2.i1 - 1;
