-- A route's place on a day is one more than the number of routes in front of it.
WITH counts AS (
  SELECT sched::date AS day, origin, dest, count(*) AS n FROM flights GROUP BY 1, 2, 3
)
SELECT * FROM (
  SELECT day,
         1 + (SELECT count(*) FROM counts o
              WHERE o.day = c.day AND (o.n > c.n OR o.n = c.n AND (o.origin, o.dest) < (c.origin, c.dest))) AS place,
         origin, dest, n
  FROM counts c
) AS placed
WHERE place <= 3
