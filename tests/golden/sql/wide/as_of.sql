-- The reading before, with all that it has.
SELECT r.at, r.n, p.* FROM readings AS r LEFT JOIN LATERAL (
  SELECT * FROM readings AS p WHERE p.machine = r.machine AND p.at < r.at ORDER BY p.at DESC LIMIT 1) AS p ON true;
