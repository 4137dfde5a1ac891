-- postgres: SELECT date_trunc('hour', at), percentile_cont(0.5) WITHIN GROUP (ORDER BY qty), mode() WITHIN GROUP (ORDER BY item), bit_or(qty), sum(price * interval '1 hour'), regr_count(price, qty), round(regr_sxy(price, qty)::numeric, 10) FROM orders GROUP BY 1
SELECT window_start, percentile_cont(0.5) WITHIN GROUP (ORDER BY qty) AS median, mode() WITHIN GROUP (ORDER BY item) AS most,
       bit_or(qty) AS bits, sum(price * interval '1 hour') AS hours, regr_count(price, qty) AS pairs,
       round(regr_sxy(price, qty)::numeric, 10) AS sxy
FROM TUMBLE(orders, at, INTERVAL '1 hour') GROUP BY window_start;
