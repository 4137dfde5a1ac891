-- Rows that came and went leave nothing.
SELECT item, sum(n) AS n, count(*) AS places FROM stock GROUP BY item;
