-- Window functions that read no column of rows of which nothing else is read.
CREATE TABLE t (k text, v int);
CREATE TABLE o (k text, v int);
INSERT INTO t VALUES ('a', 1), ('b', 2), ('a', 1);
SELECT count(*) OVER () AS c0, upper('a') AS c1 FROM t;
SELECT count(*) OVER () AS c0 FROM t;
SELECT count(*) OVER () AS c0 FROM o;
SELECT x.n AS c0 FROM t, LATERAL (SELECT count(*) OVER () AS n FROM o AS y GROUP BY y.k) AS x;
SELECT count(*) OVER () AS c0 FROM t AS a JOIN t AS b ON a.v < b.v;
