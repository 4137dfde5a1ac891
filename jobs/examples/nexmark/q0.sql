-- Pass through: what reading, snapshots and writing cost by themselves.
--
--   weir run jobs/examples/nexmark/q0.sql --set EVENTS=1000000 --set OUT=/tmp/q0

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q0 (
  auction bigint, bidder bigint, price bigint, date_time timestamp, extra text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q0}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q0
  SELECT auction, bidder, price, date_time, extra FROM bid;
