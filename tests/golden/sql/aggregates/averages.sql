-- Averages of numeric have 16 digits after the point, like quotients.
SELECT item, avg(price) AS price, avg(price) = sum(price) / count(price) AS same
FROM orders WHERE qty > 0 OR qty IS NULL GROUP BY item;
