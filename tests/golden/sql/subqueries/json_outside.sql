-- Subqueries that read a json column of the query outside, which has no equality that they could be joined by.
CREATE VIEW carts AS SELECT * FROM (VALUES (1, json '{"a": 1, "items": [{"sku": "a", "n": 2}, {"sku": "b", "n": 1}]}'), (2, '{"items": []}'), (3, NULL),
  (4, '{"items": [{"sku": "c", "n": 5}]}'), (5, '{"a": 7,"items": []}'), (6, '{"items": [{"sku": "c", "n": 5}]}')) AS v(id, props);
SELECT 'exists' AS what, id, '' AS v FROM carts WHERE EXISTS (SELECT 1 FROM json_array_elements(props -> 'items') i WHERE i ->> 'sku' = 'a')
UNION ALL SELECT 'not exists', id, '' FROM carts c WHERE NOT EXISTS (SELECT 1 FROM json_array_elements(c.props -> 'items') i WHERE (i ->> 'n')::int > 1)
UNION ALL SELECT 'lateral', id, s.n::text FROM carts, LATERAL (SELECT count(*) AS n FROM json_array_elements(props -> 'items') i) s
UNION ALL SELECT 'left', id, s.sku || s.first FROM carts LEFT JOIN LATERAL (
  SELECT i ->> 'sku' AS sku, props -> 'items' -> 0 ->> 'sku' AS first FROM json_array_elements(props -> 'items') i WHERE i ->> 'sku' <> 'b') s ON true
UNION ALL SELECT 'groups', id, s.n || s.d FROM carts, LATERAL (
  SELECT i ->> 'sku' AS n, sum((i ->> 'n')::int) AS d FROM json_array_elements(props -> 'items') i GROUP BY 1) s
UNION ALL SELECT 'over', id, s.n || s.r FROM carts, LATERAL (
  SELECT i ->> 'sku' AS n, row_number() OVER (ORDER BY i ->> 'sku' DESC) AS r FROM json_array_elements(props -> 'items') i) s
UNION ALL SELECT 'array', id, (ARRAY(SELECT i ->> 'sku' FROM json_array_elements(props -> 'items') i))::text FROM carts
UNION ALL SELECT 'total', id, (SELECT count(*) || (props ->> 'a') FROM json_array_elements(props -> 'items') i) FROM carts
UNION ALL SELECT 'first', id, (SELECT i ->> 'sku' FROM json_array_elements(props -> 'items') i ORDER BY 1 DESC LIMIT 1) FROM carts
UNION ALL SELECT 'in', id, ('c' IN (SELECT i ->> 'sku' FROM json_array_elements(props -> 'items') i))::text FROM carts
UNION ALL SELECT 'rows in', id, (('c', 5) IN (SELECT i ->> 'sku', (i ->> 'n')::int FROM json_array_elements(props -> 'items') i))::text FROM carts
UNION ALL SELECT 'deeper', id, (SELECT count(*)::text FROM (VALUES ('a'), ('c')) w(s)
  WHERE w.s IN (SELECT i ->> 'sku' FROM json_array_elements(props -> 'items') i)) FROM carts
UNION ALL SELECT 'parts', id, (SELECT string_agg(a, '+' ORDER BY a) FROM (
  SELECT i ->> 'sku' FROM json_array_elements(props -> 'items') i UNION ALL SELECT props ->> 'a') u(a)) FROM carts
UNION ALL SELECT 'plain', id, (SELECT max(v) FROM (VALUES ('1'), ('7')) q(v) WHERE props ->> 'a' = v) FROM carts
UNION ALL SELECT 'kept', id, s.p ->> 'a' FROM carts, LATERAL (SELECT props AS p, count(*) AS n FROM json_array_elements(props -> 'items') i HAVING count(*) = 0) s
UNION ALL SELECT 'pairs', a.id, b.id::text FROM carts a LEFT JOIN carts b ON EXISTS (
  SELECT 1 FROM json_array_elements(a.props -> 'items') i WHERE (i ->> 'n')::int = b.id AND b.props IS NOT NULL)
UNION ALL SELECT 'table name', id, (SELECT sum((SELECT count(*) FROM json_each_text(i) e WHERE e.value <> '1'))
  FROM json_array_elements(props -> 'items') i)::text FROM carts
UNION ALL SELECT 'exists inside', id, i ->> 'sku' FROM carts, json_array_elements(props -> 'items') i
  WHERE EXISTS (SELECT 1 FROM (VALUES ('2'), ('5')) w(n) WHERE w.n = i ->> 'n')
