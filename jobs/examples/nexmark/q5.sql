-- Hot items: the auctions with the most bids in the last 10 seconds, every 2 seconds.
--
--   weir run jobs/examples/nexmark/q5.sql --set EVENTS=1000000 --set OUT=/tmp/q5

CREATE TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q5 (
  auction bigint, num bigint, starttime timestamp, endtime timestamp
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q5}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q5
  SELECT a.auction, a.num, a.starttime, a.endtime
  FROM (
    SELECT auction, count(*) AS num, window_start AS starttime, window_end AS endtime
    FROM HOP(bid, date_time, INTERVAL '2 seconds', INTERVAL '10 seconds')
    GROUP BY auction, window_start, window_end
  ) AS a
  JOIN (
    SELECT max(num) AS maxn, starttime, endtime
    FROM (
      SELECT count(*) AS num, window_start AS starttime, window_end AS endtime
      FROM HOP(bid, date_time, INTERVAL '2 seconds', INTERVAL '10 seconds')
      GROUP BY auction, window_start, window_end
    ) AS counts
    GROUP BY starttime, endtime
  ) AS m
  ON a.starttime = m.starttime AND a.endtime = m.endtime AND a.num >= m.maxn;
