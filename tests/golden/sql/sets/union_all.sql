SELECT item, 'ordered' AS how FROM orders WHERE qty > 2 UNION ALL SELECT item, 'kept' FROM stock;
