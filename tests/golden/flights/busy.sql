SELECT origin, date_trunc('hour', sched), count(*) FROM flights GROUP BY 1, 2
