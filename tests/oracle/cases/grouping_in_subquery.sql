-- GROUPING() left of IN (SELECT ...) in HAVING ended Weir: its value was looked for before it was there.
CREATE TABLE t (a int, b int);
INSERT INTO t VALUES (1, 1), (1, 2), (2, 1), (NULL, 3), (NULL, NULL);
CREATE TABLE u (i int);
INSERT INTO u VALUES (0), (3), (NULL);

SELECT a, sum(b) AS s FROM t GROUP BY ROLLUP (a) HAVING grouping(a) IN (SELECT i FROM u);
SELECT a, b, count(*) AS n FROM t GROUP BY CUBE (a, b) HAVING grouping(a, b) IN (SELECT i FROM u);
SELECT a, b, count(*) AS n FROM t GROUP BY CUBE (a, b) HAVING grouping(a, b) + a NOT IN (SELECT i FROM u WHERE i IS NOT NULL);
