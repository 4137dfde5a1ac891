SELECT o.id, word, n
FROM orders AS o, regexp_split_to_table(o.item || ' x1y22', '[ 0-9]+') WITH ORDINALITY AS w (word, n)
WHERE o.id < 3;
