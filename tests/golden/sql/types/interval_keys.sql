-- Equal intervals are one key however they are written. What is shown is one of a group's, so its length is compared.
CREATE VIEW waits AS SELECT * FROM (VALUES (1, interval '24 hours', 'a'), (2, '1 day', 'b'), (3, '720 hours', 'a'), (4, '1 month', 'b'),
  (5, NULL, 'a'), (6, NULL, 'b'), (7, '26:00:00', 'a'), (8, '-24 hours', 'b'), (9, '-1 day', 'b')) AS v(n, i, k);
SELECT 'group' AS what, extract(epoch FROM i)::text AS a, count(*)::text AS b FROM waits GROUP BY i
UNION ALL SELECT 'spelling', i::text, count(*)::text FROM waits WHERE n IN (7, 8) GROUP BY i
UNION ALL SELECT 'rollup', extract(epoch FROM i)::text, sum(n)::text FROM waits GROUP BY ROLLUP (i)
UNION ALL SELECT 'count', count(DISTINCT i)::text, cardinality(array_agg(DISTINCT i))::text FROM waits
UNION ALL SELECT 'distinct', extract(epoch FROM i)::text, '' FROM (SELECT DISTINCT i FROM waits) d
UNION ALL SELECT 'distinct on', n::text, i::text FROM (SELECT DISTINCT ON (i) i, n FROM waits ORDER BY i, n) d
UNION ALL SELECT 'arrays', extract(epoch FROM a[1])::text, count(*)::text FROM (SELECT ARRAY[i, interval '1 hour'] AS a FROM waits) w GROUP BY a
UNION ALL SELECT 'rows', count(*)::text, '' FROM (SELECT DISTINCT ROW(i, k) AS r FROM waits) w
UNION ALL SELECT 'join', a.i::text, b.i::text FROM waits a JOIN waits b ON a.i = b.i AND a.k <> b.k
UNION ALL SELECT 'using', a.n::text, b.n::text FROM waits a LEFT JOIN (SELECT i, n FROM waits WHERE n IN (2, 4)) b USING (i)
UNION ALL SELECT 'same', a.n::text, b.n::text FROM waits a JOIN waits b ON a.i IS NOT DISTINCT FROM b.i AND a.n < b.n
UNION ALL SELECT 'in', n::text, (i IN (SELECT i FROM waits WHERE n = 2))::text FROM waits
UNION ALL SELECT 'not in', n::text, i::text FROM waits WHERE i NOT IN (SELECT i FROM waits WHERE n = 2)
UNION ALL SELECT 'exists', n::text, i::text FROM waits w WHERE EXISTS (SELECT 1 FROM waits x WHERE x.i = w.i AND x.n <> w.n)
UNION ALL SELECT 'value', n::text, (SELECT count(*) || ' ' || w.i::text FROM waits x WHERE x.i = w.i) FROM waits w
UNION ALL SELECT 'lateral', n::text, s.v FROM waits w, LATERAL (SELECT w.i::text || ' ' || max(x.n) AS v FROM waits x WHERE x.i <= w.i GROUP BY w.i) s
UNION ALL SELECT 'over', n::text, (count(*) OVER (PARTITION BY i))::text FROM waits
UNION ALL SELECT 'first', n::text, i::text FROM (SELECT n, i, row_number() OVER (PARTITION BY i ORDER BY n DESC) AS r FROM waits) x WHERE r = 1
UNION ALL SELECT 'union', extract(epoch FROM i)::text, '' FROM (SELECT i FROM waits WHERE k = 'a' UNION SELECT i FROM waits) x
UNION ALL SELECT 'intersect', extract(epoch FROM i)::text, '' FROM (SELECT i FROM waits WHERE k = 'a' INTERSECT SELECT i FROM waits WHERE k = 'b') x
UNION ALL SELECT 'except', i::text, '' FROM (SELECT i FROM waits WHERE k = 'a' EXCEPT SELECT i FROM waits WHERE k = 'b') x
UNION ALL SELECT 'except all', extract(epoch FROM i)::text, '' FROM (SELECT i FROM waits EXCEPT ALL SELECT i FROM waits WHERE k = 'a') x
