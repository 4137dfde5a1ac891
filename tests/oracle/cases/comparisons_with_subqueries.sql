-- Comparisons by ANY and ALL with a subquery were conditions of WHERE only, but for = ANY and <> ALL.
CREATE TABLE t (a int, b text, g int);
INSERT INTO t VALUES (1, 'a', 1), (5, 'b', 1), (7, NULL, 2), (NULL, 'c', 2), (3, 'd', NULL);
CREATE TABLE u (i int, s text);
INSERT INTO u VALUES (3, 'b'), (5, 'b'), (5, NULL);
CREATE TABLE v (i int);
INSERT INTO v VALUES (4), (NULL), (6);
CREATE TABLE none (i int, s text);

SELECT a, a > ANY (SELECT i FROM u) AS c0, a >= ALL (SELECT i FROM u) AS c1, a < ANY (SELECT i FROM u) AS c2, a <= ALL (SELECT i FROM u) AS c3 FROM t;
SELECT a, a > ANY (SELECT i FROM v) AS c0, a >= ALL (SELECT i FROM v) AS c1, a < ANY (SELECT i FROM v) AS c2, a <= ALL (SELECT i FROM v) AS c3 FROM t;
SELECT a, a > ANY (SELECT i FROM none) AS c0, a >= ALL (SELECT i FROM none) AS c1, a <> ANY (SELECT i FROM none) AS c2, a = ALL (SELECT i FROM none) AS c3 FROM t;
SELECT a, a = ALL (SELECT i FROM u WHERE i > 3) AS c0, a <> ANY (SELECT i FROM u) AS c1, b <> ANY (SELECT s FROM u) AS c2, b = ALL (SELECT s FROM u WHERE s IS NOT NULL) AS c3 FROM t;
SELECT a, CASE WHEN a < ALL (SELECT i FROM u WHERE i > t.a) THEN 'below' ELSE 'not' END AS c FROM t;
SELECT a FROM t WHERE a > 6 OR b < ANY (SELECT s FROM u);
SELECT a FROM t WHERE NOT (a > ALL (SELECT i FROM v) OR a IS NULL);
SELECT g, max(a) AS m, max(a) > ANY (SELECT i FROM u) AS c FROM t GROUP BY g;
SELECT g, max(a) AS m FROM t GROUP BY g HAVING max(a) >= ALL (SELECT i FROM u) OR g IS NULL;
