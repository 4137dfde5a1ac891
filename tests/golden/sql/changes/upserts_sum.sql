SELECT item, sum(n) AS n, count(*) AS places FROM shelves WHERE place > 'A' GROUP BY item;
