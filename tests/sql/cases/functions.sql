-- CASE functions of JSON that give rows
SELECT k, e.key, e.value, n, x FROM t, json_each(j) AS e, json_object_keys(j) AS n, json_array_elements_text(j) AS x
-- PLAN
sink stdout
  project k, key, value, n, value_2 AS x
    flat_map unnest(json_array_elements_text(j)) AS value_2
      flat_map unnest(json_object_keys(j)) AS n
        project k, j, (key).key AS key, (key).value AS value
          flat_map unnest(json_each(j)) AS key
            source file t.csv (csv): k, j

-- CASE members of an object as text, numbered
SELECT k, key, value, ordinality FROM t, jsonb_each_text(j) WITH ORDINALITY
-- PLAN
sink stdout
  project k, ((key).item).key AS key, ((key).item).value AS value, (key).ordinality AS ordinality
    flat_map ordinality unnest(jsonb_each_text(j)) AS key
      source file t.csv (csv): k, j

-- CASE the groups of matches are arrays
SELECT k, m[1], regexp_match(k, '(a)(b)') FROM t, regexp_matches(k, '(a)(b)?', 'g') AS m
-- PLAN
sink stdout
  project k, ((m).regexp_matches)[1] AS m, regexp_match(k, '(a)(b)') AS regexp_match
    flat_map unnest(regexp_matches(k, '(a)(b)?', 'g')) AS m
      source file t.csv (csv): k

-- CASE functions of JSON side by side in a select list
SELECT json_object_keys(j), json_array_elements(j) FROM t
-- PLAN
sink stdout
  project ("json_object_keys()").f1 AS json_object_keys, ("json_object_keys()").f2 AS json_array_elements
    flat_map unnest(zip_of(json_object_keys(j), json_array_elements(j))) AS json_object_keys()
      source file t.csv (csv): j

-- CASE arrays of matches beside other rows
SELECT regexp_matches(k, 'a'), generate_series(1, 2) FROM t
-- ERRORS
job.sql:1:8: error: regexp_matches() beside another function that gives rows is not supported
   1 | SELECT regexp_matches(k, 'a'), generate_series(1, 2) FROM t
     |        ^

-- CASE functions of JSON that give rows take JSON
SELECT json_object_keys(k) FROM t
-- ERRORS
job.sql:1:8: error: function json_object_keys(text) does not exist; there is json_object_keys(json)
   1 | SELECT json_object_keys(k) FROM t
     |        ^

-- CASE no function of FROM
SELECT * FROM json_eech('{}')
-- ERRORS
job.sql:1:15: error: json_eech() is not a function for FROM; did you mean "json_each"? (there are TUMBLE, HOP, CUMULATE, SESSION, string_to_table, words, lines, unnest, generate_series, regexp_split_to_table, regexp_matches, json_array_elements, json_array_elements_text, json_object_keys, json_each, json_each_text)
   1 | SELECT * FROM json_eech('{}')
     |               ^

-- CASE arguments by name and such that are left out
SELECT make_interval(days => v, hours => 2), make_interval(1) FROM t
-- PLAN
sink stdout
  project make_interval(0, 0, 0, v, 2, 0, '0'::double precision) AS make_interval, '1 year'::interval AS make_interval_2
    source file t.csv (csv): v

-- CASE arguments by name that are not there
SELECT make_interval(day => v) FROM t
-- ERRORS
job.sql:1:8: error: make_interval() has no argument "day" (there are years, months, weeks, days, hours, mins, secs)
   1 | SELECT make_interval(day => v) FROM t
     |        ^

-- CASE an argument by name twice
SELECT make_interval(days => v, days => 2) FROM t
-- ERRORS
job.sql:1:8: error: argument name "days" used more than once
   1 | SELECT make_interval(days => v, days => 2) FROM t
     |        ^

-- CASE operators of jsonb
SELECT j @> '{"a": 1}' AS has, j ? 'a' AS one, j ?| '{a,b}' AS any, j ?& ARRAY['a', k] AS every, j - 'a' AS less, j - ARRAY['a'] AS fewer, j #- '{a,b}' AS cut, j || j AS more, j #> ARRAY['a', k] AS part FROM t
-- PLAN
sink stdout
  project (j @> '{"a": 1}'::json) AS has, (j ? 'a') AS one, (j ?| '{a,b}'::text[]) AS any, (j ?& ARRAY['a', k]) AS every, (j - 'a') AS less, (j - '{a}'::text[]) AS fewer, (j #- '{a,b}'::text[]) AS cut, (j || j) AS more, (j #> ARRAY['a', k]) AS part
    source file t.csv (csv): k, j

-- CASE operators of jsonb over other types
SELECT j ?| v FROM t
-- ERRORS
job.sql:1:10: error: operator does not exist: json ?| integer; a cast may help
   1 | SELECT j ?| v FROM t
     |          ^

-- CASE arguments of any type
SELECT num_nulls(k, v, NULL), num_nonnulls(d), pg_typeof(ts), pg_typeof(NULL), json_build_array(k, v), json_build_object(k, v, 'x', d), quote_nullable(v) FROM t
-- PLAN
sink stdout
  project num_nulls(k, v, NULL) AS num_nulls, num_nonnulls(d) AS num_nonnulls, 'timestamp without time zone' AS pg_typeof, 'unknown' AS pg_typeof_2, json_build_array(k, v) AS json_build_array, json_build_object(k, v, 'x', d) AS json_build_object, coalesce(quote_literal(v::text), 'NULL') AS quote_nullable
    source file t.csv (csv): k, v, d

-- CASE a name that is no scalar
SELECT json_build_object(j, 1) FROM t
-- ERRORS
job.sql:1:26: error: key value must be scalar, not array, composite, or json
   1 | SELECT json_build_object(j, 1) FROM t
     |                          ^

-- CASE names and values that do not go in pairs
SELECT json_build_object('a') FROM t
-- ERRORS
job.sql:1:8: error: argument list must have even number of elements
   1 | SELECT json_build_object('a') FROM t
     |        ^

-- CASE a template that reads no number
SELECT to_number(k, '9.9.9') FROM t
-- ERRORS
job.sql:1:21: error: multiple decimal points
   1 | SELECT to_number(k, '9.9.9') FROM t
     |                     ^

-- CASE the digits of a number that is read
SELECT to_number(k, '999D99') + 1 AS two, to_number(k, k) AS ten FROM t
-- PLAN
sink stdout
  project (to_number(k, '999D99') + 1.00) AS two, to_number(k, k) AS ten
    source file t.csv (csv): k

-- CASE a fixed number of the same value
SELECT array_fill(v, ARRAY[3]), array_fill('x', ARRAY[3]) FROM t
-- ERRORS
job.sql:1:33: error: could not determine polymorphic type because input has type unknown
   1 | SELECT array_fill(v, ARRAY[3]), array_fill('x', ARRAY[3]) FROM t
     |                                 ^

-- CASE spans of time
SELECT (ts, interval '1 day') OVERLAPS (ts, date '2024-01-01') FROM t
-- PLAN
sink stdout
  project overlaps(ts, (ts + '1 day'::interval), ts, '2024-01-01 00:00:00'::timestamp) AS overlaps
    source file t.csv (csv): ts

-- CASE numbers cannot be spans of time
SELECT (v, v) OVERLAPS (v, v) FROM t
-- ERRORS
job.sql:1:15: error: function overlaps(integer, integer, integer, integer) does not exist; there is overlaps(timestamp, timestamp, timestamp, timestamp)
   1 | SELECT (v, v) OVERLAPS (v, v) FROM t
     |               ^
