-- GROUP BY (): one group of all rows, of none too; and as one of several groupings.
CREATE TABLE t (a int, b text);
CREATE TABLE none (a int, b text);
INSERT INTO t VALUES (1, 'x'), (1, 'y'), (2, NULL), (NULL, 'z');
SELECT count(*) AS c0 FROM t GROUP BY ();
SELECT count(*) AS c0, sum(a) AS c1 FROM none GROUP BY ();
SELECT 7 AS c0 FROM none GROUP BY ();
SELECT count(*) AS c0 FROM t GROUP BY GROUPING SETS (());
SELECT count(*) AS c0, max(b) AS c1 FROM none GROUP BY GROUPING SETS (());
SELECT count(*) AS c0 FROM t GROUP BY GROUPING SETS ((), ());
SELECT count(*) AS c0 FROM none GROUP BY GROUPING SETS ((), ());
SELECT a AS c0, count(*) AS c1 FROM t GROUP BY GROUPING SETS ((), a);
SELECT a AS c0, count(*) AS c1 FROM none GROUP BY GROUPING SETS ((), (a));
SELECT a AS c0, count(*) AS c1, grouping(a) AS c2 FROM t GROUP BY GROUPING SETS ((a), ());
SELECT a AS c0, count(*) AS c1 FROM t GROUP BY a, ();
SELECT count(*) AS c0 FROM t GROUP BY (), ();
SELECT count(*) AS c0 FROM t GROUP BY () HAVING count(*) > 4;
SELECT a AS c0, (SELECT count(*) FROM none WHERE none.a = t.a GROUP BY ()) AS c1 FROM t;
SELECT a AS c0 FROM t WHERE EXISTS (SELECT 1 FROM none WHERE none.a = t.a GROUP BY ());
