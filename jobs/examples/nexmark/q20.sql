-- Expand bids with their auctions, of one category.
--
--   weir run jobs/examples/nexmark/q20.sql --set EVENTS=1000000 --set OUT=/tmp/q20

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE auction (
  id bigint PRIMARY KEY, item_name text, description text, initial_bid bigint, reserve bigint, date_time timestamp,
  expires timestamp, seller bigint, category bigint, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q20 (
  auction bigint, bidder bigint, price bigint, channel text, url text, bid_date_time timestamp,
  bid_extra text, item_name text, description text, initial_bid bigint, reserve bigint,
  auction_date_time timestamp, expires timestamp, seller bigint, category bigint, auction_extra text
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q20}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q20
  SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time, b.extra,
         a.item_name, a.description, a.initial_bid, a.reserve, a.date_time, a.expires, a.seller,
         a.category, a.extra
  FROM bid AS b JOIN auction AS a ON b.auction = a.id
  WHERE a.category = 10;
