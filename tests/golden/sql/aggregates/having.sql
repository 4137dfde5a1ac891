SELECT item, sum(qty) AS n FROM orders GROUP BY item HAVING sum(qty) > 10 AND count(*) <= 3;
