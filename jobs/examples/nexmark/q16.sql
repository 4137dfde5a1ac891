-- Channel statistics per day: as q15, by channel.
--
--   weir run jobs/examples/nexmark/q16.sql --set EVENTS=1000000 --set OUT=/tmp/q16

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q16 (
  channel text, day text, minute text,
  total_bids bigint, rank1_bids bigint, rank2_bids bigint, rank3_bids bigint,
  total_bidders bigint, rank1_bidders bigint, rank2_bidders bigint, rank3_bidders bigint,
  total_auctions bigint, rank1_auctions bigint, rank2_auctions bigint, rank3_auctions bigint
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q16}', format = '${FORMAT:-csv}',
        emit = '${EMIT:-final}');

INSERT INTO nexmark_q16
  SELECT channel, to_char(date_time, 'YYYY-MM-DD') AS day,
         max(to_char(date_time, 'HH24:MI')) AS minute,
         count(*) AS total_bids,
         count(*) FILTER (WHERE price < 10000) AS rank1_bids,
         count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
         count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
         count(DISTINCT bidder) AS total_bidders,
         count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
         count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
         count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
         count(DISTINCT auction) AS total_auctions,
         count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
         count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
         count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
  FROM bid
  GROUP BY channel, to_char(date_time, 'YYYY-MM-DD');
