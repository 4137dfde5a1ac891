SELECT (dest).city, count(*) AS n, min((dest).number) AS low FROM parcels GROUP BY (dest).city;
