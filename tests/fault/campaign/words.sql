-- Words of a topic that is written meanwhile: how often each occurred so far, and every single one. Both into topics,
-- exactly once.

CREATE TABLE lines (id text, line text, part int, place_in_part bigint)
  WITH (connector = 'topic', topic = 'lines', format = 'raw', key = 'id', partition = 'part', offset = 'place_in_part');

CREATE TABLE counts (word text PRIMARY KEY, n bigint)
  WITH (connector = 'topic', topic = 'counts', format = 'upsert_json');

INSERT INTO counts
  SELECT word, count(*) FROM lines, words(line) AS word GROUP BY word;

-- With where the line was read.
CREATE TABLE occurrences (id text, number bigint, place bigint, word text, part int, place_in_part bigint)
  WITH (connector = 'topic', topic = 'occurrences', format = 'csv', key = 'id');

INSERT INTO occurrences
  SELECT id, split_part(line, ' ', 1)::bigint, place, word, part, place_in_part
  FROM lines, words(line) WITH ORDINALITY AS w (word, place);
