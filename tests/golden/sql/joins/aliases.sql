-- Names of whole joins and of USING's columns.
SELECT 'join' AS what, j.k, j.v, j.w FROM ((VALUES (1, 'x'), (2, 'y')) AS t(k, v) JOIN (VALUES (1, 'z')) AS u(k2, w) ON t.k = u.k2) AS j
UNION ALL SELECT 'columns', * FROM ((VALUES (1, 'x'), (2, 'y')) AS t(k, v) LEFT JOIN (VALUES (1, 'z')) AS u(k, w) USING (k)) AS j(a, b) WHERE j.a > 0
UNION ALL SELECT 'lateral', j.x, j.v, j.w::text FROM (VALUES (5)) AS a(q), ((VALUES (1, 'x')) AS t(x, v) JOIN LATERAL (SELECT q AS w) AS u ON true) AS j
UNION ALL SELECT 'using', z.k, t.v, u.w FROM (VALUES (1, 'x'), (2, 'y')) AS t(k, v) JOIN (VALUES (1, 'z')) AS u(k, w) USING (k) AS z
UNION ALL SELECT 'full', z.k, v, w FROM (VALUES (1, 'x'), (2, 'y')) AS t(k, v) FULL JOIN (VALUES (1, 'z'), (3, 'q')) AS u(k, w) USING (k) AS z WHERE z.k > 1
UNION ALL SELECT 'row', count(j), to_json(j)::text, '' FROM ((VALUES (1, 'x'), (2, 'y')) AS t(k, v) LEFT JOIN (VALUES (1, 'z')) AS u(k, w) USING (k)) AS j GROUP BY j
