-- A departure and the one before it of the same aircraft: that behind which there is no other. The rows up to a departure are
-- those that are not younger.
WITH departures AS (
  SELECT n, tailnum, origin, sched FROM flights WHERE dep_time IS NOT NULL AND tailnum IS NOT NULL
)
SELECT d.tailnum, b.sched, d.sched, d.origin, (extract(epoch FROM d.sched - b.sched) / 60)::bigint,
       (SELECT count(*) FROM departures o WHERE o.tailnum = d.tailnum AND o.sched <= d.sched)
FROM departures d JOIN departures b ON b.tailnum = d.tailnum AND b.sched < d.sched
WHERE NOT EXISTS (SELECT 1 FROM departures o WHERE o.tailnum = d.tailnum AND o.sched > b.sched AND o.sched < d.sched)
  AND d.sched - b.sched < interval '4 hours'
