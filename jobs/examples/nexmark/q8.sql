-- Monitor new users: who came and opened an auction within the same 10 seconds.
--
--   weir run jobs/examples/nexmark/q8.sql --set EVENTS=1000000 --set OUT=/tmp/q8

CREATE TABLE person (
  id bigint, name text, email_address text, credit_card text, city text, state text, date_time timestamp,
  extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE auction (
  id bigint, item_name text, description text, initial_bid bigint, reserve bigint, date_time timestamp,
  expires timestamp, seller bigint, category bigint, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q8 (
  id bigint, name text, stime timestamp
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q8}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q8
  SELECT p.id, p.name, p.starttime
  FROM (
    SELECT id, name, window_start AS starttime, window_end AS endtime
    FROM TUMBLE(person, date_time, INTERVAL '10 seconds')
    GROUP BY id, name, window_start, window_end
  ) AS p
  JOIN (
    SELECT seller, window_start AS starttime, window_end AS endtime
    FROM TUMBLE(auction, date_time, INTERVAL '10 seconds')
    GROUP BY seller, window_start, window_end
  ) AS a
  ON p.id = a.seller AND p.starttime = a.starttime AND p.endtime = a.endtime;
