-- A table's name as a value is its row; where an outer join has none it is NULL.
CREATE VIEW a AS SELECT * FROM (VALUES (1, 'x'), (2, NULL), (NULL, NULL)) AS v(n, k);
CREATE VIEW b AS SELECT * FROM (VALUES (1, 'k', 1.5), (1, 'l', NULL)) AS v(n, k, d);
SELECT 'json' AS what, to_json(a)::text AS v, row_to_json(a)::text AS w FROM a
UNION ALL SELECT 'text', a::text, (a).k FROM a
UNION ALL SELECT 'count', count(a)::text, count(*)::text FROM a
UNION ALL SELECT 'left', a.n::text, count(b)::text FROM a LEFT JOIN b ON a.n = b.n GROUP BY a.n
UNION ALL SELECT 'missing', to_json(b)::text, (b IS NULL)::text FROM a LEFT JOIN b ON a.n = b.n
UNION ALL SELECT 'full', to_json(a)::text, to_json(c)::text FROM (SELECT * FROM a WHERE n > 0) AS a FULL JOIN (VALUES (2, 'm'), (3, 'n')) AS c(n, k) ON a.n = c.n
UNION ALL SELECT 'using', to_json(b)::text, to_json(a)::text FROM a JOIN b USING (n)
UNION ALL SELECT 'group', b::text, count(*)::text FROM b GROUP BY b
UNION ALL SELECT 'array', a.n::text, array_agg(b ORDER BY b.k)::text FROM a JOIN b USING (n) GROUP BY a.n
UNION ALL SELECT 'fields', k, d::text FROM (SELECT (b).* FROM b) x
UNION ALL SELECT 'inside', a.n::text, (SELECT count(b) FROM b WHERE b.n = a.n)::text FROM a
UNION ALL SELECT 'equal', x.n::text, (x = y)::text FROM a x JOIN a y ON x.n = y.n
