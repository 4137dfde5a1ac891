-- How often each word occurs in a text.
--
--   weir run jobs/examples/flights/wordcount.sql --set TEXT=/usr/share/common-licenses/GPL-3

CREATE TABLE text (line text)
  WITH (connector = 'file', path = '${TEXT:-data/logbook.txt}', format = 'raw', rate = '${RATE:-}');

CREATE TABLE counts (word text, n bigint)
  WITH (connector = 'file', path = '${OUT:-out}/words', format = 'csv', emit = 'final');

INSERT INTO counts
  SELECT word, count(*) FROM text, words(line) AS word GROUP BY word;
