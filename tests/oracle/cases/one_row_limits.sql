-- An aggregate without GROUP BY has a row over nothing, also behind LIMIT and OFFSET 0.
CREATE TABLE t (k text, v int);
CREATE TABLE o (k text, n int);
INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', NULL);
INSERT INTO o VALUES ('a', 1), ('a', 2);
SELECT k AS c0 FROM t WHERE EXISTS (SELECT min(n) FROM o WHERE o.k = t.k ORDER BY 1 LIMIT 1 OFFSET 0);
SELECT k AS c0 FROM t WHERE EXISTS (SELECT min(n) FROM o WHERE o.k = t.k LIMIT 1);
SELECT k AS c0 FROM t WHERE EXISTS (SELECT min(n) FROM o WHERE o.k = t.k OFFSET 1);
SELECT k AS c0 FROM t WHERE NOT EXISTS (SELECT min(n) FROM o WHERE o.k = t.k LIMIT 0);
SELECT k AS c0, (SELECT count(*) FROM o WHERE o.k = t.k OFFSET 0) AS c1, (SELECT count(*) FROM o WHERE o.k = t.k LIMIT 0) AS c2 FROM t;
SELECT k AS c0 FROM t WHERE v <> ALL (SELECT count(*) FROM o WHERE o.k = t.k LIMIT 3 OFFSET 0);
