-- A window function left of IN, ANY, ALL (SELECT ...).
CREATE TABLE t (k text, v int);
CREATE TABLE u (x int, k text);
INSERT INTO t VALUES ('a', 1), ('a', 3), ('b', 2), ('b', NULL), (NULL, 9), ('c', 5);
INSERT INTO u VALUES (1, 'a'), (3, 'b'), (5, NULL), (2, 'b');
SELECT k AS c0, v AS c1, row_number() OVER (ORDER BY v) IN (SELECT x FROM u) AS c2 FROM t;
SELECT k AS c0, v AS c1, rank() OVER (PARTITION BY k ORDER BY v) NOT IN (SELECT x FROM u WHERE u.k = t.k) AS c2 FROM t;
SELECT k AS c0, v AS c1, sum(v) OVER (PARTITION BY k) > ANY (SELECT x FROM u) AS c2, lag(v) OVER (ORDER BY v, k) <= ALL (SELECT x FROM u WHERE u.x > 1) AS c3 FROM t;
SELECT k AS c0, CASE WHEN (row_number() OVER (ORDER BY v), k) IN (SELECT x, k FROM u) THEN 'in' ELSE 'out' END AS c1 FROM t;
SELECT k AS c0, (sum(v) OVER (PARTITION BY k), 'b') = (SELECT max(x), 'b' FROM u WHERE u.k = t.k) AS c1 FROM t;
SELECT k AS c0, sum(v) AS c1, rank() OVER (ORDER BY sum(v)) IN (SELECT x FROM u) AS c2 FROM t GROUP BY k;
SELECT k AS c0, rank() OVER (ORDER BY sum(v)) IN (SELECT x FROM u WHERE u.k = t.k) AS c1, count(*) IN (SELECT x FROM u) AS c2 FROM t GROUP BY k;
SELECT k AS c0, v AS c1 FROM t ORDER BY row_number() OVER (ORDER BY v) IN (SELECT x FROM u), k, v LIMIT 3;
SELECT DISTINCT row_number() OVER (ORDER BY v) IN (SELECT x FROM u) AS c0 FROM t;
SELECT k AS c0, (SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY x) IN (SELECT v FROM t) AS found FROM u WHERE u.k = o.k) AS s WHERE found) AS c1 FROM t AS o;
SELECT v AS c0, (SELECT count(*) + row_number() OVER () FROM u WHERE u.x = t.v) AS c1 FROM t;
SELECT v AS c0, (SELECT sum(count(*)) OVER () + 1 FROM u WHERE u.x = t.v) AS c1, (SELECT rank() OVER (ORDER BY max(x)) IN (SELECT v FROM t) FROM u WHERE u.k = t.k) AS c2 FROM t;
SELECT v AS c0 FROM t WHERE (SELECT first_value(count(*)) OVER () FROM u WHERE u.x = t.v HAVING count(*) < 1) = 0;
