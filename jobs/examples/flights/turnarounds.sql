-- How long each aircraft took to leave New York again: departures within four hours of the one before.
--
--   weir run jobs/examples/flights/turnarounds.sql

CREATE TABLE flights (
  tailnum text, origin text, carrier text, flight int, dep_time int, minute int,
  time_hour timestamp,
  sched timestamp GENERATED ALWAYS AS (time_hour + minute * interval '1 minute') STORED
) WITH (connector = 'file', path = '${FLIGHTS:-data/flights_2013_01.csv}', format = 'csv',
        header = true, null_text = 'NA', event_time = 'sched',
        watermark_delay = '1 day',  -- the file is in order of departure, not of schedule
        rate = '${RATE:-}');

CREATE TABLE turnarounds (tailnum text, came timestamp, left_again timestamp, origin text,
                          minutes bigint, nth bigint)
  WITH (connector = 'file', path = '${OUT:-out}/turnarounds', format = 'csv');

-- In order of event time rows leave once, behind the watermark: a file takes them.
INSERT INTO turnarounds
  SELECT tailnum, came, sched, origin,
         (extract(epoch FROM sched) - extract(epoch FROM came))::bigint / 60, nth
  FROM (
    SELECT *, lag(sched) OVER w AS came, count(*) OVER w AS nth
    FROM flights
    WHERE dep_time IS NOT NULL AND tailnum IS NOT NULL
    WINDOW w AS (PARTITION BY tailnum ORDER BY sched)
  ) AS departures
  WHERE sched - came < interval '4 hours';
