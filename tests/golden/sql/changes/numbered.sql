SELECT item, place, n, row_number() OVER (ORDER BY n DESC) AS place_by_n FROM stock;
