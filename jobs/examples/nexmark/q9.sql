-- Winning bids: the highest valid bid of each auction, the first of equals.
--
--   weir run jobs/examples/nexmark/q9.sql --set EVENTS=1000000 --set OUT=/tmp/q9

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

CREATE TABLE nexmark_q9 (
  id bigint, item_name text, description text, initial_bid bigint, reserve bigint, date_time timestamp,
  expires timestamp, seller bigint, category bigint, extra text,
  auction bigint, bidder bigint, price bigint, bid_date_time timestamp, bid_extra text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q9}', format = '${FORMAT:-csv}',
        emit = '${EMIT:-final}');

INSERT INTO nexmark_q9
  SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra,
         auction, bidder, price, bid_date_time, bid_extra
  FROM (
    SELECT a.id, a.item_name, a.description, a.initial_bid, a.reserve, a.date_time, a.expires, a.seller,
           a.category, a.extra, b.auction, b.bidder, b.price, b.date_time AS bid_date_time,
           b.extra AS bid_extra,
           row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS rownum
    FROM auction AS a JOIN bid AS b
      ON a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
  ) AS ranked
  WHERE rownum <= 1;
