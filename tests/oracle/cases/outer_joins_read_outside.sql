-- RIGHT and FULL JOIN in a subquery whose FROM reads the query outside.
CREATE TABLE t (k int, b int, a int[]);
INSERT INTO t VALUES (1, 2, '{1,2}'), (2, 3, '{}'), (3, NULL, NULL), (NULL, 1, '{5,NULL}'), (1, 2, '{1,2}'), (4, 0, '{4}');
CREATE TABLE u (k int, d int);
INSERT INTO u VALUES (1, 5), (1, 1), (2, 4), (3, NULL), (4, 1);
CREATE TABLE w (k int, n int);
INSERT INTO w VALUES (1, 1), (2, 5), (2, 1), (NULL, 2);

SELECT k, (SELECT count(*) FROM generate_series(1, t.b) AS g (e) RIGHT JOIN u ON u.d = g.e) AS c1, k AS c2 FROM t;
SELECT k, (SELECT count(g.e) FROM generate_series(1, t.b) AS g (e) FULL JOIN u ON u.d = g.e) AS c1 FROM t;
SELECT k, (SELECT count(*) FROM u FULL JOIN generate_series(1, t.b) AS g (e) ON u.d = g.e) AS c1 FROM t;
SELECT k, (SELECT sum(g.e) FROM u RIGHT JOIN generate_series(1, t.b) AS g (e) ON u.d = g.e AND u.k = t.k) AS c1 FROM t;
SELECT k, (SELECT count(x.d) FROM (SELECT d FROM u WHERE u.k = t.k) AS x RIGHT JOIN w ON w.n = x.d) AS c1 FROM t;
SELECT k, ARRAY(SELECT coalesce(x.d, -1) * 10 + coalesce(y.n, -1) FROM (SELECT d FROM u WHERE u.k = t.k) AS x FULL JOIN (SELECT n FROM w WHERE w.k = t.k) AS y ON y.n = x.d ORDER BY 1) AS c1 FROM t;
SELECT k FROM t WHERE NOT EXISTS (SELECT 1 FROM (SELECT d FROM u WHERE u.k = t.k) AS x FULL JOIN (SELECT n FROM w WHERE w.n > t.b) AS y ON y.n = x.d);
SELECT k, (SELECT count(*) FROM u RIGHT JOIN w ON w.k = u.k AND u.d > t.b) AS c1 FROM t;
SELECT k, (SELECT count(u.d) FROM u FULL JOIN w ON w.k = u.k WHERE u.d > t.b OR w.n > t.k) AS c1 FROM t;
SELECT k, (SELECT count(*) FROM w JOIN u ON w.k = u.k RIGHT JOIN unnest(t.a) AS e ON e = u.k LEFT JOIN w AS v ON v.n = e) AS c1 FROM t;
SELECT k, (SELECT max(m) FROM (SELECT max(d) AS m FROM u WHERE u.k = t.k) AS x RIGHT JOIN w ON w.n = m OR m > 1) AS c1 FROM t;
SELECT k FROM t WHERE k IN (SELECT w.k FROM (SELECT count(*) AS n FROM u WHERE u.k = t.k) AS x RIGHT JOIN w ON w.n = x.n WHERE x.n IS NULL);
