-- Rows joined with the highest value of their own group are planned as first ranks: ties stay, NULLs
-- are equal to nothing, and what only looks alike is joined.
CREATE TABLE t (g int, h text, v int, w numeric(6,2), f double precision);
INSERT INTO t VALUES
  (1, 'a', 5, 1.50, 0.5), (1, 'b', 5, 2.50, -0.0), (1, 'a', 3, 2.50, 0.0), (1, 'b', NULL, NULL, NULL),
  (2, 'a', NULL, 7.00, 'NaN'), (2, 'a', NULL, 7.00, 1.0), (NULL, 'a', 9, 1.00, 2.0), (NULL, NULL, 9, 3.00, 2.0),
  (3, 'a', -4, -1.00, '-Infinity'), (3, 'c', -4, -2.00, 'Infinity'), (3, 'c', -7, -2.00, 'NaN'),
  (4, NULL, 1, 0.00, 0.0), (4, NULL, 2, 0.00, -0.0), (4, 'd', 2, 0.00, -1.0), (1, 'a', 5, 1.50, 0.5);

SELECT r.g, r.h, r.v, r.w, m.g AS mg, m.m
FROM t r JOIN (SELECT g, max(v) AS m FROM t GROUP BY g) m ON r.g = m.g AND r.v = m.m;
SELECT r.g, r.h, m.m FROM (SELECT min(w) AS m, g, h FROM t GROUP BY g, h) m JOIN t r
  ON m.m >= r.w AND r.h = m.h AND m.g = r.g;
SELECT r.h, r.w FROM t r JOIN (SELECT g, max(v) AS m, count(*) AS n FROM t GROUP BY g) m
  ON r.g IS NOT DISTINCT FROM m.g AND m.m <= r.v;
SELECT r.g, r.h FROM t r JOIN (SELECT g, max(v) AS m FROM t GROUP BY g) m
  ON r.g = m.g AND r.v IS NOT DISTINCT FROM m.m WHERE r.w > 1;
SELECT r.g, r.v FROM t r, (SELECT max(v) AS m FROM t) m WHERE r.v = m.m AND r.h = 'a';
SELECT r.g, r.v FROM t r, (SELECT g, max(v) AS m FROM t WHERE h = 'a' GROUP BY g) m
  WHERE r.v = m.m AND r.g = m.g AND r.h = 'a';
SELECT r.g, r.f FROM t r JOIN (SELECT g, max(f) AS m FROM t GROUP BY g) m ON r.g = m.g AND r.f = m.m;
SELECT r.g, m.m FROM t r JOIN (SELECT g, max(f) AS m FROM t GROUP BY g) m ON r.g = m.g AND r.f = m.m
  WHERE r.f <> 0;
-- Not the same rows, not the same value, not all keys, not the highest.
SELECT r.g, r.v FROM t r JOIN (SELECT g, max(v) AS m FROM t WHERE h <> 'b' GROUP BY g) m
  ON r.g = m.g AND r.v = m.m;
SELECT r.g, r.v FROM t r JOIN (SELECT g, max(v) FILTER (WHERE h <> 'a') AS m FROM t GROUP BY g) m
  ON r.g = m.g AND r.v = m.m;
SELECT r.g, r.v, m.m FROM t r JOIN (SELECT g, max(w) AS m FROM t GROUP BY g) m ON r.g = m.g AND r.v = m.m;
SELECT r.g, r.v, m.h FROM t r JOIN (SELECT g, h, max(v) AS m FROM t GROUP BY g, h) m
  ON r.g = m.g AND r.v = m.m;
SELECT r.g, r.v FROM t r JOIN (SELECT g, max(v) AS m FROM t GROUP BY g) m ON r.g = m.g AND r.v <= m.m;
SELECT r.g, r.v, m.n FROM t r JOIN (SELECT g, max(v) AS m, count(*) AS n FROM t GROUP BY g) m
  ON r.g = m.g AND r.v = m.m;
SELECT r.g, r.v FROM t r LEFT JOIN (SELECT g, max(v) AS m FROM t GROUP BY g) m ON r.g = m.g AND r.v = m.m;
-- Over rows that change, and over each other.
SELECT s.g, s.n FROM (SELECT g, h, count(*) AS n FROM t GROUP BY g, h) s
  JOIN (SELECT g, max(n) AS m FROM (SELECT g, h, count(*) AS n FROM t GROUP BY g, h) x GROUP BY g) m
  ON s.g = m.g AND s.n >= m.m;
SELECT a.g, a.v, a.w FROM (SELECT r.g, r.v, r.w FROM t r JOIN (SELECT g, max(v) AS m FROM t GROUP BY g) m
  ON r.g = m.g AND r.v = m.m) a JOIN (SELECT g, min(w) AS m FROM (SELECT r.g, r.v, r.w FROM t r JOIN
  (SELECT g, max(v) AS m FROM t GROUP BY g) m ON r.g = m.g AND r.v = m.m) y GROUP BY g) b
  ON a.g = b.g AND a.w = b.m;
