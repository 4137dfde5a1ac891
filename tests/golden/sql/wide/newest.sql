-- The newest reading of each machine; those without a time come last.
SELECT DISTINCT ON (machine) * FROM readings ORDER BY machine, at DESC NULLS LAST, n;
