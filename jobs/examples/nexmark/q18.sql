-- The last bid of each person on each auction.
--
--   weir run jobs/examples/nexmark/q18.sql --set EVENTS=1000000 --set OUT=/tmp/q18

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q18 (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q18}', format = '${FORMAT:-csv}',
        emit = '${EMIT:-final}');

INSERT INTO nexmark_q18
  SELECT auction, bidder, price, channel, url, date_time, extra
  FROM (
    SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC) AS rank_number
    FROM bid
  ) AS ranked
  WHERE rank_number <= 1;
