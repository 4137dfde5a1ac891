-- postgres: SELECT w, count(*), sum(n), s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16, s17, s18, s19, s20, s21, s22, s23, s24, s25, s26, s27, s28, s29, s30, s31, s32, s33, s34, s35, s36 FROM readings LEFT JOIN LATERAL generate_series(date_bin('20 minutes', at, '1970-01-01') - interval '20 minutes', at, '20 minutes') AS w ON true WHERE at IS NULL OR (w <= at AND w + interval '40 minutes' > at) GROUP BY w, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16, s17, s18, s19, s20, s21, s22, s23, s24, s25, s26, s27, s28, s29, s30, s31, s32, s33, s34, s35, s36
-- Groups of 38 columns.
SELECT window_start AS w, count(*) AS c, sum(n) AS s,
  s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16, s17, s18, s19, s20, s21, s22, s23, s24, s25,
  s26, s27, s28, s29, s30, s31, s32, s33, s34, s35, s36
FROM HOP(readings, at, INTERVAL '20 minutes', INTERVAL '40 minutes') GROUP BY
  s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16, s17, s18, s19, s20, s21, s22, s23, s24, s25,
  s26, s27, s28, s29, s30, s31, s32, s33, s34, s35, s36, window_start, window_end;
