-- The table that the expressions are evaluated over. The same rows stand in table.txt.
SET timezone = 'UTC';
CREATE TABLE t (id int, i int, j bigint, f double precision, n numeric(38,2), m numeric(38,4),
                s text, u text, b boolean, d date, ts timestamp, iv interval, js json);
INSERT INTO t VALUES
 (1, 1, 10, 1.5, 1.25, 0.0001, 'hello', 'l', true, '2013-01-01', '2013-01-01 10:00:00', '1 day', '{"a": 1, "b": [1, 2.50, "x"], "c": {"d": null}}'),
 (2, -7, -3, -2.25, -3.50, 12.3456, 'Hello World', 'o', false, '2012-02-29', '2012-02-29 23:59:59.999999', '-01:30:00', '{"a": "t\"q", "b": []}'),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (4, 0, 0, 0, 0, 0, '', '', true, '1970-01-01', '1970-01-01 00:00:00', '0', '[1, "two", {"three": 3}, null]'),
 (5, 2147483647, 9223372036854775807, 1e300, 99999999999999.99, -1.5, 'ÄÖÜ straße 日本', 'ß', NULL, '2099-12-31', '2099-12-31 12:34:56.5', '1 year 2 mons 3 days 04:05:06.789', '"text"'),
 (6, -2147483648, -9223372036854775808, 'NaN', -0.01, 1000000.0001, '  padded  ', ' ', false, '0001-01-01', '0001-01-01 00:00:01', '-1 mons +10 days -00:00:00.5', '12.50'),
 (7, 42, 42, 'Infinity', 42, 42, '42', '4', true, '2024-12-30', '2024-12-30 06:07:08.009', '100 years', 'true'),
 (8, 5, NULL, -0.5, 0.05, 2.5, 'a_b%c', '%', NULL, '2013-06-15', NULL, '2 days 12:00:00', 'null');
