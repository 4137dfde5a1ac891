-- Weir's JSON has no blanks.
-- postgres: SELECT customer, replace(replace(replace(json_object_agg(id, item ORDER BY id)::text, ' : ', ':'), '{ ', '{'), ' }', '}') AS orders, replace(replace(replace(replace(json_object_agg(item, price ORDER BY price DESC, id)::text, ' : ', ':'), '{ ', '{'), ' }', '}'), ', ', ',') AS prices FROM orders GROUP BY customer
SELECT customer, replace(json_object_agg(id, item ORDER BY id)::text, ',', ', ') AS orders,
       json_object_agg(item, price ORDER BY price DESC, id) AS prices
FROM orders GROUP BY customer;
