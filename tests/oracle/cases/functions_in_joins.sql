-- A function that gives rows was only joined by CROSS JOIN, JOIN ON and LEFT JOIN ON true.
CREATE TABLE t (n int, s text);
INSERT INTO t VALUES (1, 'a'), (2, 'b'), (2, 'c'), (5, NULL), (NULL, 'd');

SELECT t.n, t.s, x.e FROM t RIGHT JOIN generate_series(1, 3) AS x (e) ON t.n = x.e;
SELECT t.n, t.s, x.e FROM t LEFT JOIN generate_series(2, 7) AS x (e) ON t.n = x.e;
SELECT t.n, t.s, x.e FROM t FULL JOIN generate_series(2, 3) AS x (e) ON t.n = x.e AND t.s <> 'c';
SELECT n, t.s FROM t JOIN generate_series(2, 5) AS x (n) USING (n);
SELECT n, t.s FROM t FULL JOIN generate_series(2, 5) AS x (n) USING (n);
SELECT n, s FROM t NATURAL LEFT JOIN unnest(ARRAY[2, 5, 5]) AS x (n);
SELECT t.n, t.s, x.e FROM generate_series(1, 3) AS x (e) CROSS JOIN t;
SELECT t.n, t.s, x.e FROM generate_series(1, 3) AS x (e) LEFT JOIN t ON t.n = x.e;
SELECT t.n, t.s, x.e FROM unnest(ARRAY[1, 7]) AS x (e) FULL JOIN t ON t.n = x.e;
SELECT x.e, y.f FROM generate_series(1, 3) AS x (e) FULL JOIN generate_series(2, 4) AS y (f) ON x.e = y.f;
SELECT t.n, x.e FROM t LEFT JOIN generate_series(1, t.n) AS x (e) ON x.e > 1;
SELECT t.n, x.e, x.o FROM t LEFT JOIN generate_series(3, 5) WITH ORDINALITY AS x (e, o) ON t.n = x.o;
SELECT v.a, t.s, x.e FROM (VALUES (1), (9)) AS v (a) LEFT JOIN t ON t.n = v.a RIGHT JOIN generate_series(1, 2) AS x (e) ON x.e = v.a;
SELECT n, (SELECT count(*) FROM generate_series(1, t.n) AS x (e) LEFT JOIN generate_series(2, 3) AS y (f) ON x.e = y.f) AS c FROM t;
