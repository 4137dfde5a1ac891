-- Log to files: all bids, into a folder per day and minute (dt=2020-01-01/hm=00%3A00).
--
--   weir run jobs/examples/nexmark/q10.sql --set EVENTS=1000000 --set OUT=/tmp/q10

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q10 (
  auction bigint, bidder bigint, price bigint, date_time timestamp, extra text, dt text, hm text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q10}', format = '${FORMAT:-csv}',
        partition_by = '${PARTITION_BY:-dt, hm}');

INSERT INTO nexmark_q10
  SELECT auction, bidder, price, date_time, extra,
         to_char(date_time, 'YYYY-MM-DD'), to_char(date_time, 'HH24:MI')
  FROM bid;
