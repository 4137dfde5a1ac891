-- ordered
SELECT * FROM readings ORDER BY machine DESC NULLS LAST, n, at LIMIT 6;
