-- The tables that all golden queries may read, in Weir's form; the runner gives PostgreSQL the same columns and rows.
CREATE TYPE address AS (city text, number int);
CREATE TABLE customers (id int, name text, city text, since date)
  WITH (connector = 'file', path = 'customers.csv', format = 'csv', header = true);
CREATE TABLE orders (id int, customer int, item text, qty int, price numeric(10, 2), at timestamp)
  WITH (connector = 'file', path = 'orders.csv', format = 'csv', header = true, event_time = 'at', watermark_delay = '1 hour');
CREATE TABLE returns (order_id int, at timestamp, reason text)
  WITH (connector = 'file', path = 'returns.csv', format = 'csv', header = true, event_time = 'at', watermark_delay = '1 hour');
CREATE TABLE prices (item text, list numeric(10, 2), at timestamp)
  WITH (connector = 'file', path = 'prices.csv', format = 'csv', header = true, event_time = 'at', watermark_delay = '1 hour');
CREATE TABLE parcels (id int, weights int[], tags text[], dest address)
  WITH (connector = 'file', path = 'parcels.csv', format = 'csv', header = true);
CREATE TABLE stock (item text, place text, n int)
  WITH (connector = 'file', path = 'stock.json', format = 'debezium_json');
