-- Average price per category, of the highest valid bid of each auction.
--
--   weir run jobs/examples/nexmark/q4.sql --set EVENTS=1000000 --set OUT=/tmp/q4

CREATE TABLE auction (
  id bigint PRIMARY KEY, item_name text, description text, initial_bid bigint, reserve bigint, date_time timestamp,
  expires timestamp, seller bigint, category bigint, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q4 (
  category bigint, final double precision
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q4}', format = '${FORMAT:-csv}',
        emit = '${EMIT:-final}');

INSERT INTO nexmark_q4
  SELECT q.category, avg(q.final)
  FROM (
    SELECT max(b.price) AS final, a.category
    FROM auction AS a JOIN bid AS b
      ON a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
    GROUP BY a.id, a.category
  ) AS q
  GROUP BY q.category;
