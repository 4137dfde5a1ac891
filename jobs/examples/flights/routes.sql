-- The three busiest routes of each day.
--
--   weir run jobs/examples/flights/routes.sql

CREATE TABLE flights (
  origin text, dest text, minute int, time_hour timestamp,
  sched timestamp GENERATED ALWAYS AS (time_hour + minute * interval '1 minute') STORED
) WITH (connector = 'file', path = '${FLIGHTS:-data/flights_2013_01.csv}', format = 'csv',
        header = true, null_text = 'NA', event_time = 'sched',
        watermark_delay = '1 day',  -- the file is in order of departure, not of schedule
        rate = '${RATE:-}');

CREATE TABLE routes (day date, place bigint, origin text, dest text, n bigint)
  WITH (connector = 'file', path = '${OUT:-out}/routes', format = 'csv');

-- A window's end is among the keys: its rows leave once, when the watermark closes it.
INSERT INTO routes
  SELECT window_start::date, place, origin, dest, n
  FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY n DESC, origin, dest) AS place
    FROM (
      SELECT origin, dest, window_start, window_end, count(*) AS n
      FROM TUMBLE(flights, sched, INTERVAL '1 day')
      GROUP BY origin, dest, window_start, window_end
    ) AS counts
  ) AS numbered
  WHERE place <= 3;
