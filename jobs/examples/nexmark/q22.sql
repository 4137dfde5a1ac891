-- Address parts: the three folders of a bid's address.
--
--   weir run jobs/examples/nexmark/q22.sql --set EVENTS=1000000 --set OUT=/tmp/q22

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q22 (
  auction bigint, bidder bigint, price bigint, channel text, dir1 text, dir2 text, dir3 text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q22}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q22
  SELECT auction, bidder, price, channel,
         split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2,
         split_part(url, '/', 6) AS dir3
  FROM bid;
