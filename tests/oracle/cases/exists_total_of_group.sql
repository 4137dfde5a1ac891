-- EXISTS of a total beside aggregates: a total has a row of nothing, too.
CREATE TABLE t (k text, v int);
CREATE TABLE o (k text, n int);
INSERT INTO t VALUES ('a', 1), ('a', 3), ('b', 2), ('c', 2), (NULL, 5);
INSERT INTO o VALUES ('a', 1), ('a', 2), ('b', NULL), ('x', 5), (NULL, 2);
SELECT k AS c0, sum(v) AS c1 FROM t GROUP BY k HAVING EXISTS (SELECT max(o.n) FROM o WHERE o.k = t.k);
SELECT k AS c0, sum(v) AS c1 FROM t GROUP BY k HAVING NOT EXISTS (SELECT count(*) FROM o WHERE o.k = t.k);
SELECT k AS c0, sum(v) AS c1 FROM t GROUP BY k HAVING EXISTS (SELECT max(o.n) FROM o WHERE o.k = t.k HAVING count(*) = 0);
SELECT k AS c0, sum(v) AS c1 FROM t GROUP BY k HAVING EXISTS (SELECT max(o.n) FROM o WHERE o.k = t.k HAVING max(o.n) > 1);
SELECT k AS c0, sum(v) AS c1, EXISTS (SELECT min(o.n) FROM o WHERE o.k = t.k HAVING min(o.n) IS NULL) AS c2 FROM t GROUP BY k;
SELECT k AS c0, sum(v) AS c1 FROM t GROUP BY k HAVING EXISTS (SELECT max(o.n) FROM o WHERE o.k = 'none');
SELECT k AS c0, sum(v) AS c1 FROM t GROUP BY k HAVING EXISTS (SELECT max(o.n) FROM o WHERE o.k = 'none' HAVING count(*) > 0);
SELECT k AS c0, v AS c1 FROM t WHERE EXISTS (SELECT max(o.n) FROM o WHERE o.k = t.k HAVING max(o.n) = t.v);
