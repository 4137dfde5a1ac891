-- Highest bid: the bids with the highest price of each 10 seconds.
--
--   weir run jobs/examples/nexmark/q7.sql --set EVENTS=1000000 --set OUT=/tmp/q7

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q7 (
  auction bigint, price bigint, bidder bigint, date_time timestamp, extra text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q7}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q7
  SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
  FROM TUMBLE(bid, date_time, INTERVAL '10 seconds') AS b
  JOIN (
    SELECT max(price) AS maxprice, window_start, window_end
    FROM TUMBLE(bid, date_time, INTERVAL '10 seconds')
    GROUP BY window_start, window_end
  ) AS m
  ON b.window_start = m.window_start AND b.window_end = m.window_end AND b.price = m.maxprice;
