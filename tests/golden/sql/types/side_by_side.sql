SELECT id, unnest(weights) AS weight, unnest(tags) AS tag, generate_series(1, 2) AS n FROM parcels;
