-- ordered
SELECT id, qty FROM orders ORDER BY qty NULLS FIRST, id OFFSET 1 LIMIT 4;
