-- output: out/dear
-- postgres: SELECT id, item, price FROM orders WHERE price > 3
CREATE TABLE dear (id int, item text, price numeric(10, 2)) WITH (connector = 'file', path = 'out/dear', format = 'csv');
INSERT INTO dear SELECT id, item, price FROM orders WHERE price > 3;
