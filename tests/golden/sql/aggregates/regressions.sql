SELECT item IS NULL AS none, regr_count(price, qty) AS n, round(regr_avgx(price, qty)::numeric, 10) AS avgx,
       round(regr_avgy(price, qty)::numeric, 10) AS avgy, round(regr_sxx(price, qty)::numeric, 10) AS sxx,
       round(regr_syy(price, qty)::numeric, 10) AS syy, round(regr_sxy(price, qty)::numeric, 10) AS sxy,
       round(regr_slope(price, qty)::numeric, 10) AS slope, round(regr_intercept(price, qty)::numeric, 10) AS intercept,
       round(regr_r2(price, qty)::numeric, 10) AS r2, round(corr(price, qty)::numeric, 10) AS corr,
       round(covar_pop(price, qty)::numeric, 10) AS pop, round(covar_samp(price, qty)::numeric, 10) AS samp,
       corr(price, 1) AS flat, regr_slope(1, qty) AS slope_of_flat, regr_r2(1, qty) AS r2_of_flat
FROM orders GROUP BY item IS NULL;
