-- Selection: bids on some auctions.
--
--   weir run jobs/examples/nexmark/q2.sql --set EVENTS=1000000 --set OUT=/tmp/q2

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q2 (
  auction bigint, price bigint
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q2}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q2
  SELECT auction, price FROM bid WHERE mod(auction, 123) = 0;
