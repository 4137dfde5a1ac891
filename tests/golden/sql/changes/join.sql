SELECT s.item, s.place, s.n, p.list FROM stock AS s LEFT JOIN prices AS p ON p.item = s.item;
