SELECT DISTINCT item FROM orders WHERE item NOT IN (SELECT item FROM stock);
