-- Bounded side input: bids with a value that is looked up in a small table.
--
--   weir run jobs/examples/nexmark/q13.sql --set EVENTS=1000000 --set OUT=/tmp/q13

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE side_input (n bigint) WITH (connector = 'sequence', start = '0', "end" = '9999');

CREATE TABLE nexmark_q13 (
  auction bigint, bidder bigint, price bigint, date_time timestamp, value text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q13}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q13
  SELECT b.auction, b.bidder, b.price, b.date_time, s.value
  FROM bid AS b
  JOIN (SELECT n AS key, 'value-' || n AS value FROM side_input) AS s ON mod(b.auction, 10000) = s.key;
