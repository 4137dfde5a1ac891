-- Local item suggestion: who sells in some category and lives in some states.
--
--   weir run jobs/examples/nexmark/q3.sql --set EVENTS=1000000 --set OUT=/tmp/q3

CREATE TABLE auction (
  id bigint, item_name text, description text, initial_bid bigint, reserve bigint, date_time timestamp,
  expires timestamp, seller bigint, category bigint, extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE person (
  id bigint, name text, email_address text, credit_card text, city text, state text, date_time timestamp,
  extra text
) WITH (connector = 'nexmark', event_time = 'date_time', events = '${EVENTS:-1000000}',
        event_rate = '${EVENT_RATE:-}', seed = '${SEED:-}', rate = '${RATE:-}',
        splits = '${SPLITS:-}', full_events = '${FULL_EVENTS:-}');

CREATE TABLE nexmark_q3 (
  name text, city text, state text, id bigint
) WITH (connector = '${SINK:-file}', path = '${OUT:-out/q3}', format = '${FORMAT:-csv}');

INSERT INTO nexmark_q3
  SELECT p.name, p.city, p.state, a.id
  FROM auction AS a JOIN person AS p ON a.seller = p.id
  WHERE a.category = 10 AND (p.state = 'OR' OR p.state = 'ID' OR p.state = 'CA');
