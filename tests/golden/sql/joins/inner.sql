SELECT o.id, c.name, o.item FROM orders AS o JOIN customers AS c ON c.id = o.customer AND o.qty > 1;
