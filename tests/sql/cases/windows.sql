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

-- CASE hops are made of slices, which are added up in front of the exchange
INSERT INTO o SELECT k, count(*) FROM HOP(t, ts, INTERVAL '10 minutes', INTERVAL '1 hour') WHERE v > 0 GROUP BY k, window_start, window_end HAVING k <> 'x' AND count(*) > 1
-- PLAN
sink file o (csv)
  project k, "count(*)" AS n
    filter ("count(*)" > '1'::bigint)
      aggregate count(*) by k, slice; once per window: hops of 1h 00m every 10m 00s
        [k] pre-aggregate count(*) by k, slice
          slices of hops of 1h 00m every 10m 00s over ts
            filter ((v > 0) AND (k <> 'x'))
              source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE windows that grow, in one task without a key
SELECT window_end, count(DISTINCT k) FROM CUMULATE(t, ts, INTERVAL '1 hour', INTERVAL '1 day') GROUP BY window_end
-- PLAN
sink stdout
  project window_end, "count(DISTINCT k)" AS count
    aggregate count(DISTINCT k) by slice; once per window: windows that grow by 1h 00m up to 1d 00h
      slices of windows that grow by 1h 00m up to 1d 00h over ts
        source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE conditions on bounds are for the windows, not for their slices
SELECT k, window_start, max(v) FROM HOP(t, ts, '1 minute', '5 minutes') GROUP BY window_start, k HAVING window_start > '2020-01-01'
-- PLAN
sink stdout
  project k, window_start, "max(v)" AS max
    filter (window_start > '2020-01-01 00:00:00'::timestamp)
      aggregate max(v) by k, slice; once per window: hops of 5m 00s every 1m 00s
        [k] pre-aggregate max(v) by k, slice
          slices of hops of 5m 00s every 1m 00s over ts
            source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE an aggregate that computes with the bounds takes windows of rows
SELECT k, max(window_end - ts) FROM HOP(t, ts, '1 minute', '5 minutes') GROUP BY k, window_start
-- PLAN
sink stdout
  project k, "max((window_end - ts))" AS max
    aggregate max((window_end - ts)) by k, window_start, window_end; once per window
      [k, window_start, window_end] pre-aggregate max((window_end - ts)) by k, window_start, window_end
        hops of 5m 00s every 1m 00s over ts
          source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE slices for those who group by the windows, rows for others, through views
CREATE VIEW w AS SELECT k AS name, v, window_start, window_end FROM HOP(t, ts, '1 minute', '5 minutes');
INSERT INTO o SELECT name, sum(v)::bigint FROM w GROUP BY name, window_end, window_start;
INSERT INTO hole SELECT k, v FROM HOP(t, ts, '1 minute', '5 minutes') WHERE window_end > '2020-01-01' AND v > 0
-- PLAN
sink blackhole
  project k, v::bigint AS n
    filter ((window_end > '2020-01-01 00:00:00'::timestamp) AND (v > 0))
      hops of 5m 00s every 1m 00s over ts
        source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order
sink file o (csv)
  project name AS k, "sum(v)" AS n
    aggregate sum(v) by name, window_end; once per window: hops of 5m 00s every 1m 00s
      [name] pre-aggregate sum(v) by name, window_end
        project k AS name, v, slice AS window_start, slice AS window_end
          slices of hops of 5m 00s every 1m 00s over ts
            source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order (see above)

-- CASE sizes of hops and growing windows
INSERT INTO o SELECT k, 1 FROM HOP(t, ts, INTERVAL '1 m');
INSERT INTO o SELECT k, 1 FROM HOP(t, ts, INTERVAL '0 m', INTERVAL '1 h');
INSERT INTO o SELECT k, 1 FROM CUMULATE(t, ts, INTERVAL '7 m', INTERVAL '1 h');
INSERT INTO o SELECT k, 1 FROM HOP(t, ts, INTERVAL '1 us', INTERVAL '1 h')
-- ERRORS
job.sql:1:32: error: HOP takes a table, its event-time column, a slide and a size: HOP(flights, sched, INTERVAL '5 minutes', INTERVAL '1 hour')
   1 | INSERT INTO o SELECT k, 1 FROM HOP(t, ts, INTERVAL '1 m');
     |                                ^
job.sql:2:32: error: the slide must be above 0
   2 | INSERT INTO o SELECT k, 1 FROM HOP(t, ts, INTERVAL '0 m', INTERVAL '1 h');
     |                                ^
job.sql:3:32: error: the window's size (1h 00m) must be a multiple of the step (7m 00s)
   3 | INSERT INTO o SELECT k, 1 FROM CUMULATE(t, ts, INTERVAL '7 m', INTERVAL '1 h');
     |                                ^
job.sql:4:32: error: a window of 1h 00m with a slide of 1us has more than 1000000 slices (1us each)
   4 | INSERT INTO o SELECT k, 1 FROM HOP(t, ts, INTERVAL '1 us', INTERVAL '1 h')
     |                                ^

-- CASE sessions of the grouping columns
SELECT k, count(*), window_start, window_end FROM SESSION(t, ts, INTERVAL '10 minutes') GROUP BY k, window_start, window_end
-- PLAN
sink stdout
  project k, "count(*)" AS count, window_start, window_end
    aggregate count(*) by k, slice; once per window: sessions with gaps below 10m 00s
      [k] pre-aggregate count(*) by k, slice
        slices of sessions with gaps below 10m 00s over ts
          source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE a session's key, and what is asked of it
SELECT k, sum(v) FROM SESSION(t, ts, INTERVAL '10 minutes', k) WHERE k <> 'x' GROUP BY window_start, window_end, k HAVING sum(v) > 3
-- PLAN
sink stdout
  project k, "sum(v)" AS sum
    filter ("sum(v)" > '3'::bigint)
      aggregate sum(v) by slice, k; once per window: sessions with gaps below 10m 00s
        [k] pre-aggregate sum(v) by slice, k
          slices of sessions with gaps below 10m 00s over ts
            filter (k <> 'x')
              source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE rows that are left out behind sessions would have been in them
SELECT k, count(*) FROM SESSION(t, ts, INTERVAL '10 minutes') WHERE v > 0 GROUP BY k, window_start, window_end
-- ERRORS
job.sql:1:84: error: this step groups rows of sessions in a way that does not say whose sessions they are: name their key, SESSION(t, column, gap, key), and leave out rows before it, in a view
   1 | SELECT k, count(*) FROM SESSION(t, ts, INTERVAL '10 minutes') WHERE v > 0 GROUP BY k, window_start, window_end
     |                                                                                    ^

-- CASE arguments of SESSION
INSERT INTO o SELECT k, 1 FROM SESSION(t, ts);
INSERT INTO o SELECT k, 1 FROM SESSION(t, ts, INTERVAL '1 m', lower(k));
INSERT INTO o SELECT k, 1 FROM SESSION(t, ts, INTERVAL '1 m', j);
INSERT INTO o SELECT k, 1 FROM SESSION(t, ts, INTERVAL '1 m', kk)
-- ERRORS
job.sql:1:32: error: SESSION takes a table, its event-time column, a gap and perhaps the column whose values have sessions of their own: SESSION(flights, sched, INTERVAL '30 minutes', carrier)
   1 | INSERT INTO o SELECT k, 1 FROM SESSION(t, ts);
     |                                ^
job.sql:2:63: error: the key of SESSION is a column; compute it in a view or a query in FROM
   2 | INSERT INTO o SELECT k, 1 FROM SESSION(t, ts, INTERVAL '1 m', lower(k));
     |                                                               ^
job.sql:3:63: error: could not identify an equality operator for type json; compare one of its fields (j ->> 'field')
   3 | INSERT INTO o SELECT k, 1 FROM SESSION(t, ts, INTERVAL '1 m', j);
     |                                                               ^
job.sql:4:63: error: column "kk" does not exist; did you mean "k"?
   4 | INSERT INTO o SELECT k, 1 FROM SESSION(t, ts, INTERVAL '1 m', kk)
     |                                                               ^

-- CASE late rows have a table of their own
CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', watermark_delay = '1 m', allowed_lateness = '5 m', late_table = 'late');
CREATE TABLE late (ts timestamp, k text, v bigint) WITH (connector = 'file', path = 'late', format = 'csv');
INSERT INTO o SELECT k, count(*) FROM HOP(r, ts, '1 minute', '5 minutes') WHERE v > 0 GROUP BY k, window_start, window_end;
INSERT INTO hole SELECT lower(k), sum(v) FROM TUMBLE(r, ts, '5 minutes') GROUP BY lower(k), window_start, window_end
-- PLAN
sink blackhole
  project "lower(k)" AS k, "sum(v)" AS n
    aggregate sum(v) by key lower(k), key window_start, key window_end; once per window; late rows apart
      [key lower(k), key window_start, key window_end] project lower(k) AS key lower(k), window_start AS key window_start, window_end AS key window_end, k, v, ts
        tumbling windows of 5m 00s over ts
          source stdin (csv): k, v, ts; event time ts, up to 1m 00s out of order, windows open 5m 00s longer
sink file o (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k, slice; once per window: hops of 5m 00s every 1m 00s; late rows apart
      [k] slices of hops of 5m 00s every 1m 00s over ts
        filter (v > 0)
          source stdin (csv): k, v, ts; event time ts, up to 1m 00s out of order, windows open 5m 00s longer (see above)
sink file late (csv)
  project ts, k, v::bigint AS v
    union
      aggregate count(*) by k, slice; once per window: hops of 5m 00s every 1m 00s; late rows apart (see above)
      aggregate sum(v) by key lower(k), key window_start, key window_end; once per window; late rows apart (see above)

-- CASE what late tables cannot be
CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', late_table = 'lates');
CREATE TABLE late (ts timestamp, k text) WITH (connector = 'file', path = 'late', format = 'csv');
INSERT INTO o SELECT k, count(*) FROM TUMBLE(r, ts, '5 minutes') GROUP BY k, window_start, window_end
-- ERRORS
job.sql:1:121: error: option late_table names "lates", which is no table; did you mean "late"?
   1 | CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', late_table = 'lates');
     |                                                                                                                         ^

-- CASE a late table that an INSERT writes, too
CREATE TABLE r (k text, n int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', late_table = 'o');
INSERT INTO o SELECT k, count(*) FROM TUMBLE(r, ts, '5 minutes') GROUP BY k, window_start, window_end
-- ERRORS
job.sql:1:121: error: option late_table names "o", which an INSERT writes, too: give late rows a table of their own
   1 | CREATE TABLE r (k text, n int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', late_table = 'o');
     |                                                                                                                         ^

-- CASE a late table with a column that the windows' rows have not
CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', late_table = 'late');
CREATE TABLE late (ts timestamp, k text) WITH (connector = 'file', path = 'late', format = 'csv');
CREATE VIEW w AS SELECT v, ts FROM r;
INSERT INTO o SELECT 'x', count(*) FROM TUMBLE(w, ts, '5 minutes') GROUP BY window_start, window_end
-- ERRORS
job.sql:1:121: error: late_table of "r" has a column "k" that the rows which "aggregate-a64402e6" groups do not have; did you mean "v"?
   1 | CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', late_table = 'late');
     |                                                                                                                         ^

-- CASE a late table that nothing can come to
CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', late_table = 'o');
INSERT INTO hole SELECT k, v FROM TUMBLE(r, ts, '5 minutes')
-- ERRORS
job.sql:1:121: error: late_table of "r": late rows are those that an aggregate over windows of the table's rows leaves out, and there is none (joins count what comes too late for them, but do not give it away)
   1 | CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', late_table = 'o');
     |                                                                                                                         ^

-- CASE lateness is a duration
CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', allowed_lateness = 'long');
INSERT INTO o SELECT k, count(*) FROM TUMBLE(r, ts, '5 minutes') GROUP BY k, window_start, window_end
-- ERRORS
job.sql:1:108: error: option allowed_lateness 'long': expected a number and a unit such as 100ms, 1s, 5m, 1h or 2d
   1 | CREATE TABLE r (k text, v int, ts timestamp) WITH (connector = 'stdin', format = 'csv', event_time = 'ts', allowed_lateness = 'long');
     |                                                                                                            ^

-- CASE rows of sessions, of a key or of all
INSERT INTO hole SELECT k, v FROM SESSION(t, ts, INTERVAL '10 minutes', k) WHERE v > 0 AND k <> 'x';
SELECT window_end, k FROM SESSION(t, ts, INTERVAL '10 minutes')
-- PLAN
sink stdout
  project window_end, k
    sessions with gaps below 10m 00s over ts
      source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order
sink blackhole
  project k, v::bigint AS n
    filter (v > 0)
      sessions with gaps below 10m 00s over ts by k
        [k] filter (k <> 'x')
          source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order (see above)

-- CASE an aggregate by more than the sessions' key takes rows of sessions
SELECT k, v, window_start, count(*) FROM SESSION(t, ts, INTERVAL '10 minutes', k) GROUP BY k, v, window_start, window_end
-- PLAN
sink stdout
  project k, v, window_start, "count(*)" AS count
    aggregate count(*) by k, v, window_start, window_end; once per window
      [k, v, window_start, window_end] pre-aggregate count(*) by k, v, window_start, window_end
        sessions with gaps below 10m 00s over ts by k
          [k] source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE the start alone of windows that grow: one group of all ends, which changes
INSERT INTO f SELECT k, count(*) FROM CUMULATE(t, ts, INTERVAL '1 hour', INTERVAL '1 day') GROUP BY k, window_start
-- PLAN
sink file f (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k, window_start; once, at the end
      [k, window_start] pre-aggregate count(*) by k, window_start
        windows that grow by 1h 00m up to 1d 00h over ts
          source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE a bound of sessions of other keys does not say which session it is
INSERT INTO f SELECT 'x', count(*) FROM SESSION(t, ts, INTERVAL '1 hour', k) GROUP BY window_start;
INSERT INTO o SELECT 'x', count(*) FROM SESSION(t, ts, INTERVAL '1 hour', k) GROUP BY window_end
-- PLAN
sink file f (csv)
  project 'x' AS k, "count(*)" AS n
    aggregate count(*) by window_start; once, at the end
      [window_start] pre-aggregate count(*) by window_start
        sessions with gaps below 1h 00m over ts by k
          [k] source file t.csv (csv): k, ts; event time ts, up to 0s out of order
sink file o (csv)
  project 'x' AS k, "count(*)" AS n
    aggregate count(*) by window_end; once per window
      [window_end] pre-aggregate count(*) by window_end
        sessions with gaps below 1h 00m over ts by k (see above)

-- CASE a bound of the sessions of the keys says it
INSERT INTO o SELECT k, count(*) FROM SESSION(t, ts, INTERVAL '1 hour', k) GROUP BY k, window_start
-- PLAN
sink file o (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k, slice; once per window: sessions with gaps below 1h 00m
      [k] pre-aggregate count(*) by k, slice
        slices of sessions with gaps below 1h 00m over ts
          source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE a bound of windows whose groups had more keys
CREATE VIEW counts AS SELECT k, window_start, window_end, count(*) AS n FROM CUMULATE(t, ts, INTERVAL '1 hour', INTERVAL '1 day') GROUP BY k, window_start, window_end;
INSERT INTO f SELECT 'start', sum(n)::bigint FROM counts GROUP BY window_start;
INSERT INTO o SELECT 'end', sum(n)::bigint FROM counts GROUP BY window_end
-- PLAN
sink file f (csv)
  project 'start' AS k, "sum(""count(*)"")"::bigint AS n
    aggregate sum("count(*)") by window_start; once, at the end
      [window_start] pre-aggregate sum("count(*)") by window_start
        aggregate count(*) by k, slice; once per window: windows that grow by 1h 00m up to 1d 00h
          [k] pre-aggregate count(*) by k, slice
            slices of windows that grow by 1h 00m up to 1d 00h over ts
              source file t.csv (csv): k, ts; event time ts, up to 0s out of order
sink file o (csv)
  project 'end' AS k, "sum(""count(*)"")"::bigint AS n
    aggregate sum("count(*)") by window_end, window_start; once per window
      [window_end, window_start] pre-aggregate sum("count(*)") by window_end, window_start
        aggregate count(*) by k, slice; once per window: windows that grow by 1h 00m up to 1d 00h (see above)

-- CASE the start alone only appends where it says which window it is
INSERT INTO o SELECT k, count(*) FROM CUMULATE(t, ts, INTERVAL '1 hour', INTERVAL '1 day') GROUP BY k, window_start
-- ERRORS
job.sql:1:101: error: table "o" (file) only appends rows, but this aggregate updates rows that it has emitted as more input arrives; group by a window (TUMBLE and its window_start), or give the table the option emit = 'final' for the rows that stand when bounded input ends, or use a table that takes changes (stdout, or format = 'debezium_json')
   1 | INSERT INTO o SELECT k, count(*) FROM CUMULATE(t, ts, INTERVAL '1 hour', INTERVAL '1 day') GROUP BY k, window_start
     |                                                                                                     ^

-- CASE windows over tables behind commas that WHERE bounds in time
CREATE TABLE e (k text, ts timestamp) WITH (connector = 'file', path = 'e', format = 'csv', event_time = 'ts');
CREATE VIEW pairs AS SELECT * FROM t, e;
CREATE VIEW near AS SELECT t.k, t.ts FROM t, e, e AS f
  WHERE t.k = e.k AND e.ts BETWEEN t.ts - INTERVAL '5 minutes' AND t.ts + INTERVAL '1 minute' AND f.k = e.k AND f.ts >= e.ts AND f.ts <= t.ts;
INSERT INTO o SELECT k, count(*) FROM TUMBLE(near, ts, INTERVAL '1 hour') GROUP BY k, window_start
-- PLAN
sink file o (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k, window_start, window_end; once per window
      [k, window_start, window_end] pre-aggregate count(*) by k, window_start, window_end
        tumbling windows of 1h 00m over ts
          project k, ts
            join on k_2 = k and ((ts >= ts_2) AND (ts <= ts))
              [k_2] join on k = k and ((ts >= (ts - '00:05:00'::interval)) AND (ts <= (ts + '00:01:00'::interval))); its watermark is 1m 00s behind its inputs'
                [k] source file t.csv (csv): k, ts; event time ts, up to 0s out of order
                [k] source file e (csv): k, ts; event time ts, up to 0s out of order
              [k] source file e (csv): k, ts; event time ts, up to 0s out of order (see above)

-- CASE a join that others read without the bounds, and a constraint behind a join
CREATE TABLE e (k2 text, at timestamp, n bigint) WITH (connector = 'file', path = 'e', format = 'csv', event_time = 'at');
CREATE TABLE late (k text, n bigint CHECK (n > 0)) WITH (connector = 'file', path = 'late', format = 'csv');
CREATE VIEW pairs AS SELECT * FROM t, e;
INSERT INTO o SELECT k, n FROM pairs WHERE k = k2 AND at BETWEEN ts AND ts + INTERVAL '1 minute';
INSERT INTO o SELECT k, n FROM pairs WHERE k = k2 AND at BETWEEN ts AND ts + INTERVAL '2 minutes';
INSERT INTO late SELECT k, n FROM pairs
-- PLAN
sink file o (csv)
  union
    project k, n
      join on k = k2 and ((at >= ts) AND (at <= (ts + '00:01:00'::interval)))
        [k] source file t.csv (csv): k, ts; event time ts, up to 0s out of order
        [k2] source file e (csv): k2, at, n; event time at, up to 0s out of order
    project k, n
      join on k = k2 and ((at >= ts) AND (at <= (ts + '00:02:00'::interval)))
        [k] source file t.csv (csv): k, ts; event time ts, up to 0s out of order (see above)
        [k2] source file e (csv): k2, at, n; event time at, up to 0s out of order (see above)
sink file late (csv)
  filter check ((n > '0'::bigint))
    project k, n
      join, all pairs
        project k
          source file t.csv (csv): k, ts; event time ts, up to 0s out of order (see above)
        project n
          source file e (csv): k2, at, n; event time at, up to 0s out of order (see above)

-- CASE windows over a FULL JOIN bounded in time
CREATE TABLE e (k text, n bigint, at timestamp) WITH (connector = 'file', path = 'e', format = 'csv', event_time = 'at');
CREATE VIEW near AS SELECT k, when_ FROM (SELECT coalesce(t.k, e.k) AS k, coalesce(t.ts, e.at) AS when_, e.n
  FROM t FULL JOIN e ON t.k = e.k AND e.at BETWEEN t.ts - INTERVAL '5 minutes' AND t.ts + INTERVAL '1 minute') AS j;
INSERT INTO o SELECT k, count(*) FROM TUMBLE(near, when_, INTERVAL '1 hour') GROUP BY k, window_start
-- PLAN
sink file o (csv)
  project k, "count(*)" AS n
    aggregate count(*) by k, window_start, window_end; once per window
      [k, window_start, window_end] pre-aggregate count(*) by k, window_start, window_end
        tumbling windows of 1h 00m over when_
          project coalesce(k, k_2) AS k, coalesce(ts, at) AS when_
            full join on k = k and ((at >= (ts - '00:05:00'::interval)) AND (at <= (ts + '00:01:00'::interval))); its watermark is 5m 00s behind its inputs'
              [k] source file t.csv (csv): k, ts; event time ts, up to 0s out of order
              [k] source file e (csv): k, at; event time at, up to 0s out of order

-- CASE FULL JOINs without a time
CREATE TABLE e (k text, n bigint, at timestamp) WITH (connector = 'file', path = 'e', format = 'csv', event_time = 'at');
CREATE VIEW one AS SELECT t.k, t.ts FROM t FULL JOIN e ON t.k = e.k AND e.at BETWEEN t.ts - INTERVAL '5 minutes' AND t.ts;
CREATE VIEW half AS SELECT t.k, coalesce(t.ts, e.at) AS ts FROM t FULL JOIN e ON t.k = e.k AND e.at <= t.ts;
CREATE VIEW other AS SELECT t.k, coalesce(t.ts, timestamp '2024-01-01') AS ts FROM t FULL JOIN e ON t.k = e.k AND e.at BETWEEN t.ts - INTERVAL '5 minutes' AND t.ts;
INSERT INTO hole SELECT k, count(*) FROM TUMBLE(one, ts, INTERVAL '1 hour') GROUP BY k, window_start;
INSERT INTO hole SELECT k, count(*) FROM TUMBLE(half, ts, INTERVAL '1 hour') GROUP BY k, window_start;
INSERT INTO hole SELECT k, count(*) FROM TUMBLE(other, ts, INTERVAL '1 hour') GROUP BY k, window_start
-- ERRORS
job.sql:5:54: error: "ts" is no event time behind this join: its rows leave when they find each other, and the watermark may have passed them by then; bound in its ON how far apart in time they are (a.t BETWEEN b.t - INTERVAL '1 hour' AND b.t; of a FULL JOIN select coalesce(a.t, b.t)), or make the windows in front of it and join those (ON a.window_start = b.window_start AND a.window_end = b.window_end)
   5 | INSERT INTO hole SELECT k, count(*) FROM TUMBLE(one, ts, INTERVAL '1 hour') GROUP BY k, window_start;
     |                                                      ^
job.sql:6:55: error: "ts" is no event time; name the table's timestamp column with the option event_time, and keep it in the queries before the window
   6 | INSERT INTO hole SELECT k, count(*) FROM TUMBLE(half, ts, INTERVAL '1 hour') GROUP BY k, window_start;
     |                                                       ^
job.sql:7:56: error: "ts" is no event time; name the table's timestamp column with the option event_time, and keep it in the queries before the window
   7 | INSERT INTO hole SELECT k, count(*) FROM TUMBLE(other, ts, INTERVAL '1 hour') GROUP BY k, window_start
     |                                                        ^
