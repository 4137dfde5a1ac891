-- output: out/parcels
-- postgres: none, it has no such file
CREATE TABLE copy (id int, weights int[], dest address) WITH (connector = 'file', path = 'out/parcels', format = 'json');
INSERT INTO copy SELECT id, weights, dest FROM parcels;
