-- A join behind a comma, and RIGHT and FULL JOIN with USING, that read the query outside; LATERAL in a join behind a comma.
CREATE TABLE t (k int, v int);
CREATE TABLE a (k int, x int);
CREATE TABLE b (k int, y int);
INSERT INTO t VALUES (1, 10), (2, 20), (NULL, 5), (3, 1);
INSERT INTO a VALUES (1, 1), (2, 2), (2, 11), (NULL, 3);
INSERT INTO b VALUES (1, 5), (2, 15), (4, 25), (NULL, 30);
SELECT t.k AS c0, (SELECT count(*) FROM a, b LEFT JOIN a AS a2 ON a2.k = b.k AND a2.x < t.v WHERE a.k = t.k) AS c1 FROM t;
SELECT t.k AS c0, (SELECT count(a2.x) FROM a, b LEFT JOIN a AS a2 ON a2.k = b.k AND a2.x < t.v) AS c1 FROM t;
SELECT t.k AS c0, (SELECT sum(l.z) FROM a, b JOIN LATERAL (SELECT b.y + t.v AS z) AS l ON true WHERE a.k = b.k) AS c1 FROM t;
SELECT t.k AS c0, (SELECT sum(l.z + m.z) FROM a, b JOIN LATERAL (SELECT b.y + t.v AS z) AS l ON true, a AS a3 LEFT JOIN LATERAL (SELECT a3.x * t.v AS z WHERE a3.x > 1) AS m ON true WHERE a.k = b.k) AS c1 FROM t;
SELECT a.k AS c0, x AS c1, y AS c2, z AS c3 FROM a, b JOIN LATERAL (SELECT a.x + b.y AS z) AS l ON true;
SELECT a.k AS c0, x AS c1, y AS c2, n AS c3 FROM a, b LEFT JOIN LATERAL (SELECT count(*) AS n FROM t WHERE t.v < a.x + b.y) AS l ON n > 1;
SELECT a.*, y, v FROM a, b LEFT JOIN LATERAL (SELECT v FROM t WHERE t.k = a.k AND t.v > b.y) AS l ON true;
SELECT t.k AS c0, (SELECT sum(coalesce(x, 0) * 100 + coalesce(y, 0)) FROM (SELECT * FROM a WHERE a.x < t.v) AS i RIGHT JOIN b USING (k)) AS c1 FROM t;
SELECT t.k AS c0, (SELECT count(k) FROM a FULL JOIN (SELECT * FROM b WHERE b.y > t.v) AS j USING (k)) AS c1 FROM t;
SELECT t.k AS c0, (SELECT sum(k) FROM (SELECT * FROM a WHERE a.x < t.v) AS i FULL JOIN (SELECT * FROM b WHERE b.y > t.v) AS j USING (k)) AS c1 FROM t;
SELECT t.k AS c0 FROM t WHERE EXISTS (SELECT k FROM (SELECT * FROM a WHERE a.x < t.v) AS i NATURAL FULL JOIN b WHERE k = t.k AND y IS NULL);
SELECT t.k AS c0, ARRAY(SELECT coalesce(k, -1) FROM (SELECT * FROM a WHERE a.x < t.v) AS i FULL JOIN b USING (k) ORDER BY 1) AS c1 FROM t;
