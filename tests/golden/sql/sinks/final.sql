-- A file takes an aggregate's rows when they are final.
-- output: out/totals
-- postgres: SELECT item, sum(n) FROM stock GROUP BY item
CREATE TABLE totals (item text, n bigint) WITH (connector = 'file', path = 'out/totals', format = 'csv', emit = 'final');
INSERT INTO totals SELECT item, sum(n) FROM stock GROUP BY item;
