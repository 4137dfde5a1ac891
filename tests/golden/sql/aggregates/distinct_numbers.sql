SELECT avg(DISTINCT price) AS mean, round(stddev(DISTINCT qty)::numeric, 10) AS deviation,
       round(var_pop(DISTINCT price)::numeric, 10) AS variance, sum(DISTINCT price) AS sum,
       variance(DISTINCT price) FILTER (WHERE item = 'none') AS nothing
FROM orders;
