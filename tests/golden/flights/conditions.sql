-- Of all reports of the airport up to the time at which a flight was to leave, the last one.
SELECT DISTINCT ON (f.n) f.sched, f.origin, f.carrier, f.flight, f.dep_delay, w.time_hour, w.wind_speed, w.visib
FROM flights f LEFT JOIN weather w ON w.origin = f.origin AND w.time_hour <= f.sched
WHERE f.dep_delay > 60
ORDER BY f.n, w.time_hour DESC
