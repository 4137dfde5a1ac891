-- Auction statistics per day: bids by ranges of price, and what was bid.
--
--   weir run jobs/examples/nexmark/q17.sql --set EVENTS=1000000 --set OUT=/tmp/q17

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q17 (
  auction bigint, day text,
  total_bids bigint, rank1_bids bigint, rank2_bids bigint, rank3_bids bigint,
  min_price bigint, max_price bigint, avg_price double precision, sum_price numeric(38, 0)
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q17}', format = '${FORMAT:-csv}',
        emit = '${EMIT:-final}');

INSERT INTO nexmark_q17
  SELECT auction, to_char(date_time, 'YYYY-MM-DD') AS day,
         count(*) AS total_bids,
         count(*) FILTER (WHERE price < 10000) AS rank1_bids,
         count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
         count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
         min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price,
         sum(price) AS sum_price
  FROM bid
  GROUP BY auction, to_char(date_time, 'YYYY-MM-DD');
