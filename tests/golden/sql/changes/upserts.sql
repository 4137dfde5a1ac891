-- The newest row of each key stands.
SELECT place, item, n FROM shelves;
