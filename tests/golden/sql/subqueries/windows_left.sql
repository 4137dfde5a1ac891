SELECT id, row_number() OVER (ORDER BY at, id) IN (SELECT id FROM customers) AS among_ids FROM orders;
