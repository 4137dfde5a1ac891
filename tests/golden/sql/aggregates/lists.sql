-- Lists in an order of their own.
SELECT item, array_agg(id ORDER BY qty DESC NULLS LAST, id) AS ids, string_agg(DISTINCT price::text, ' ') AS prices
FROM orders GROUP BY item;
