SELECT s.place, s.n, o.id FROM shelves AS s FULL JOIN orders AS o ON o.item = s.item AND o.qty < s.n;
