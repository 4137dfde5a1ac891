-- Keys with their last values, when the input has ended.
-- output: out/counts
-- postgres: none, it has no such file
CREATE TABLE counts (item text, n bigint, PRIMARY KEY (item))
  WITH (connector = 'file', path = 'out/counts', format = 'upsert_json', emit = 'final');
INSERT INTO counts SELECT item, count(*) FROM orders GROUP BY item;
