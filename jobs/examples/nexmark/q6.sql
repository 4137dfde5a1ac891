-- Average selling price per seller over the last 10 closed auctions: the highest valid bid of each
-- auction, in the order in which they were made.
--
--   weir run jobs/examples/nexmark/q6.sql --set EVENTS=1000000 --set OUT=/tmp/q6

CREATE TABLE auction (
  id bigint, item_name text, description text, initial_bid bigint, reserve bigint, date_time timestamp,
  expires timestamp, seller bigint, category bigint, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q6 (
  seller bigint, avg_price double precision
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q6}', format = '${FORMAT:-csv}',
        emit = '${EMIT:-final}');

INSERT INTO nexmark_q6
  SELECT q.seller,
         avg(q.price) OVER (PARTITION BY q.seller ORDER BY q.date_time, q.id
                            ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)
  FROM (
    SELECT id, seller, price, date_time
    FROM (
      SELECT a.id, a.seller, b.price, b.date_time,
             row_number() OVER (PARTITION BY a.id, a.seller ORDER BY b.price DESC, b.date_time) AS rownum
      FROM auction AS a JOIN bid AS b
        ON a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
    ) AS ranked
    WHERE rownum <= 1
  ) AS q;
