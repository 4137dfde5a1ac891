SELECT c.name, (c.id, 'pad') IN (SELECT customer, item FROM orders) AS bought,
       (c.id, c.city) = (SELECT min(customer), 'Oslo' FROM orders WHERE customer = c.id) AS there
FROM customers AS c;
