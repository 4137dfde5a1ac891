SELECT id, weights[1] AS first, cardinality(weights) AS n, weights || 7 AS more, 'red' = ANY (tags) AS red, tags[2:] AS rest
FROM parcels;
