-- Joins by a key: rows leave with the one partner that they can have, and the key's side is filtered behind the join.
CREATE TABLE p (id int PRIMARY KEY, name text, n int);
CREATE TABLE o (p int, what text, n int);
CREATE TABLE pairs (a int, b int, v text, PRIMARY KEY (a, b));
INSERT INTO p VALUES (1, 'one', 1), (2, 'two', NULL), (3, 'three', 3), (4, NULL, 4), (5, 'five', -5);
INSERT INTO o VALUES (1, 'a', 1), (1, 'b', 2), (1, 'b', 2), (2, 'c', 3), (3, 'd', NULL), (4, 'e', 5), (9, 'f', 6), (NULL, 'g', 7), (5, 'h', 8);
INSERT INTO pairs VALUES (1, 1, 'x'), (1, 2, 'y'), (2, 1, 'z'), (3, 3, NULL);
SELECT o.what AS c0, p.name AS c1 FROM o JOIN p ON o.p = p.id;
SELECT o.what AS c0, p.name AS c1, p.n AS c2 FROM o JOIN p ON o.p = p.id WHERE p.n > 0;
SELECT p.id AS c0, p.name AS c1, o.what AS c2 FROM p JOIN o ON o.p = p.id WHERE p.name <> 'three' AND o.n > 1;
SELECT p.id AS c0, o.what AS c1 FROM p JOIN o ON o.p = p.id AND o.n > p.n;
SELECT o.what AS c0, count(*) AS c1, sum(p.n) AS c2 FROM o JOIN p ON o.p = p.id WHERE p.n IS NULL OR p.n > 1 GROUP BY o.what;
SELECT s.what AS c0, s.c AS c1, p.name AS c2 FROM (SELECT p, what, count(*) AS c FROM o GROUP BY p, what) AS s JOIN p ON s.p = p.id WHERE p.n < 4;
SELECT a.id AS c0, b.name AS c1 FROM p AS a JOIN p AS b ON a.id = b.id WHERE b.n > 1;
SELECT o.what AS c0, pairs.v AS c1 FROM o JOIN pairs ON o.p = pairs.a AND o.n = pairs.b WHERE pairs.v <> 'x';
SELECT o.what AS c0, pairs.v AS c1 FROM o JOIN pairs ON o.p = pairs.a WHERE pairs.v <> 'x';
SELECT o.what AS c0, p.name AS c1, q.v AS c2 FROM o JOIN p ON o.p = p.id JOIN pairs AS q ON q.a = p.id AND q.b = p.n WHERE p.n < 9 AND q.v > 'a';
SELECT o.what AS c0 FROM o LEFT JOIN p ON o.p = p.id WHERE p.n > 1 OR p.id IS NULL;
