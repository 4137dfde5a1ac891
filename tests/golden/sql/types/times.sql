SELECT id, at::date AS day, extract(hour FROM at) AS hour, at + INTERVAL '1 month' AS later, date_trunc('hour', at) AS of_hour
FROM orders WHERE at BETWEEN '2024-03-01 10:00' AND '2024-03-01 12:00';
