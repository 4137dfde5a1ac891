-- Rows of 73 columns on both sides, and NULL in all of them.
SELECT * FROM readings AS a LEFT JOIN readings AS b ON a.machine = b.machine AND a.n < b.n;
