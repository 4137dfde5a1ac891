-- The price list as a view shows it, and without the items that cost nothing.
CREATE VIEW listed (thing, dear, since) AS
  SELECT item, list * 2, at FROM prices WHERE list > 0;
SELECT o.id, o.item, p.dear, p.since, q.list
FROM orders AS o LEFT JOIN LATERAL (
  SELECT dear, since FROM listed AS l WHERE l.thing = o.item AND l.since <= o.at ORDER BY l.since DESC LIMIT 1) AS p ON true
LEFT JOIN LATERAL (
  SELECT list FROM (SELECT * FROM prices WHERE list < 5) AS l WHERE l.item = o.item AND l.at < o.at ORDER BY l.at DESC LIMIT 1) AS q ON true;
