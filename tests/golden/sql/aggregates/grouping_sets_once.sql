-- GROUP BY DISTINCT: of equal groupings one.
SELECT item, customer, sum(qty) AS n FROM orders GROUP BY DISTINCT ROLLUP (item, customer), CUBE (item), item;
