-- Delays and cancellations per carrier, January 2013.
--
--   weir run jobs/examples/flights/carriers.sql
--   weir run jobs/examples/flights/carriers.sql --set FLIGHTS=/data/flights_2013.csv.zst --set OUT=/tmp/out

CREATE TABLE flights (
  carrier text, dep_time int, dep_delay int, arr_delay int, distance int
) WITH (connector = 'file', path = '${FLIGHTS:-data/flights_2013_01.csv}', format = 'csv',
        header = true, null_text = 'NA',
        rate = '${RATE:-}');  -- rows/s, to watch it; as fast as possible when not set

-- A file only takes rows that do not change any more: those that stand when the input ends.
CREATE TABLE carriers (
  carrier text, flights bigint, cancelled bigint, delayed bigint,
  avg_dep_delay double precision, max_dep_delay int, miles bigint
) WITH (connector = 'file', path = '${OUT:-out}/carriers', format = 'csv', emit = 'final');

INSERT INTO carriers
  SELECT carrier,
         count(*),
         count(*) FILTER (WHERE dep_time IS NULL),
         count(*) FILTER (WHERE dep_delay > 15),
         avg(dep_delay),
         max(dep_delay),
         sum(distance)
  FROM flights
  GROUP BY carrier;
