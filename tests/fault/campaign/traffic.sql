-- What tests/fault/traffic.py writes: every record again, and how often each key came. Into topics, exactly once.

CREATE TABLE load (id text, value text)
  WITH (connector = 'topic', topic = 'load', format = 'raw', key = 'id');

CREATE TABLE copies (value text, id text)
  WITH (connector = 'topic', topic = 'copies', format = 'csv', key = 'id');

INSERT INTO copies SELECT value, id FROM load;

CREATE TABLE counts (id text PRIMARY KEY, n bigint)
  WITH (connector = 'topic', topic = 'counts', format = 'upsert_json');

INSERT INTO counts SELECT id, count(*) FROM load GROUP BY id;
