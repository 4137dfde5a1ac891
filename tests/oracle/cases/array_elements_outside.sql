-- Functions of a subquery's FROM that read arrays of the query outside.
CREATE TABLE t (i int, tags int[], s text);
INSERT INTO t VALUES (1, '{1,2}', 'a b'), (2, '{3}', 'c'), (3, '{}', ''), (4, NULL, NULL), (5, '{5,NULL,7}', 'x y z');
SELECT i AS c0 FROM t WHERE EXISTS (SELECT 1 FROM unnest(tags) e WHERE e > 2);
SELECT i AS c0 FROM t WHERE NOT EXISTS (SELECT 1 FROM unnest(t.tags) e WHERE e > 2);
SELECT i AS c0, (SELECT sum(e) FROM unnest(tags) e) AS c1 FROM t;
SELECT i AS c0, (SELECT max(e) FROM unnest(tags) e WHERE e < i + 1) AS c1 FROM t;
SELECT i AS c0 FROM t WHERE 3 IN (SELECT e FROM unnest(tags) e);
SELECT i AS c0, x.e AS c1 FROM t, LATERAL (SELECT e * 2 AS e FROM unnest(t.tags) e) x;
SELECT i AS c0, (SELECT count(*) FROM generate_series(1, i) g WHERE g > 2) AS c1 FROM t;
SELECT i AS c0, (SELECT sum(o.i) FROM unnest(tags) e JOIN t o ON o.i = e) AS c1 FROM t;
SELECT i AS c0, (SELECT count(*) FROM t o, unnest(t.tags) e WHERE e = o.i) AS c1 FROM t;
