-- A total has a row over no rows, groups have none.
SELECT count(*) AS n, sum(qty) AS s, max(at) AS last, array_agg(item ORDER BY item) AS items
FROM orders WHERE qty > 100;
