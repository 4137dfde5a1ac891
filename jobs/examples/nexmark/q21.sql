-- Channel ids: from a channel's name, or from the address of the bid.
--
--   weir run jobs/examples/nexmark/q21.sql --set EVENTS=1000000 --set OUT=/tmp/q21

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q21 (
  auction bigint, bidder bigint, price bigint, channel text, channel_id text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q21}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q21
  SELECT auction, bidder, price, channel,
         CASE
           WHEN lower(channel) = 'apple' THEN '0'
           WHEN lower(channel) = 'google' THEN '1'
           WHEN lower(channel) = 'facebook' THEN '2'
           WHEN lower(channel) = 'baidu' THEN '3'
           ELSE substring(url FROM 'channel_id=([^&]*)')
         END AS channel_id
  FROM bid
  WHERE substring(url FROM 'channel_id=([^&]*)') IS NOT NULL
     OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu');
