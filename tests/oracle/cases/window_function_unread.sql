-- A window function that nobody reads left its rows as changes, where they were to leave once.
CREATE TABLE t (k int, s text);
INSERT INTO t VALUES (1, 'a'), (1, 'b'), (2, 'a'), (3, NULL), (3, 'a');
SELECT c1 AS c0 FROM (SELECT lead(s, 2) OVER (PARTITION BY s ORDER BY s) AS c0, s AS c1 FROM (SELECT s, count(*) AS n FROM t GROUP BY s) AS x) AS y;
SELECT count(*) AS c0 FROM (SELECT row_number() OVER (ORDER BY n) AS c0, s AS c1 FROM (SELECT s, count(*) AS n FROM t GROUP BY s) AS x) AS y;
SELECT c1 AS c0 FROM (SELECT lag(n) OVER (ORDER BY n, s) AS c0, s AS c1 FROM (SELECT s, count(*) AS n FROM t GROUP BY s HAVING count(*) > 1) AS x) AS y;
