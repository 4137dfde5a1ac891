-- A correlated subquery that aggregates without GROUP BY has a row for every outer row, also where nothing matches; HAVING may
-- take it away.
CREATE TABLE t0 (i0 int, s0 text);
CREATE TABLE t1 (i0 int, i1 int);
INSERT INTO t0 VALUES (1, 'a'), (2, 'b'), (3, 'c'), (NULL, 'd');
INSERT INTO t1 VALUES (1, 1), (1, 5), (2, NULL);
SELECT s0 AS c0 FROM t0 WHERE EXISTS (SELECT max(i1) FROM t1 WHERE t1.i0 = t0.i0);
SELECT s0 AS c0 FROM t0 WHERE NOT EXISTS (SELECT max(i1) FROM t1 WHERE t1.i0 = t0.i0);
SELECT s0 AS c0, EXISTS (SELECT max(i1) FROM t1 WHERE t1.i0 = t0.i0) AS c1 FROM t0;
SELECT s0 AS c0 FROM t0 WHERE i0 IN (SELECT max(i1) FROM t1 WHERE t1.i0 = t0.i0);
SELECT s0 AS c0 FROM t0 WHERE i0 NOT IN (SELECT max(i1) FROM t1 WHERE t1.i0 < t0.i0);
SELECT s0 AS c0 FROM t0 WHERE NOT i0 NOT IN (SELECT max(i1) FROM t1 WHERE t1.i0 < t0.i0);
SELECT s0 AS c0, i0 NOT IN (SELECT max(i1) FROM t1 WHERE t1.i0 = t0.i0) AS c1 FROM t0;
SELECT s0 AS c0, i0 > ANY (SELECT count(*) FROM t1 WHERE t1.i0 = t0.i0) AS c1 FROM t0;
SELECT s0 AS c0 FROM t0 WHERE 0 = ALL (SELECT count(*) FROM t1 WHERE t1.i0 = t0.i0);
SELECT s0 AS c0 FROM t0 WHERE EXISTS (SELECT count(*) FROM t1 WHERE t1.i0 = t0.i0 HAVING count(*) = 0);
SELECT s0 AS c0 FROM t0 WHERE NOT EXISTS (SELECT count(*) FROM t1 WHERE t1.i0 = t0.i0 HAVING max(i1) > 1);
SELECT s0 AS c0, (SELECT count(*) FROM t1 WHERE t1.i0 = t0.i0 HAVING count(*) <> 1) AS c1 FROM t0;
SELECT s0 AS c0, i0 IN (SELECT count(*) FROM t1 WHERE t1.i0 = t0.i0 HAVING count(*) <> 2) AS c1 FROM t0;
SELECT s0 AS c0, i0 <> ALL (SELECT max(i1) FROM t1 WHERE t1.i0 = t0.i0 HAVING count(*) > 0) AS c1 FROM t0;
SELECT t0.s0 AS c0, x.n AS c1 FROM t0 CROSS JOIN LATERAL (SELECT count(*) AS n FROM t1 WHERE t1.i0 = t0.i0 HAVING count(*) <> 1) AS x;
SELECT t0.s0 AS c0, x.n AS c1 FROM t0 LEFT JOIN LATERAL (SELECT count(*) AS n FROM t1 WHERE t1.i0 = t0.i0 HAVING count(*) <> 1) AS x ON x.n < 2;
