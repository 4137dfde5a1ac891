-- Currency conversion: the price of every bid in euros.
--
--   weir run jobs/examples/nexmark/q1.sql --set EVENTS=1000000 --set OUT=/tmp/q1

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q1 (
  auction bigint, bidder bigint, price numeric(23, 3), date_time timestamp, extra text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q1}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q1
  SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid;
