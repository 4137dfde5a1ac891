-- A NULL in the list, and no row is known not to be in it.
SELECT name FROM customers WHERE id NOT IN (SELECT customer FROM orders);
