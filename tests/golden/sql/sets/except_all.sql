-- Rows count: three pens less one.
SELECT item FROM orders EXCEPT ALL SELECT item FROM prices;
