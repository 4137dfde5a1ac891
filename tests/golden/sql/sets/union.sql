SELECT item FROM orders UNION SELECT item FROM stock;
