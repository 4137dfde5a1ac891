-- CASE columns of arrays and composite types
CREATE TYPE point AS (x int, y text);
CREATE TYPE line AS (ends point[], name text);
CREATE TABLE a (id int, tags text[], p point, l line, ps point[]) WITH (connector = 'stdin', format = 'json');
SELECT tags[1], tags[2:], (p).y, (l).ends, ((l).ends[1]).x, ARRAY[id, 1], ROW(id, tags) FROM a WHERE p IS NOT NULL
-- PLAN
sink stdout
  project tags[1] AS tags, tags[2:] AS tags_2, (p).y AS y, (l).ends AS ends, (((l).ends)[1]).x AS x, ARRAY[id, 1] AS array, ROW(id, tags) AS row
    filter (p IS NOT NULL)
      source stdin (json): id, tags, p, l

-- CASE operators and functions
CREATE TABLE a (id int, tags text[]) WITH (connector = 'stdin', format = 'json');
SELECT tags || 'x'::text AS a, tags || tags AS b, tags @> '{a}' AS c, tags && ARRAY['a'] AS d, id = ANY ('{1,2}') AS e,
       'a' <> ALL (tags) AS f, array_length(tags, 1), array_to_string(tags, ','), array_position(tags, 'b'),
       coalesce(tags, '{}') AS g, tags = '{a,b}' AS h, tags < ARRAY['b'] AS i, tags IS DISTINCT FROM NULL AS j,
       '{1,2}'::bigint[] AS l, tags::text AS m, array_append(tags, NULL) AS n
FROM a
-- PLAN
sink stdout
  project array_append(tags, 'x') AS a, array_cat(tags, tags) AS b, (tags @> '{a}'::text[]) AS c, (tags && '{a}'::text[]) AS d, (id = ANY ('{1,2}'::int[])) AS e, ('a' <> ALL (tags)) AS f, array_length(tags, 1) AS array_length, array_to_string(tags, ',') AS array_to_string, array_position(tags, 'b') AS array_position, coalesce(tags, '{}'::text[]) AS g, (tags = '{a,b}'::text[]) AS h, (tags < '{b}'::text[]) AS i, (tags IS DISTINCT FROM NULL::text[]) AS j, '{1,2}'::bigint[] AS l, tags::text AS m, array_append(tags, NULL) AS n
    source stdin (json): id, tags

-- CASE rows compare field by field
SELECT (k, v) = ('a', 1) AS a, (k, v) < ('b', 2) AS b, (k, v) IN (('a', 1), ('b', 2)) AS c, (k, v) IS DISTINCT FROM ('a', NULL) AS d FROM t
-- PLAN
sink stdout
  project ((k = 'a') AND (v = 1)) AS a, ((k < 'b') OR ((k = 'b') AND (v < 2))) AS b, (((k = 'a') AND (v = 1)) OR ((k = 'b') AND (v = 2))) AS c, ((k IS DISTINCT FROM 'a') OR (v IS DISTINCT FROM NULL::int)) AS d
    source file t.csv (csv): k, v

-- CASE unnest in FROM
CREATE TABLE a (id int, tags text[], nums int[]) WITH (connector = 'stdin', format = 'json');
SELECT id, x, y, z, n FROM a, unnest(tags) AS x CROSS JOIN LATERAL unnest(a.nums) AS u (y)
  LEFT JOIN LATERAL unnest(a.nums) WITH ORDINALITY AS w (z, n) ON true WHERE y > 1
-- PLAN
sink stdout
  project id, x, y, (z).item AS z, (z).ordinality AS n
    flat_map outer ordinality unnest(nums) AS z
      filter (y > 1)
        flat_map unnest(nums) AS y
          flat_map unnest(tags) AS x
            source stdin (json): id, tags, nums

-- CASE unnest of composite types has their columns
CREATE TYPE point AS (x int, y text);
CREATE TABLE a (id int, ps point[]) WITH (connector = 'stdin', format = 'json');
SELECT id, u.x, y, ordinality FROM a JOIN unnest(ps) WITH ORDINALITY u ON u.x = id
-- PLAN
sink stdout
  project id, x, y, ordinality
    filter (x = id)
      project id, ((x).item).x AS x, ((x).item).y AS y, (x).ordinality AS ordinality
        flat_map ordinality unnest(ps) AS x
          source stdin (json): id, ps

-- CASE arrays as keys, of joins, groups and orders
CREATE TABLE a (id int, tags text[]) WITH (connector = 'stdin', format = 'json');
SELECT l.tags, count(*), max(r.tags) FROM a l JOIN a r ON l.tags = r.tags GROUP BY l.tags ORDER BY l.tags LIMIT 3
-- PLAN
sink stdout
  changes: project tags, "count(*)" AS count, "max(tags_2)" AS max
    changes: top 3 by tags
      changes: aggregate count(*), max(tags_2) by tags
        pre-aggregate count(*), max(tags_2) by tags
          join on tags = tags
            [tags] source stdin (json): tags
            [tags] source stdin (json): tags (see above)

-- CASE array_agg and string_agg with an order
SELECT k, array_agg(v), array_agg(v ORDER BY v DESC, ts) FILTER (WHERE v > 0), array_agg(DISTINCT v),
       string_agg(k, ',' ORDER BY v NULLS FIRST), cardinality(array_agg(v)) FROM t GROUP BY k
-- PLAN
sink stdout
  changes: project k, array_of("array_agg(v)", '') AS array_agg, array_of("array_agg(v ORDER BY v DESC, ts) FILTER (WHERE (v > 0))", 's') AS array_agg_2, array_of("array_agg(v)", 'd') AS array_agg_3, array_to_string(array_of("string_agg(k ORDER BY v NULLS FIRST)", 's'), ',') AS string_agg, cardinality(array_of("array_agg(v)", '')) AS cardinality
    changes: aggregate array_agg(v), array_agg(v ORDER BY v DESC, ts) FILTER (WHERE (v > 0)), string_agg(k ORDER BY v NULLS FIRST) by k
      [k] source file t.csv (csv): k, v, ts

-- CASE array_agg over windows
SELECT k, window_start, array_agg(v ORDER BY v) FROM TUMBLE(t, ts, INTERVAL '1 hour') GROUP BY k, window_start
-- PLAN
sink stdout
  project k, window_start, array_of("array_agg(v ORDER BY v)", 's') AS array_agg
    aggregate array_agg(v ORDER BY v) by key k, key window_start, key window_end; once per window
      [key k, key window_start, key window_end] project k AS key k, window_start AS key window_start, window_end AS key window_end, v
        tumbling windows of 1h 00m over ts
          source file t.csv (csv): k, v, ts; event time ts, up to 0s out of order

-- CASE what arrays do not do
CREATE TYPE point AS (x int, y text);
CREATE TYPE point AS (x int);
CREATE TYPE int AS (x int);
CREATE TYPE empty AS ();
CREATE TYPE twice AS (x int, x int);
CREATE TYPE mood AS ENUM ('sad');
CREATE TABLE a (id int, tags text[], p point, js json[]) WITH (connector = 'stdin', format = 'json');
CREATE TABLE b (m int[][]) WITH (connector = 'stdin');
INSERT INTO hole SELECT ARRAY[]::text, 1 FROM a;
INSERT INTO hole SELECT k, ARRAY[] FROM t;
INSERT INTO hole SELECT k, ARRAY[[1, 2], [3, 4]] FROM t;
INSERT INTO hole SELECT k, '{{1},{2}}'::int[] FROM t;
INSERT INTO hole SELECT k, '{1'::int[] FROM t;
INSERT INTO hole SELECT k, ARRAY[1, 'x'] FROM t;
INSERT INTO hole SELECT k, ARRAY[1, true] FROM t;
INSERT INTO hole SELECT k, v[1] FROM t;
INSERT INTO hole SELECT k, (v).x FROM t;
INSERT INTO hole SELECT id, (p).z FROM a;
INSERT INTO hole SELECT (p).*, 1 FROM a;
INSERT INTO hole SELECT id, tags[1][2] FROM a;
INSERT INTO hole SELECT id, tags || 1 FROM a;
INSERT INTO hole SELECT id, tags = ARRAY[1] FROM a;
INSERT INTO hole SELECT id, tags @> 'a' FROM a;
INSERT INTO hole SELECT id, tags + tags FROM a;
INSERT INTO hole SELECT id, 'a' LIKE ANY (tags) FROM a;
INSERT INTO hole SELECT id, 1 = ANY (tags) FROM a;
INSERT INTO hole SELECT id, 1 = ANY (id) FROM a;
INSERT INTO hole SELECT id, (id, 1) = (id, 1, 2) FROM a;
INSERT INTO hole SELECT id, array_append(id, 1) FROM a;
INSERT INTO hole SELECT id, unnest(tags) FROM a;
INSERT INTO hole SELECT id, 1 FROM a, unnest(tags, tags) x;
INSERT INTO hole SELECT id, 1 FROM a LEFT JOIN LATERAL unnest(tags) x ON x = 'a';
INSERT INTO hole SELECT id, 1 FROM a, unnest(tags) AS x (y, z);
INSERT INTO hole SELECT js, count(*) FROM a GROUP BY js;
INSERT INTO hole SELECT id, array_agg(tags) FROM a GROUP BY id;
INSERT INTO hole SELECT id, array_agg(DISTINCT js) FROM a GROUP BY id;
INSERT INTO hole SELECT id, array_agg(DISTINCT id ORDER BY -id) FROM a GROUP BY id;
INSERT INTO hole SELECT id, sum(tags) FROM a GROUP BY id;
INSERT INTO hole SELECT id, array_agg(id) OVER (ORDER BY id) FROM a;
INSERT INTO hole SELECT id, ARRAY(SELECT id FROM a) FROM a;
INSERT INTO hole SELECT id, tags FROM a
-- ERRORS
job.sql:2:13: error: type "point" already exists
   2 | CREATE TYPE point AS (x int);
     |             ^
job.sql:3:13: error: type "int" already exists
   3 | CREATE TYPE int AS (x int);
     |             ^
job.sql:4:13: error: a type without attributes is not supported
   4 | CREATE TYPE empty AS ();
     |             ^
job.sql:5:30: error: attribute "x" is there twice
   5 | CREATE TYPE twice AS (x int, x int);
     |                              ^
job.sql:6:1: error: CREATE TYPE ... AS ENUM is not supported; a job is made of SET, CREATE TYPE, CREATE TABLE, CREATE VIEW, INSERT and SELECT
   6 | CREATE TYPE mood AS ENUM ('sad');
     | ^
job.sql:8:19: error: an array of several dimensions is not supported; its elements may be a type of CREATE TYPE
   8 | CREATE TABLE b (m int[][]) WITH (connector = 'stdin');
     |                   ^
job.sql:9:25: error: cannot determine type of empty array; cast it, for example ARRAY[]::integer[]
   9 | INSERT INTO hole SELECT ARRAY[]::text, 1 FROM a;
     |                         ^
job.sql:10:28: error: cannot determine type of empty array; cast it, for example ARRAY[]::integer[]
  10 | INSERT INTO hole SELECT k, ARRAY[] FROM t;
     |                            ^
job.sql:11:28: error: an array of several dimensions is not supported
  11 | INSERT INTO hole SELECT k, ARRAY[[1, 2], [3, 4]] FROM t;
     |                            ^
job.sql:12:28: error: arrays of several dimensions are not supported: "{{1},{2}}"
  12 | INSERT INTO hole SELECT k, '{{1},{2}}'::int[] FROM t;
     |                            ^
job.sql:13:28: error: malformed array literal: "{1": the closing brace is missing
  13 | INSERT INTO hole SELECT k, '{1'::int[] FROM t;
     |                            ^
job.sql:14:37: error: invalid input syntax for type integer: "x"
  14 | INSERT INTO hole SELECT k, ARRAY[1, 'x'] FROM t;
     |                                     ^
job.sql:15:37: error: ARRAY types integer and boolean cannot be matched
  15 | INSERT INTO hole SELECT k, ARRAY[1, true] FROM t;
     |                                     ^
job.sql:16:28: error: cannot subscript type integer because it is not an array
  16 | INSERT INTO hole SELECT k, v[1] FROM t;
     |                            ^
job.sql:17:29: error: column notation .x applied to type integer, which is not a composite type
  17 | INSERT INTO hole SELECT k, (v).x FROM t;
     |                             ^
job.sql:18:30: error: column "z" not found in struct(x int, y text) (there are x, y)
  18 | INSERT INTO hole SELECT id, (p).z FROM a;
     |                              ^
job.sql:19:32: error: INSERT has more expressions than target columns
  19 | INSERT INTO hole SELECT (p).*, 1 FROM a;
     |                                ^
job.sql:20:29: error: a subscript of a second dimension (arrays have one) is not supported in a scalar expression
  20 | INSERT INTO hole SELECT id, tags[1][2] FROM a;
     |                             ^
job.sql:21:34: error: operator does not exist: text[] || integer; a cast may help
  21 | INSERT INTO hole SELECT id, tags || 1 FROM a;
     |                                  ^
job.sql:22:34: error: operator does not exist: text[] = integer[]; a cast may help
  22 | INSERT INTO hole SELECT id, tags = ARRAY[1] FROM a;
     |                                  ^
job.sql:23:37: error: malformed array literal: "a": it must begin with "{"
  23 | INSERT INTO hole SELECT id, tags @> 'a' FROM a;
     |                                     ^
job.sql:24:34: error: operator does not exist: text[] + text[]; a cast may help
  24 | INSERT INTO hole SELECT id, tags + tags FROM a;
     |                                  ^
job.sql:25:33: error: ~~ ANY (array) is supported for = <> < <= > >= only; for others write the elements: ~~ ANY (ARRAY[...])
  25 | INSERT INTO hole SELECT id, 'a' LIKE ANY (tags) FROM a;
     |                                 ^
job.sql:26:31: error: operator does not exist: integer = text; a cast may help
  26 | INSERT INTO hole SELECT id, 1 = ANY (tags) FROM a;
     |                               ^
job.sql:27:38: error: = ANY needs an array on its right side, not integer
  27 | INSERT INTO hole SELECT id, 1 = ANY (id) FROM a;
     |                                      ^
job.sql:28:37: error: unequal number of entries in row expressions
  28 | INSERT INTO hole SELECT id, (id, 1) = (id, 1, 2) FROM a;
     |                                     ^
job.sql:29:29: error: array_append(integer, integer) does not exist
  29 | INSERT INTO hole SELECT id, array_append(id, 1) FROM a;
     |                             ^
job.sql:30:29: error: column "n" is of type bigint but expression is of type text; write CAST(... AS bigint)
  30 | INSERT INTO hole SELECT id, unnest(tags) FROM a;
     |                             ^
job.sql:33:39: error: unnest() gives one column, but 2 are named
  33 | INSERT INTO hole SELECT id, 1 FROM a, unnest(tags) AS x (y, z);
     |                                       ^
job.sql:34:54: error: could not identify an equality operator for type json[]
  34 | INSERT INTO hole SELECT js, count(*) FROM a GROUP BY js;
     |                                                      ^
job.sql:35:39: error: array_agg of arrays is not supported: an array has one dimension
  35 | INSERT INTO hole SELECT id, array_agg(tags) FROM a GROUP BY id;
     |                                       ^
job.sql:36:48: error: array_agg of arrays is not supported: an array has one dimension
  36 | INSERT INTO hole SELECT id, array_agg(DISTINCT js) FROM a GROUP BY id;
     |                                                ^
job.sql:37:60: error: in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list
  37 | INSERT INTO hole SELECT id, array_agg(DISTINCT id ORDER BY -id) FROM a GROUP BY id;
     |                                                            ^
job.sql:38:33: error: function sum(text[]) does not exist
  38 | INSERT INTO hole SELECT id, sum(tags) FROM a GROUP BY id;
     |                                 ^
job.sql:39:29: error: column "n" is of type bigint but expression is of type int[]; write CAST(... AS bigint)
  39 | INSERT INTO hole SELECT id, array_agg(id) OVER (ORDER BY id) FROM a;
     |                             ^
job.sql:40:29: error: column "n" is of type bigint but expression is of type int[]; write CAST(... AS bigint)
  40 | INSERT INTO hole SELECT id, ARRAY(SELECT id FROM a) FROM a;
     |                             ^
job.sql:41:29: error: column "n" is of type bigint but expression is of type text[]; write CAST(... AS bigint)
  41 | INSERT INTO hole SELECT id, tags FROM a
     |                             ^
