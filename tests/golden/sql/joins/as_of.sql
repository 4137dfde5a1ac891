-- The price list as it was when the order came.
SELECT o.id, o.item, o.price, p.list, p.at
FROM orders AS o LEFT JOIN LATERAL (
  SELECT * FROM prices AS p WHERE p.item = o.item AND p.at <= o.at ORDER BY p.at DESC LIMIT 1) AS p ON true;
