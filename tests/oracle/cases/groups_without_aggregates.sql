-- A group that had no aggregate came out anew with every batch that touched it.
CREATE TABLE t0 (i0 int, d0 date);
INSERT INTO t0 VALUES (2, NULL), (2, '2024-01-04'), (3, NULL), (2, NULL);
SELECT x1.i0 AS c0 FROM t0 AS x1 GROUP BY x1.i0;
SELECT count(*) AS c0 FROM (SELECT x1.i0 FROM t0 AS x1 GROUP BY x1.i0) AS x2;
