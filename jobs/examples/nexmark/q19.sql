-- The ten highest bids of each auction, the first of equals.
--
--   weir run jobs/examples/nexmark/q19.sql --set EVENTS=1000000 --set OUT=/tmp/q19

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q19 (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text,
  rank_number bigint
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q19}', format = '${FORMAT:-csv}',
        emit = '${EMIT:-final}');

INSERT INTO nexmark_q19
  SELECT auction, bidder, price, channel, url, date_time, extra, rank_number
  FROM (
    SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, date_time) AS rank_number
    FROM bid
  ) AS ranked
  WHERE rank_number <= 10;
