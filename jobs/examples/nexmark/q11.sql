-- User sessions: how many bids a person makes before a pause of 10 seconds.
--
--   weir run jobs/examples/nexmark/q11.sql --set EVENTS=1000000 --set OUT=/tmp/q11

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q11 (
  bidder bigint, bid_count bigint, starttime timestamp, endtime timestamp
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q11}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q11
  SELECT bidder, count(*) AS bid_count, window_start AS starttime, window_end AS endtime
  FROM SESSION(bid, date_time, INTERVAL '10 seconds', bidder)
  GROUP BY bidder, window_start, window_end;
