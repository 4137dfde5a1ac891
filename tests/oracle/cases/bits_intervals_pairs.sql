-- Bits, intervals and regressions, over rows that come and go.
CREATE TABLE t (k text, i int, b bigint, n numeric, d float8, at timestamp);
INSERT INTO t VALUES ('a', 5, 4000000001, 1.5, 0.5, '2024-01-01 10:00:00'), ('a', -3, -1, 1.50, 0.25, '2024-01-02 10:00:00'), ('a', 6, NULL, 2.25, 1.5, NULL), ('b', NULL, NULL, NULL, NULL, NULL), ('b', 7, 70, 70, 7, '2024-01-03'), ('c', NULL, NULL, NULL, NULL, NULL), (NULL, 4, 8, 0.5, 4, '2024-01-01'), (NULL, 4, 9, 0.5, 4, '2024-01-01');
SELECT k AS c0, bit_and(i) AS c1, bit_or(b) AS c2, bit_xor(i) AS c3, bit_xor(DISTINCT b) AS c4, bit_or(DISTINCT i) AS c5 FROM t GROUP BY k;
SELECT k AS c0, sum(at - '2024-01-01')::text AS c1, avg(at - '2024-01-01')::text AS c2, sum(i * interval '1 month 1 day')::text AS c3, avg(i * interval '1 month -1 day')::text AS c4 FROM t GROUP BY k;
SELECT k AS c0, regr_count(d, i) AS c1, regr_sxx(d, i) AS c2, regr_avgy(d, i) AS c3, corr(d, i) AS c4, covar_samp(i, d) AS c5, regr_slope(i, 2) AS c6 FROM t GROUP BY k;
SELECT regr_r2(d, i) AS c0, regr_r2(2, i) AS c1, regr_intercept(n, d) AS c2, covar_pop(n, d) FILTER (WHERE k = 'a') AS c3, regr_syy(n, d) AS c4, regr_sxy(n, i) AS c5, regr_avgx(n, i) AS c6 FROM t;
SELECT bit_and(i) AS c0, sum(at - at)::text AS c1, corr(i, d) AS c2, regr_count(i, d) AS c3 FROM t WHERE k = 'none';
SELECT k AS c0, (SELECT regr_count(o.i, o.d) FROM t o WHERE o.i > t.i) AS c1, (SELECT bit_or(o.i) FROM t o WHERE o.i > t.i) AS c2 FROM t;
SELECT avg(DISTINCT n) AS c0, round(stddev(DISTINCT i)::numeric, 8) AS c1, var_pop(DISTINCT d) AS c2, (variance(DISTINCT b) FILTER (WHERE b < 100))::float8 AS c3 FROM t;
SELECT k AS c0, avg(DISTINCT n) AS c1, stddev_pop(DISTINCT d) AS c2, stddev(DISTINCT i)::float8 AS c3 FROM t GROUP BY k;
SELECT bit_or(m) AS c0, corr(m, n) AS c1, sum(m * interval '1 hour')::text AS c2 FROM (SELECT k, max(i) AS m, count(*) AS n FROM t GROUP BY k) s;
