-- DISTINCT ON in a subquery whose list has a column of the query around it that equals a key.
CREATE TABLE t (k int, v int);
CREATE TABLE u (k int, v int);
INSERT INTO t VALUES (1, 2), (1, 3), (2, 3), (NULL, 4);
INSERT INTO u VALUES (1, 7), (2, 8), (3, 9), (NULL, 1);
SELECT b.k AS c0, b.v AS c1 FROM u AS b WHERE EXISTS (SELECT DISTINCT ON (a.k) b.k AS c0, a.k AS c1 FROM t AS a WHERE a.k = b.k ORDER BY c1);
SELECT b.k AS c0, b.v IN (SELECT DISTINCT ON (a.k) a.v + 5 FROM t AS a WHERE a.k = b.k ORDER BY a.k, a.v DESC) AS c1 FROM u AS b;
SELECT b.k AS c0, x.c1, x.c2 FROM u AS b, LATERAL (SELECT DISTINCT ON (a.k) b.k AS c1, a.v AS c2 FROM t AS a WHERE a.k = b.k ORDER BY a.k, a.v) AS x;
