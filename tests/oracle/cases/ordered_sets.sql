-- Ordered-set aggregates, over rows that come and go.
CREATE TABLE t (k text, i int, n numeric, d float8, s text, at timestamp);
INSERT INTO t VALUES ('a', 1, 1.5, 0.5, 'x', '2024-01-01 10:00:00'), ('a', 1, 1.50, 0.25, 'y', '2024-01-02 10:00:00'), ('a', 2, 2.25, 1.5, 'x', NULL), ('b', NULL, NULL, NULL, NULL, NULL), ('b', 7, 70, 7, 'z', '2024-01-03'), ('c', NULL, NULL, NULL, NULL, NULL), (NULL, 4, 0.5, 4, 'x', '2024-01-01'), (NULL, 5, 0.5, 4, 'y', '2024-01-01');
SELECT k AS c0, percentile_cont(0.5) WITHIN GROUP (ORDER BY i) AS c1, percentile_cont(0.25) WITHIN GROUP (ORDER BY n DESC) AS c2, percentile_disc(0.5) WITHIN GROUP (ORDER BY at) AS c3 FROM t GROUP BY k;
SELECT percentile_disc(0) WITHIN GROUP (ORDER BY s) AS c0, percentile_disc(1) WITHIN GROUP (ORDER BY s DESC) AS c1, mode() WITHIN GROUP (ORDER BY s) AS c2, mode() WITHIN GROUP (ORDER BY n DESC) AS c3 FROM t;
SELECT percentile_cont(0.4) WITHIN GROUP (ORDER BY at - '2024-01-01')::text AS c0, percentile_disc(ARRAY[0.1, NULL, 0.9]) WITHIN GROUP (ORDER BY i) AS c1, percentile_cont(NULL) WITHIN GROUP (ORDER BY i) AS c2 FROM t;
SELECT k AS c0, percentile_cont(0.5) WITHIN GROUP (ORDER BY i) FILTER (WHERE d > 1) AS c1 FROM t GROUP BY k HAVING mode() WITHIN GROUP (ORDER BY i) > 1;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY m) AS c0 FROM (SELECT k, max(i) AS m FROM t GROUP BY k) s;
SELECT k AS c0, (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY o.i) FROM t o WHERE o.i > t.i) AS c1 FROM t;
SELECT i AS c0, percentile_disc(i / 10.0) WITHIN GROUP (ORDER BY d) AS c1 FROM t WHERE i IS NOT NULL GROUP BY i;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY i) AS c0, mode() WITHIN GROUP (ORDER BY s) AS c1 FROM t WHERE k = 'none';
SELECT k AS c0, count(*) AS c1, percentile_disc(0.5) WITHIN GROUP (ORDER BY i) AS c2 FROM t GROUP BY ROLLUP (k);
SELECT DISTINCT mode() WITHIN GROUP (ORDER BY x.i % 2 = 0) AS c0 FROM t x JOIN t y ON x.k = y.k GROUP BY y.i;
