-- postgres: SELECT s, percentile_disc(0.5) WITHIN GROUP (ORDER BY qty), bit_or(qty), bit_and(qty), bit_xor(qty), avg(price * interval '1 hour'), regr_count(price, qty), round(corr(price, qty)::numeric, 10) FROM orders JOIN generate_series(timestamp '2024-03-01', timestamp '2024-03-03', interval '1 hour') s ON at >= s AND at < s + interval '3 hours' GROUP BY s
SELECT window_start, percentile_disc(0.5) WITHIN GROUP (ORDER BY qty) AS median, bit_or(qty) AS bits, bit_and(qty) AS common,
       bit_xor(qty) AS odd, avg(price * interval '1 hour') AS hours, regr_count(price, qty) AS pairs,
       round(corr(price, qty)::numeric, 10) AS corr
FROM HOP(orders, at, INTERVAL '1 hour', INTERVAL '3 hours') GROUP BY window_start;
