SELECT bidder, count(*), date_bin('10 seconds', date_time, '2000-01-01') AS starttime,
       date_bin('10 seconds', date_time, '2000-01-01') + INTERVAL '10 seconds'
FROM bid
GROUP BY bidder, starttime;
