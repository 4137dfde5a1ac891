-- Traffic in windows that overlap, grow and follow what happens: hops, cumulating windows, sessions.
--
--   weir run jobs/examples/flights/windows.sql

CREATE TABLE flights (
  carrier text, tailnum text, origin text, dest text, dep_delay int, minute int, time_hour timestamp,
  sched timestamp GENERATED ALWAYS AS (time_hour + minute * interval '1 minute') STORED
) WITH (connector = 'file', path = '${FLIGHTS:-data/flights_2013_01.csv}', format = 'csv',
        header = true, null_text = 'NA', event_time = 'sched',
        watermark_delay = '1 day',  -- the file is in order of departure, not of schedule
        rate = '${RATE:-}');

-- Every quarter of an hour, over the last two hours.
CREATE TABLE hops (origin text, until timestamp, n bigint, worst int, carriers bigint, first_dest text)
  WITH (connector = 'file', path = '${OUT:-out}/hops', format = 'csv');
INSERT INTO hops
  SELECT origin, window_end, count(*), max(dep_delay), count(DISTINCT carrier), min(dest)
  FROM HOP(flights, sched, INTERVAL '15 minutes', INTERVAL '2 hours')
  GROUP BY origin, window_start, window_end;

-- The day so far, every hour.
CREATE TABLE growth (carrier text, until timestamp, n bigint, delay bigint)
  WITH (connector = 'file', path = '${OUT:-out}/growth', format = 'csv');
INSERT INTO growth
  SELECT carrier, window_end, count(*), sum(dep_delay)
  FROM CUMULATE(flights, sched, INTERVAL '1 hour', INTERVAL '1 day')
  GROUP BY carrier, window_start, window_end;

-- What an aircraft did without a break of eight hours.
CREATE TABLE rotations (tailnum text, begun timestamp, last timestamp, n bigint, airports bigint, worst int)
  WITH (connector = 'file', path = '${OUT:-out}/rotations', format = 'csv');
INSERT INTO rotations
  SELECT tailnum, window_start, window_end - INTERVAL '8 hours', count(*), count(DISTINCT origin),
         max(dep_delay)
  FROM SESSION(flights, sched, INTERVAL '8 hours')
  WHERE tailnum IS NOT NULL
  GROUP BY tailnum, window_start, window_end
  HAVING count(*) > 1;
