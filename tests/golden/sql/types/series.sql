SELECT c.id, g AS n, kinds.item FROM customers AS c CROSS JOIN generate_series(1, c.id) AS g
  JOIN (SELECT DISTINCT item FROM prices) AS kinds ON length(kinds.item) = g + 2;
