-- Each departure with the last weather report of its airport before it was due.
--
--   weir run jobs/examples/flights/weather.sql

CREATE TABLE flights (
  carrier text, flight int, origin text, minute int, time_hour timestamp, dep_delay int,
  sched timestamp GENERATED ALWAYS AS (time_hour + minute * interval '1 minute') STORED
) WITH (connector = 'file', path = '${FLIGHTS:-data/flights_2013_01.csv}', format = 'csv',
        header = true, null_text = 'NA', event_time = 'sched',
        watermark_delay = '1 day',  -- the file is in order of departure, not of schedule
        rate = '${RATE:-}');

CREATE TABLE weather (origin text, time_hour timestamp, wind_speed double precision, visib double precision)
  WITH (connector = 'file', path = '${WEATHER:-data/weather_2013_01.csv}', format = 'csv',
        header = true, null_text = 'NA', event_time = 'time_hour',
        watermark_delay = '32 days');  -- the file has one airport after the other

CREATE TABLE conditions (
  sched timestamp, origin text, carrier text, flight int, dep_delay int,
  reported timestamp, wind_speed double precision, visib double precision
) WITH (connector = 'file', path = '${OUT:-out}/conditions', format = 'csv');

-- The newest row of a table at a row's event time: an as-of join, whose rows are final.
INSERT INTO conditions
  SELECT f.sched, f.origin, f.carrier, f.flight, f.dep_delay, w.time_hour, w.wind_speed, w.visib
  FROM flights AS f
       LEFT JOIN LATERAL (
         SELECT * FROM weather AS r
         WHERE r.origin = f.origin AND r.time_hour <= f.sched
         ORDER BY r.time_hour DESC
         LIMIT 1
       ) AS w ON true
  WHERE f.dep_delay > 60;
