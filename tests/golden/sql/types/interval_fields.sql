SELECT id, (at - timestamp '2024-02-29 07:59:58.765')::interval hour to minute AS minutes,
       (at - timestamp '2024-02-29 07:59:58.765')::interval day AS days,
       (at - timestamp '2024-02-29 07:59:58.765')::interval(1) AS tenths,
       interval '1 year 2 mons 3 days' year to month AS months
FROM orders;
