-- Subqueries beside aggregates that read the query around them: of IN, of GROUPING SETS, and inside correlated aggregates.
CREATE TABLE t (k int, j int, v int, s text);
INSERT INTO t VALUES (1, 1, 10, 'x'), (1, 2, 20, 'y'), (2, 1, NULL, 'x'), (2, 2, 5, NULL), (NULL, 1, 7, 'z'), (3, NULL, 1, 'x');
CREATE TABLE u (k int, v int);
INSERT INTO u VALUES (1, 2), (1, 15), (2, 1), (2, NULL), (NULL, 3), (4, 1);
CREATE TABLE w (k int, n int);
INSERT INTO w VALUES (1, 30), (2, 5), (2, 1), (NULL, 2), (5, 0);

-- IN, ANY and ALL beside aggregates.
SELECT k, count(*) IN (SELECT v FROM u WHERE u.k = t.k) AS c1 FROM t GROUP BY k;
SELECT k, count(*) AS c1 FROM t GROUP BY k HAVING sum(v) NOT IN (SELECT n FROM w WHERE w.k = t.k);
SELECT k, sum(v) > ANY (SELECT v FROM u WHERE u.k = t.k) AS c1, max(v) <= ALL (SELECT n FROM w WHERE w.k < t.k) AS c2 FROM t GROUP BY k;
SELECT k, count(*) IN (SELECT v FROM u) AS c1, (SELECT max(v) FROM u WHERE u.k = t.k) AS c2 FROM t GROUP BY k;
SELECT k, count(*) IN (SELECT count(*) FROM u WHERE u.k = t.k) AS c1 FROM t GROUP BY k;
SELECT k, count(*) + (SELECT max(n) FROM w WHERE w.k = t.k) IN (SELECT v FROM u) AS c1 FROM t GROUP BY k;
SELECT k, (SELECT max(n) FROM w) IN (SELECT v * 2 FROM u WHERE u.k = t.k) AS c1, count(*) AS c2 FROM t GROUP BY k;
SELECT s, count(*) AS c1 FROM t GROUP BY s, k HAVING k IN (SELECT k FROM u WHERE u.v > t.k) ORDER BY count(*), s, k LIMIT 3;
SELECT k, array_agg(v ORDER BY v) FILTER (WHERE v IN (SELECT n * 10 FROM w WHERE w.n < t.j + 30)) AS c1 FROM t GROUP BY k;

-- Keys of GROUPING SETS.
SELECT k, count(*) AS c1, (SELECT max(v) FROM u WHERE u.k = t.k) AS c2 FROM t GROUP BY ROLLUP (k);
SELECT k, j, count(*) AS c1, (SELECT count(*) FROM u WHERE u.k IS NOT DISTINCT FROM t.k) AS c2 FROM t GROUP BY CUBE (k, j);
SELECT k, j, count(*) AS c1 FROM t GROUP BY GROUPING SETS ((k), (j), ()) HAVING EXISTS (SELECT 1 FROM u WHERE u.k = t.k) OR NOT EXISTS (SELECT 1 FROM w WHERE w.n = t.j);
SELECT k, grouping(k) AS c1, sum(v) IN (SELECT v * 2 FROM u WHERE u.k = t.k OR t.k IS NULL) AS c2 FROM t GROUP BY ROLLUP (k);
SELECT k, (SELECT sum(v) FROM u WHERE u.k = t.k) AS c1, grouping(k) AS c2 FROM t GROUP BY ROLLUP (k) ORDER BY grouping(k), (SELECT sum(v) FROM u WHERE u.k = t.k), k LIMIT 3;

-- Totals in subqueries that read the query around them.
SELECT k, ARRAY(SELECT count(*)::int FROM u WHERE u.k = t.k GROUP BY ROLLUP (u.v) ORDER BY 1) AS c1 FROM t;
SELECT k, v FROM t WHERE v IN (SELECT max(v) FROM u WHERE u.k = t.k GROUP BY GROUPING SETS ((v), ())) OR v > ALL (SELECT count(*) FROM u WHERE u.k = t.k GROUP BY ROLLUP (v));
SELECT t.k, x.v AS c1, x.n AS c2, x.g AS c3 FROM t, LATERAL (SELECT v, count(*) AS n, grouping(v) AS g FROM u WHERE u.k = t.k GROUP BY ROLLUP (v)) AS x;
SELECT t.k, x.n AS c1 FROM t LEFT JOIN LATERAL (SELECT count(*) AS n, sum(v) AS m FROM u WHERE u.v < t.v GROUP BY GROUPING SETS ((k), ()) HAVING count(*) <> 1) AS x ON x.n < 4;
SELECT k, (SELECT sum(c) FROM (SELECT count(*) AS c FROM u WHERE u.k = t.k GROUP BY GROUPING SETS ((), ())) AS x) AS c1 FROM t;
SELECT k FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k GROUP BY ROLLUP (v) HAVING count(*) = 0);
SELECT k FROM t WHERE k IN (SELECT u.k FROM u WHERE u.k = t.k GROUP BY ROLLUP (u.k, u.k));
SELECT k, ARRAY(SELECT count(*)::int FROM u WHERE u.k = t.k GROUP BY GROUPING SETS ((k), (v)) ORDER BY 1) AS c1 FROM t;
SELECT t.k, x.a AS c1, x.b AS c2, x.n AS c3 FROM t, LATERAL (SELECT u.k AS a, t.k AS b, count(*) AS n FROM u WHERE u.k = t.k GROUP BY ROLLUP (u.k)) AS x;

-- Subqueries beside the aggregates of a subquery that reads the query around it.
SELECT k, (SELECT count(*) + (SELECT count(*) FROM w) FROM u WHERE u.k = t.k) AS c1 FROM t;
SELECT k, (SELECT coalesce(max(u.v), 0) + (SELECT max(w.n) FROM w WHERE w.k = t.k) FROM u WHERE u.k = t.k) AS c1 FROM t;
SELECT k, (SELECT max(u.v) FROM u WHERE u.k = t.k HAVING count(*) < (SELECT count(*) FROM w WHERE w.k = t.k)) AS c1 FROM t;
SELECT k, (SELECT count(*) FROM u WHERE u.k = t.k HAVING count(*) IN (SELECT w.n FROM w WHERE w.n < t.v)) AS c1 FROM t;
SELECT k FROM t WHERE EXISTS (SELECT count(*) FROM u WHERE u.k = t.k HAVING NOT EXISTS (SELECT 1 FROM w WHERE w.k = t.k));
SELECT k FROM t WHERE v NOT IN (SELECT sum(u.v) + (SELECT min(n) FROM w) FROM u WHERE u.v < t.v);
SELECT t.k, x.a AS c1, x.b AS c2 FROM t, LATERAL (SELECT count(*) AS a, (SELECT max(n) FROM w WHERE w.k = t.j) AS b FROM u WHERE u.k = t.k) AS x;
SELECT t.k, x.a AS c1 FROM t LEFT JOIN LATERAL (SELECT count(*) AS a FROM u WHERE u.k = t.k HAVING count(*) > (SELECT min(n) FROM w WHERE w.k = t.k)) AS x ON true;
SELECT k, ARRAY(SELECT (count(*) + (SELECT min(n) FROM w WHERE w.k = t.k))::int FROM u WHERE u.k = t.k UNION ALL SELECT v FROM u WHERE u.k = t.k ORDER BY 1) AS c1 FROM t;
