-- CASE NOT NULL, CHECK and lengths are asked of every row that is read
CREATE TABLE c (id int NOT NULL, s varchar(3), v int CONSTRAINT positive CHECK (v > 0), CHECK (v < 10 OR s = 'a')) WITH (connector = 'file', path = 'c.csv', format = 'csv');
INSERT INTO f SELECT s, count(*) FROM c WHERE v = 1 GROUP BY s
-- PLAN
sink file f (csv)
  project s AS k, "count(*)" AS n
    aggregate count(*) by s; once, at the end
      [s] pre-aggregate count(*) by s
        filter (check ((id IS NOT NULL)) AND check ((length(s) <= 3)) AND check ((v > 0)) AND check (((v < 10) OR (s = 'a'))) AND (v = 1))
          source file c.csv (csv): id, s, v

-- CASE and in front of the sink, where nothing moves them
CREATE TABLE c (id int NOT NULL, v int DEFAULT 7 CHECK (v > 0)) WITH (connector = 'file', path = 'c', format = 'csv');
INSERT INTO c (id) SELECT t.v FROM t JOIN (SELECT k FROM t WHERE v > 1) AS u ON t.k = u.k;
INSERT INTO c SELECT v FROM t
-- PLAN
sink file c (csv)
  union
    filter (check ((id IS NOT NULL)) AND check ((v > 0)))
      project v AS id, 7 AS v
        join on k = k
          [k] source file t.csv (csv): k, v
          [k] project k
            filter (v > 1)
              source file t.csv (csv): k, v (see above)
    filter (check ((id IS NOT NULL)) AND check ((v > 0)))
      project v AS id, 7 AS v
        source file t.csv (csv): k, v (see above)

-- CASE a table that is there already
CREATE TABLE IF NOT EXISTS t (other int) WITH (connector = 'file', path = 'other', format = 'csv');
CREATE TABLE IF NOT EXISTS z (k text) WITH (connector = 'file', path = 'z', format = 'csv');
INSERT INTO z SELECT k FROM t
-- PLAN
sink file z (csv)
  project k
    source file t.csv (csv): k
