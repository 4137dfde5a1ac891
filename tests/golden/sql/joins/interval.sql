-- Returned within two hours; the watermark ends what is kept.
SELECT o.id, o.item, r.at, r.reason
FROM orders AS o LEFT JOIN returns AS r
  ON r.order_id = o.id AND r.at BETWEEN o.at AND o.at + INTERVAL '2 hours';
