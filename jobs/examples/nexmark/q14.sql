-- Calculation: prices in euros, the time of day by name, and how many times c is in the padding.
--
--   weir run jobs/examples/nexmark/q14.sql --set EVENTS=1000000 --set OUT=/tmp/q14

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q14 (
  auction bigint, bidder bigint, price numeric(23, 3), bid_time_type text, date_time timestamp, extra text,
  c_counts bigint
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q14}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q14
  SELECT auction, bidder, 0.908 * price AS price,
         CASE
           WHEN extract(hour FROM date_time) >= 8 AND extract(hour FROM date_time) <= 18 THEN 'dayTime'
           WHEN extract(hour FROM date_time) <= 6 OR extract(hour FROM date_time) >= 20 THEN 'nightTime'
           ELSE 'otherTime'
         END AS bid_time_type,
         date_time, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
  FROM bid
  WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;
