SELECT c.name, o.id, r.days
FROM customers AS c, orders AS o LEFT JOIN LATERAL (SELECT x.at::date - c.since AS days FROM returns AS x WHERE x.order_id = o.id) AS r ON true
WHERE o.customer = c.id;
