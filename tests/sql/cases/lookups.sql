-- CASE a table that is looked up
CREATE TABLE d (k text, n bigint, active boolean) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true, cache = '10 minutes');
INSERT INTO hole SELECT t.k, d.n FROM t JOIN d ON t.k = d.k
-- PLAN
sink blackhole
  project k, n
    look up k = k in file d.csv (csv), read again every 10m 00s
      source file t.csv (csv): k

-- CASE its filters, columns and computed keys; rows stay final
CREATE TABLE d (k text, n bigint, active boolean) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
CREATE VIEW active AS SELECT lower(k) AS key, n * 2 AS twice, n FROM d WHERE active;
INSERT INTO o SELECT t.k, twice FROM t LEFT JOIN active ON t.k = key || 'x' AND twice > v AND active.n < 100 WHERE t.v > 1
-- PLAN
sink file o (csv)
  project k, twice AS n
    look up (left join) k = key 1 and (twice > v::bigint) in file d.csv (csv) where ((n < '100'::bigint) AND active)
      filter (v > 1)
        source file t.csv (csv): k, v

-- CASE the table first, behind a comma
CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
SELECT * FROM d, t WHERE t.k = d.k AND d.n > 3
-- PLAN
sink stdout
  project k_2 AS k, n, k AS k_2, v, d, j, ts
    look up k = k in file d.csv (csv) where (n > '3'::bigint)
      source file t.csv (csv): k, v, d, j, ts

-- CASE EXISTS and IN
CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
INSERT INTO hole SELECT k, v FROM t WHERE EXISTS (SELECT 1 FROM d WHERE d.k = t.k AND d.n > t.v) AND v IN (SELECT n FROM d WHERE k = 'yes') AND NOT EXISTS (SELECT 1 FROM d WHERE d.n = t.v)
-- PLAN
sink blackhole
  project k, v::bigint AS n
    look up (anti join) key 1 = n in file d.csv (csv)
      project k, v, v::bigint AS key 1
        look up (semi join) key 1 = n in file d.csv (csv) where (k = 'yes')
          project k, v, v::bigint AS key 1
            look up (semi join) k = k and (n > v::bigint) in file d.csv (csv)
              source file t.csv (csv): k, v

-- CASE windows behind a lookup: rows keep their time
CREATE TABLE d (k text, region text) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
CREATE VIEW placed AS SELECT region, ts FROM t JOIN d ON t.k = d.k;
INSERT INTO o SELECT region, count(*) FROM TUMBLE(placed, ts, INTERVAL '1 hour') GROUP BY region, window_end
-- PLAN
sink file o (csv)
  project region AS k, "count(*)" AS n
    aggregate count(*) by region, window_end, window_start; once per window
      [region, window_end, window_start] pre-aggregate count(*) by region, window_end, window_start
        tumbling windows of 1h 00m over ts
          project region, ts
            look up k = k in file d.csv (csv)
              source file t.csv (csv): k, ts; event time ts, up to 0s out of order

-- CASE two tables, one after the other
CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
CREATE TABLE e (n bigint, name text) WITH (connector = 'file', path = 'e.csv', format = 'csv', lookup = true);
INSERT INTO hole SELECT name, v FROM t JOIN d ON t.k = d.k LEFT JOIN e ON d.n = e.n
-- PLAN
sink blackhole
  project name AS k, v::bigint AS n
    look up (left join) n = n in file e.csv (csv)
      look up k = k in file d.csv (csv)
        source file t.csv (csv): k, v

-- CASE a table of a topic: its key is read, too
CREATE TABLE d (k text PRIMARY KEY, v int, n bigint) WITH (connector = 'kafka', bootstrap = 'x:1', topic = 'd', format = 'upsert_json', lookup = true, cache = '10s');
INSERT INTO hole SELECT t.k, n FROM t JOIN d ON t.v = d.v AND d.n > 3
-- PLAN
sink blackhole
  project k, n
    look up v = v in kafka (upsert_json) where (n > '3'::bigint), newest rows by k, read on every 10s
      source file t.csv (csv): k, v

-- CASE what a lookup is not
CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
SELECT t.k FROM t FULL JOIN d ON t.k = d.k
-- ERRORS
job.sql:2:29: error: table "d" is looked up (option lookup), so it cannot stand on the right of a full join; leave the option out to read it once
   2 | SELECT t.k FROM t FULL JOIN d ON t.k = d.k
     |                             ^

-- CASE rows that change
CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
SELECT c.k, d.n FROM (SELECT k, count(*) AS n FROM t GROUP BY k) AS c JOIN d ON c.k = d.k
-- ERRORS
job.sql:2:76: error: table "d" is looked up (option lookup) as it is now, by rows that change: what was found for a row could not be taken back with it; leave the option out to read it once
   2 | SELECT c.k, d.n FROM (SELECT k, count(*) AS n FROM t GROUP BY k) AS c JOIN d ON c.k = d.k
     |                                                                            ^

-- CASE the table by itself
CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
SELECT max(n) FROM d
-- ERRORS
job.sql:1:93: error: table "d" is looked up (option lookup), so rows only meet it as the right side of JOIN or LEFT JOIN, perhaps filtered, in EXISTS and in IN; leave the option out to read it once
   1 | CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
     |                                                                                             ^

-- CASE options
CREATE TABLE d (k text) WITH (connector = 'file', path = 'd.csv', format = 'csv', cache = '10m');
CREATE TABLE e (k text) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true, follow = true);
CREATE TABLE g (k text) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true, cache = '0s');
CREATE TABLE h (k text) WITH (connector = 'stdin', format = 'csv', lookup = true);
SELECT d.k FROM t JOIN d ON t.k = d.k;
INSERT INTO hole SELECT t.k, 1 FROM t JOIN e ON t.k = e.k;
INSERT INTO hole SELECT t.k, 1 FROM t JOIN g ON t.k = g.k;
INSERT INTO hole SELECT t.k, 1 FROM t JOIN h ON t.k = h.k
-- ERRORS
job.sql:1:83: error: option cache needs lookup = true
   1 | CREATE TABLE d (k text) WITH (connector = 'file', path = 'd.csv', format = 'csv', cache = '10m');
     |                                                                                   ^
job.sql:2:98: error: option follow has no meaning for a table that is looked up, which is read whole
   2 | CREATE TABLE e (k text) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true, follow = true);
     |                                                                                                  ^
job.sql:3:98: error: option cache is a time above 0, after which the table is read again
   3 | CREATE TABLE g (k text) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true, cache = '0s');
     |                                                                                                  ^
job.sql:4:68: error: connector stdin as a source has no option lookup (known: format, header, delimiter, null_text, record_size_max, timestamp_unit, keyed, connector, event_time, watermark_delay, idle_timeout, dead_letter_path, on_error, allowed_lateness, late_table, dead_letter_topic)
   4 | CREATE TABLE h (k text) WITH (connector = 'stdin', format = 'csv', lookup = true);
     |                                                                    ^

-- CASE options of a topic
CREATE TABLE d (k text) WITH (connector = 'kafka', bootstrap = 'x:1', topic = 'd', lookup = true);
CREATE TABLE e (k text PRIMARY KEY) WITH (connector = 'kafka', bootstrap = 'x:1', topic = 'd', lookup = true, until = 'latest');
CREATE TABLE g (k text PRIMARY KEY) WITH (connector = 'kafka', bootstrap = 'x:1', topic = 'd', format = 'upsert_json');
SELECT d.k FROM t JOIN d ON t.k = d.k;
INSERT INTO hole SELECT t.k, 1 FROM t JOIN e ON t.k = e.k;
INSERT INTO hole SELECT t.k, 1 FROM t JOIN g ON t.k = g.k
-- ERRORS
job.sql:2:111: error: option until has no meaning for a table that is looked up, which is read whole
   2 | CREATE TABLE e (k text PRIMARY KEY) WITH (connector = 'kafka', bootstrap = 'x:1', topic = 'd', lookup = true, until = 'latest');
     |                                                                                                               ^
job.sql:4:24: error: table "d" is looked up (option lookup) in a topic, so it needs a PRIMARY KEY: a record takes the place of the one before it with the same key
   4 | SELECT d.k FROM t JOIN d ON t.k = d.k;
     |                        ^

-- CASE NOT IN over a table that is looked up
CREATE TABLE d (k text, n bigint) WITH (connector = 'file', path = 'd.csv', format = 'csv', lookup = true);
INSERT INTO hole SELECT k, v FROM t WHERE k NOT IN (SELECT k FROM d WHERE n > 3)
-- ERRORS
job.sql:2:45: error: NOT IN has to know whether there are NULLs, but table "d" is looked up (option lookup); write NOT EXISTS (SELECT 1 FROM d WHERE ...), or leave the option out to read it once
   2 | INSERT INTO hole SELECT k, v FROM t WHERE k NOT IN (SELECT k FROM d WHERE n > 3)
     |                                             ^
