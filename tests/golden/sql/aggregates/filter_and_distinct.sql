SELECT item, count(DISTINCT customer) AS customers, sum(qty) FILTER (WHERE price < 4) AS cheap, bool_and(qty > 1) AS many
FROM orders GROUP BY item;
