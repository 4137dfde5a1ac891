SELECT id, lag(id) OVER w AS before, lead(item, 2, 'none') OVER w AS later, first_value(id) OVER w AS first
FROM orders WINDOW w AS (ORDER BY at);
