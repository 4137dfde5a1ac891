-- How many bids a person makes in each 10 seconds. The original counts by the wall clock; a job that goes
-- on after a crash has to come to the same result, so this one counts by event time.
--
--   weir run jobs/examples/nexmark/q12.sql --set EVENTS=1000000 --set OUT=/tmp/q12

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q12 (
  bidder bigint, bid_count bigint, starttime timestamp, endtime timestamp
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q12}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q12
  SELECT bidder, count(*) AS bid_count, window_start AS starttime, window_end AS endtime
  FROM TUMBLE(bid, date_time, INTERVAL '10 seconds')
  GROUP BY bidder, window_start, window_end;
