SELECT id, item FROM orders WHERE price >= ALL (SELECT list FROM prices WHERE item <> 'ink');
