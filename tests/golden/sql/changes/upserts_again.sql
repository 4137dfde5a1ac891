-- output: out/shelves
-- postgres: SELECT place, item, n FROM shelves WHERE n > 2
CREATE TABLE kept (place text, item text, n int) WITH (connector = 'file', path = 'out/shelves', format = 'csv', emit = 'final');
INSERT INTO kept SELECT place, item, n FROM shelves WHERE n > 2;
