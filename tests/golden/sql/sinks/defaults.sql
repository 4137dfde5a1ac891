-- output: out/defaults
-- postgres: SELECT a, b, c, b || '!' FROM (VALUES (1, 'none', 3), (7, '5', NULL), (2, 'x', 9)) AS v(a, b, c)
CREATE TABLE defaults (a int DEFAULT 7, b text DEFAULT 'none', c bigint, d text GENERATED ALWAYS AS (b || '!') STORED)
  WITH (connector = 'file', path = 'out/defaults', format = 'csv');
INSERT INTO defaults VALUES (1, DEFAULT, 3), (DEFAULT, 5, DEFAULT), (2, 'x', 9);
