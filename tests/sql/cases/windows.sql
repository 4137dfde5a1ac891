-- CASE a window is a group that ends
INSERT INTO o SELECT k, count(*) FROM TUMBLE(t, ts, INTERVAL '1 hour') GROUP BY k, window_start
-- PLAN
sink file o (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k, window_start, window_end; once per window
      [k, window_start, window_end] pre-aggregate count(*) by k, window_start, window_end
        tumbling windows of 1h 00m over ts
          source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE both bounds, in the result too
SELECT window_start, window_end, sum(v) FROM TUMBLE(t, ts, '5 minutes') AS w GROUP BY w.window_start, window_end
-- PLAN
sink stdout
  project window_start, window_end, "sum(v)" AS sum
    aggregate sum(v) by window_start, window_end; once per window
      [window_start, window_end] pre-aggregate sum(v) by window_start, window_end
        tumbling windows of 5m 00s over ts
          source file t.csv (csv): v, ts; event time ts, up to 0s out of order

-- CASE without its bounds as keys a window is no group
SELECT k, count(*) FROM TUMBLE(t, ts, INTERVAL '1 hour') GROUP BY k
-- PLAN
sink stdout
  changes: project k, "count(*)" AS count
    changes: aggregate count(*) by k
      [k] pre-aggregate count(*) by k
        tumbling windows of 1h 00m over ts
          source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE an expression of a bound is no bound
SELECT date_trunc('day', window_start) AS day, count(*) FROM TUMBLE(t, ts, INTERVAL '1 hour') GROUP BY day
-- PLAN
sink stdout
  changes: project "date_trunc('day', window_start)" AS day, "count(*)" AS count
    changes: aggregate count(*) by key date_trunc('day', window_start)
      [key date_trunc('day', window_start)] pre-aggregate count(*) by key date_trunc('day', window_start)
        project date_trunc('day', window_start) AS key date_trunc('day', window_start)
          tumbling windows of 1h 00m over ts
            source file t.csv (csv): ts; event time ts, up to 0s out of order

-- CASE windows over a view, and over windows
CREATE VIEW v AS SELECT k, ts AS at FROM t WHERE v > 0;
CREATE VIEW hourly AS SELECT k, window_start, window_end, count(*) AS n FROM TUMBLE(v, at, INTERVAL '1 hour') GROUP BY k, window_start, window_end;
INSERT INTO o SELECT max(k), max(n) FROM hourly GROUP BY window_start, window_end
-- PLAN
sink file o (csv)
  project "max(k)" AS k, "max(""count(*)"")" AS n
    aggregate max(k), max("count(*)") by window_start, window_end; once per window
      [window_start, window_end] pre-aggregate max(k), max("count(*)") by window_start, window_end
        aggregate count(*) by k, window_start, window_end; once per window
          [k, window_start, window_end] pre-aggregate count(*) by k, window_start, window_end
            tumbling windows of 1h 00m over at
              project k, ts AS at
                filter (v > 0)
                  source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE rows of windows without grouping
SELECT k, window_end FROM TUMBLE(t, ts, INTERVAL '1 day')
-- PLAN
sink stdout
  project k, window_end
    tumbling windows of 1d 00h over ts
      source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE not the event time
CREATE TABLE p (a timestamp, b int) WITH (connector = 'stdin', format = 'csv');
INSERT INTO o SELECT 'x', 1 FROM TUMBLE(p, a, INTERVAL '1 hour');
INSERT INTO o SELECT 'x', 1 FROM TUMBLE(t, v, INTERVAL '1 hour')
-- ERRORS
job.sql:2:44: error: "a" is no event time; name the table's timestamp column with the option event_time, and keep it in the queries before the window
   2 | INSERT INTO o SELECT 'x', 1 FROM TUMBLE(p, a, INTERVAL '1 hour');
     |                                            ^
job.sql:3:44: error: the window must be on the event-time column, "ts": watermarks say when its windows end
   3 | INSERT INTO o SELECT 'x', 1 FROM TUMBLE(t, v, INTERVAL '1 hour')
     |                                            ^

-- CASE sizes
INSERT INTO o SELECT k, 1 FROM TUMBLE(t, ts, INTERVAL '1 month');
INSERT INTO o SELECT k, 1 FROM TUMBLE(t, ts, 5);
INSERT INTO o SELECT k, 1 FROM TUMBLE(t, ts, INTERVAL '-1 hour');
INSERT INTO o SELECT k, 1 FROM TUMBLE(t, ts)
-- ERRORS
job.sql:1:46: error: a window's size is in days, hours or less: months have no fixed length
   1 | INSERT INTO o SELECT k, 1 FROM TUMBLE(t, ts, INTERVAL '1 month');
     |                                              ^
job.sql:2:46: error: the size of a window is an interval: INTERVAL '1 hour'
   2 | INSERT INTO o SELECT k, 1 FROM TUMBLE(t, ts, 5);
     |                                              ^
job.sql:3:32: error: the window's size must be above 0
   3 | INSERT INTO o SELECT k, 1 FROM TUMBLE(t, ts, INTERVAL '-1 hour');
     |                                ^
job.sql:4:32: error: TUMBLE takes a table, its event-time column and a size: TUMBLE(flights, sched, INTERVAL '1 hour')
   4 | INSERT INTO o SELECT k, 1 FROM TUMBLE(t, ts)
     |                                ^

-- CASE windows to come
INSERT INTO o SELECT k, 1 FROM HOP(t, ts, INTERVAL '1 m', INTERVAL '1 h');
INSERT INTO o SELECT k, 1 FROM SESSION(t, ts, INTERVAL '1 m');
INSERT INTO o SELECT k, 1 FROM CUMULATE(t, ts, INTERVAL '1 m', INTERVAL '1 h')
-- ERRORS
job.sql:1:32: error: HOP is not supported yet; TUMBLE is
   1 | INSERT INTO o SELECT k, 1 FROM HOP(t, ts, INTERVAL '1 m', INTERVAL '1 h');
     |                                ^
job.sql:2:32: error: SESSION is not supported yet; TUMBLE is
   2 | INSERT INTO o SELECT k, 1 FROM SESSION(t, ts, INTERVAL '1 m');
     |                                ^
job.sql:3:32: error: CUMULATE is not supported yet; TUMBLE is
   3 | INSERT INTO o SELECT k, 1 FROM CUMULATE(t, ts, INTERVAL '1 m', INTERVAL '1 h')
     |                                ^
