-- Medians, modes and places among sorted values.
SELECT customer, percentile_cont(0.5) WITHIN GROUP (ORDER BY qty) AS median,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY price DESC) AS middle,
       percentile_disc(ARRAY[0, 0.5, NULL, 1]) WITHIN GROUP (ORDER BY item) AS items,
       mode() WITHIN GROUP (ORDER BY item DESC) AS most,
       percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY at - timestamp '2024-03-01') AS hours,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY price) FILTER (WHERE qty > 1) AS high
FROM orders GROUP BY customer;
