-- Aggregates of rows that are taken back.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n) AS median, mode() WITHIN GROUP (ORDER BY item) AS most,
       percentile_disc(0.25) WITHIN GROUP (ORDER BY n DESC) AS low, bit_or(n) AS bits, bit_and(n) AS common, bit_xor(n) AS odd,
       sum(n * interval '1 day') AS days, regr_count(n, length(place)) AS pairs, corr(n, length(place)) AS corr,
       stddev(DISTINCT length(item)) AS deviation
FROM stock;
