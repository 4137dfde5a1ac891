-- Texts, arrays and deviations of frames.
-- postgres: SELECT id, string_agg(item, '-') OVER (ORDER BY id ROWS 2 PRECEDING) AS items, array_agg(qty) OVER (PARTITION BY item ORDER BY id) AS qtys, string_agg(item, '+') FILTER (WHERE qty > 2) OVER (ORDER BY id DESC) AS after, round(stddev(qty) OVER (ORDER BY id)::numeric, 10) AS deviation, round(var_pop(price) OVER (PARTITION BY item)::numeric, 10) AS variance, round(regr_slope(price, qty) OVER (ORDER BY id)::numeric, 10) AS slope, bit_xor(id) OVER (ORDER BY id ROWS 1 PRECEDING) AS bits, avg(at - timestamp '2024-03-01') OVER (ORDER BY id) AS mean, replace((json_agg(id) OVER (PARTITION BY item ORDER BY id))::text, ', ', ',') AS ids FROM orders
SELECT id, string_agg(item, '-') OVER (ORDER BY id ROWS 2 PRECEDING) AS items, array_agg(qty) OVER (PARTITION BY item ORDER BY id) AS qtys,
       string_agg(item, '+') FILTER (WHERE qty > 2) OVER (ORDER BY id DESC) AS after,
       round(stddev(qty) OVER (ORDER BY id)::numeric, 10) AS deviation,
       round(var_pop(price) OVER (PARTITION BY item)::numeric, 10) AS variance,
       round(regr_slope(price, qty) OVER (ORDER BY id)::numeric, 10) AS slope, bit_xor(id) OVER (ORDER BY id ROWS 1 PRECEDING) AS bits,
       avg(at - timestamp '2024-03-01') OVER (ORDER BY id) AS mean, json_agg(id) OVER (PARTITION BY item ORDER BY id)::text AS ids
FROM orders;
