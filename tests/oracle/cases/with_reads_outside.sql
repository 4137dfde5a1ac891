-- A query of WITH in a subquery read the query outside by its tables' names only.
CREATE TABLE t (a int, b int, c text);
INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'y'), (3, NULL, 'x'), (NULL, 5, NULL);
CREATE TABLE u (a int, d int);
INSERT INTO u VALUES (1, 5), (1, 15), (2, 25), (3, NULL), (4, 1);
CREATE VIEW big AS SELECT d AS b, a AS k FROM u WHERE d > 3;

SELECT a, (WITH w AS (SELECT d FROM u WHERE d > b) SELECT count(*) FROM w) AS n FROM t;
SELECT a, (WITH w AS (SELECT d, c AS mine FROM u WHERE u.a = t.a) SELECT max(mine || d::text) FROM w) AS m FROM t;
SELECT b FROM t WHERE EXISTS (WITH w AS (SELECT u.d FROM u WHERE u.d < b) SELECT 1 FROM w WHERE w.d > 3);
-- The innermost table that has the name is meant.
SELECT a, (WITH w AS (SELECT count(*) AS n FROM u WHERE a = 1) SELECT max(n) FROM w) AS n FROM t;
SELECT a, (WITH w AS (SELECT b FROM big) SELECT max(b) FROM w) AS m FROM t;
SELECT a, (WITH w (x) AS (SELECT d FROM u WHERE d > b), v AS (SELECT x, c FROM w) SELECT min(x) FROM v WHERE c = 'x') AS m FROM t;
SELECT a, x.n FROM t, LATERAL (WITH w AS (SELECT d FROM u WHERE d > b AND d IN (SELECT d FROM big, u WHERE k = u.a)) SELECT count(*) AS n FROM w) AS x;
