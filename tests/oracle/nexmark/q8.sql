SELECT DISTINCT p.id, p.name, date_bin('10 seconds', p.date_time, '2000-01-01')
FROM person AS p
JOIN auction AS a
  ON a.seller = p.id AND date_bin('10 seconds', a.date_time, '2000-01-01') =
                         date_bin('10 seconds', p.date_time, '2000-01-01');
