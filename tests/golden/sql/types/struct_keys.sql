-- A composite value is a key: field by field, NULL fields alike.
SELECT a.id, b.id AS other FROM parcels AS a JOIN parcels AS b ON a.dest < b.dest;
