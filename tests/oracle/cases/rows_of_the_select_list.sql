-- A function that gives rows in the select list: inside an expression, behind groups and window functions, with DISTINCT ON.
CREATE TABLE t (k int, v int, s text, a int[]);
INSERT INTO t VALUES (1, 3, 'x', '{1,2}'), (1, 2, 'y', '{}'), (2, NULL, 'x', NULL), (2, 1, NULL, '{5,NULL,7}'), (NULL, 2, 'z', '{4}'), (3, 0, 'x', '{9}');
CREATE TABLE u (k int, n int);
INSERT INTO u VALUES (1, 2), (2, 1), (2, 3), (NULL, 1);

SELECT k, generate_series(1, 2) * 10 + coalesce(v, 0) AS c1 FROM t;
SELECT k, unnest(a)::text || s AS c1 FROM t ORDER BY k, c1 LIMIT 4;
SELECT upper(unnest(string_to_array(s || ',q', ','))) AS c0 FROM t;
SELECT *, generate_series(1, n) * 2 AS c1 FROM u;
SELECT x.*, generate_series(1, n) AS c1, t.v FROM u AS x JOIN t USING (k) ORDER BY t.v, c1, n LIMIT 3;
SELECT *, unnest(string_to_array(s, ',')) AS c1 FROM (SELECT k, s FROM t) AS x JOIN u USING (k);
SELECT DISTINCT unnest(a) > 4 AS c0 FROM t;
SELECT k, generate_series(1, count(*)::int) AS c1 FROM t GROUP BY k;
SELECT k AS g, sum(v) AS c1, generate_series(1, 2) AS c2 FROM t GROUP BY g HAVING count(*) > 1;
SELECT generate_series(1, 2) AS c0, s, count(*) AS c2 FROM t GROUP BY 2 ORDER BY count(*), s, c0 LIMIT 4;
SELECT k, unnest(array_agg(v ORDER BY v)) + max(v) AS c1 FROM t GROUP BY k;
SELECT max(v) AS c0, generate_series(1, count(*)::int) AS c1 FROM t;
SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v, s) AS c2, generate_series(0, 1) AS c3 FROM t;
SELECT k, generate_series(1, (row_number() OVER (PARTITION BY k ORDER BY v, s))::int) AS c1 FROM t WHERE v > 0;
SELECT k, sum(count(*)) OVER (ORDER BY k) AS c1, generate_series(1, 2) AS c2 FROM t GROUP BY k;
SELECT DISTINCT ON (k) k AS c0, generate_series(1, 3) AS c1 FROM t ORDER BY c0, c1 DESC;
SELECT DISTINCT ON (k) k AS c0, unnest(a) AS c1, row_number() OVER (ORDER BY k, v, s) AS c2 FROM t ORDER BY c0, c1, c2;
SELECT DISTINCT k AS c0, rank() OVER (ORDER BY k) AS c1, generate_series(1, 2) AS c2 FROM t ORDER BY k, c2 LIMIT 5;
SELECT k, ARRAY(SELECT generate_series(1, count(*)::int) FROM u WHERE u.k = t.k ORDER BY 1) AS c1 FROM t;
SELECT k, (SELECT sum(x) FROM (SELECT generate_series(1, max(n)) + t.k AS x FROM u WHERE u.k = t.k) AS y) AS c1 FROM t;
SELECT k FROM t WHERE v IN (SELECT generate_series(1, n) - 1 FROM u WHERE u.k = t.k);
SELECT k, count(*) AS c1, grouping(k) AS c2, generate_series(1, 1 + grouping(k)) AS c3 FROM t GROUP BY ROLLUP (k);
SELECT k, generate_series(1, (SELECT max(n) FROM u WHERE u.k = t.k)) AS c1, count(*) AS c2 FROM t GROUP BY k;
