-- No equal columns: all pairs are looked at.
SELECT a.id AS a, b.id AS b FROM orders AS a JOIN orders AS b ON a.price < b.price AND a.item <> b.item WHERE a.qty >= 3;
