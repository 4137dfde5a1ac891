SELECT item, bit_and(qty) AS in_all, bit_or(qty::bigint) AS in_any, bit_xor(id) AS odd, bit_xor(DISTINCT qty) AS once,
       sum(at - timestamp '2024-03-01 10:00:00') AS after, avg(at - timestamp '2024-03-01 10:00:00') AS mean,
       sum(qty * interval '1 month 2 days') AS months, avg(qty * interval '1 month 2 days') AS mean_months
FROM orders GROUP BY item;
