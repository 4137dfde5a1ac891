-- NULL equals NULL, in columns behind the first 32, too.
SELECT a.at, b.at AS b_at, a.n, b.* FROM readings AS a JOIN readings AS b
  ON a.machine IS NOT DISTINCT FROM b.machine AND a.s40 IS NOT DISTINCT FROM b.s40 AND a.s70 = b.s70;
