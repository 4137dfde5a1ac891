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
CREATE TABLE shelves (place text, item text, n int, PRIMARY KEY (place))
  WITH (connector = 'file', path = 'shelves.json', format = 'upsert_json');
CREATE TABLE readings (
  s1 int, s2 int, s3 int, s4 int, s5 int, s6 int, s7 int, s8 int, s9 int, s10 int, s11 int, s12 int, s13 int,
  s14 int, s15 int, s16 int, s17 int, s18 int, s19 int, s20 int, s21 int, s22 int, s23 int, s24 int, s25 int,
  s26 int, s27 int, s28 int, s29 int, s30 int, s31 int, s32 int, s33 int, s34 int, s35 int, s36 int, s37 int,
  s38 int, s39 int, s40 int, s41 int, s42 int, s43 int, s44 int, s45 int, s46 int, s47 int, s48 int, s49 int,
  s50 int, s51 int, s52 int, s53 int, s54 int, s55 int, s56 int, s57 int, s58 int, s59 int, s60 int, s61 int,
  s62 int, s63 int, s64 int, s65 int, s66 int, s67 int, s68 int, s69 int, s70 int, machine text, n int, at timestamp)
  WITH (connector = 'file', path = 'readings.csv', format = 'csv', header = true, event_time = 'at', watermark_delay = '1 hour');
