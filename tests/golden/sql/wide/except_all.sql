SELECT * FROM readings EXCEPT ALL SELECT * FROM readings WHERE n > 1;
