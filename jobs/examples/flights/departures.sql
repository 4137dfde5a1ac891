-- Departures per airport and hour. (departures.yaml also finds the unusual hours, with a custom
-- operator.)
--
--   weir run jobs/examples/flights/departures.sql

CREATE TABLE flights (
  origin text, dep_time int, minute int, time_hour timestamp,
  sched timestamp GENERATED ALWAYS AS (time_hour + minute * interval '1 minute') STORED
) WITH (connector = 'file', path = '${FLIGHTS:-data/flights_2013_01.csv}', format = 'csv',
        header = true, null_text = 'NA', event_time = 'sched',
        watermark_delay = '1 day',  -- the file is in order of departure, not of schedule
        rate = '${RATE:-}');

CREATE TABLE departures (origin text, window_start timestamp, n bigint)
  WITH (connector = 'file', path = '${OUT:-out}/departures', format = 'csv');

-- A window's rows leave once, when the watermark closes it.
INSERT INTO departures
  SELECT origin, window_start, count(*)
  FROM TUMBLE(flights, sched, INTERVAL '1 hour')
  WHERE dep_time IS NOT NULL
  GROUP BY origin, window_start;
