-- A folder for each value, named as Hive does.
-- output: out/by_item
-- postgres: none, it has no such file
CREATE TABLE by_item (id int, item text, qty int)
  WITH (connector = 'file', path = 'out/by_item', format = 'csv', partition_by = 'item');
INSERT INTO by_item SELECT id, item, qty FROM orders;
