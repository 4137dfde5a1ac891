-- Rows are compared field by field up to the first that decides or is NULL: the fields behind it are not computed.
SELECT x, y, (x, 1 / y) < (1, 2) AS less, (x, 1 / y) <= (1, 2) AS at_most, (x, 1 / y) > (1, 2) AS more, (x, 1 / y) >= (1, 2) AS at_least,
       (1, x, 1 / y) < (1, NULL::int, 2) AS null_second, (0, x, 1 / y) < (1, NULL::int, 2) AS first_decides, (x, y, 1) < (1, 1, x) AS plain
FROM (VALUES (NULL::int, 0), (3, 0), (2, 1), (0, 0), (1, 1), (1, NULL)) AS t(x, y)
WHERE (x, 1 / y) >= (1, 1) IS NOT FALSE;
