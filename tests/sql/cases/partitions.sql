-- CASE what a filter says of columns from folders' names is asked of files
CREATE TABLE p (day date, v int, k text) WITH (connector = 'file', path = 'p', format = 'csv', partition_by = 'day, k');
INSERT INTO o SELECT k, v FROM p WHERE day >= '2020-01-01' AND v > 1 AND (k = 'a' OR day = '2020-02-02') AND k || v = 'a1'
-- PLAN
sink file o (csv)
  project k, v::bigint AS n
    filter ((day >= '2020-01-01'::date) AND (v > 1) AND ((k = 'a') OR (day = '2020-02-02'::date)) AND ((k || v::text) = 'a1'))
      source file p (csv): day, v, k; files where ((day >= '2020-01-01'::date) AND ((k = 'a') OR (day = '2020-02-02'::date)))

-- CASE two readers: each filters for itself
CREATE TABLE p (day date, v int) WITH (connector = 'file', path = 'p', format = 'csv', partition_by = 'day');
INSERT INTO hole SELECT 'a', v FROM p WHERE day = '2020-01-01';
INSERT INTO hole SELECT 'b', v FROM p WHERE day = '2020-01-02'
-- PLAN
sink blackhole
  project "?column?" AS k, v AS n
    union
      project 'a' AS ?column?, v::bigint AS v
        filter (day = '2020-01-01'::date)
          source file p (csv): day, v
      project 'b' AS ?column?, v::bigint AS v
        filter (day = '2020-01-02'::date)
          source file p (csv): day, v (see above)

-- CASE what partition_by may name
CREATE TABLE p (day date, v int) WITH (connector = 'file', path = 'p', format = 'csv', partition_by = 'dy');
SELECT * FROM p;
CREATE TABLE q (day date) WITH (connector = 'file', path = 'p', format = 'csv', partition_by = 'day');
SELECT * FROM q
-- ERRORS
job.sql:1:88: error: option partition_by names "dy", which is no column of the table; did you mean "day"?
   1 | CREATE TABLE p (day date, v int) WITH (connector = 'file', path = 'p', format = 'csv', partition_by = 'dy');
     |                                                                                        ^
job.sql:3:81: error: option partition_by names all columns: nothing is left for the files
   3 | CREATE TABLE q (day date) WITH (connector = 'file', path = 'p', format = 'csv', partition_by = 'day');
     |                                                                                 ^
job.sql:4:1: error: a second SELECT without INSERT: a job has one standard output; write UNION ALL, or INSERT INTO a table
   4 | SELECT * FROM q
     | ^
