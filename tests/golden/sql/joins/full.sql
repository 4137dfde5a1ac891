-- NULL equals nothing in ON.
SELECT o.id, c.name FROM orders AS o FULL JOIN customers AS c ON c.id = o.customer;
