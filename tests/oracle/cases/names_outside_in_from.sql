-- What FROM and WITH of a subquery read of the query outside: arguments of functions, and names without their table.
CREATE TABLE t (k int, b int, a int[], s text);
INSERT INTO t VALUES (1, 2, '{1,2}', 'x,y'), (2, 3, '{}', 'z'), (3, NULL, NULL, 'x'), (NULL, 1, '{5,NULL}', NULL), (1, 2, '{3}', 'x');
CREATE TABLE u (k int, d int);
INSERT INTO u VALUES (1, 5), (1, 1), (2, 4), (3, NULL), (4, 1);

SELECT k, (WITH w AS (SELECT g FROM generate_series(1, b) AS g) SELECT count(*) FROM w) AS c1 FROM t;
SELECT k, (WITH w AS (SELECT g FROM generate_series(1, t.b) AS g) SELECT sum(g) FROM w WHERE g <> t.k) AS c1 FROM t;
SELECT k, (WITH w (e) AS (SELECT * FROM unnest(a) AS x) SELECT max(e) FROM w) AS c1 FROM t;
SELECT k, (SELECT count(*) FROM (SELECT g FROM generate_series(1, t.b) AS g) AS x) AS c1 FROM t;
SELECT k, (SELECT count(*) FROM (SELECT g FROM generate_series(1, b) AS g) AS x WHERE g < k) AS c1 FROM t;
SELECT k, (SELECT sum(u.d) FROM u, (SELECT e FROM unnest(a) AS e) AS x WHERE x.e = u.k) AS c1 FROM t;
SELECT k, (SELECT max(m) FROM (SELECT d AS m FROM u WHERE d > b) AS x) AS c1 FROM t;
SELECT k, (SELECT m FROM (SELECT max(d) AS m FROM u WHERE d > b AND u.k = t.k) AS x) AS c1 FROM t;
SELECT k FROM t WHERE EXISTS (SELECT 1 FROM (SELECT d FROM u WHERE d > b) AS x WHERE x.d > 3);
SELECT k FROM t WHERE k IN (SELECT y.k FROM (SELECT u.k FROM u WHERE d = b UNION ALL SELECT b) AS y);
SELECT t.k, x.n AS c1 FROM t, LATERAL (SELECT count(*) AS n FROM (SELECT d FROM u WHERE d >= b) AS y) AS x;
SELECT k, ARRAY(SELECT x.p FROM (SELECT p FROM string_to_table(s, ',') AS p) AS x ORDER BY x.p) AS c1 FROM t;
SELECT k, (SELECT count(*) FROM u JOIN u AS v ON v.d > b AND v.k = u.k) AS c1 FROM t;
SELECT k, (SELECT count(*) FROM u LEFT JOIN u AS v ON v.d > b AND v.k = u.k) AS c1 FROM t;
-- A name that FROM has itself is its own.
SELECT k, (SELECT count(*) FROM (SELECT k FROM u WHERE k > 1) AS x) AS c1 FROM t;
SELECT k, (SELECT count(*) FROM (SELECT g.k FROM generate_series(1, 3) AS g (k) WHERE k > 1) AS x) AS c1 FROM t;
