#!/usr/bin/env python3
"""SQL jobs as a user meets them. Usage: sql_test.py WEIR [TEST...]"""
import json
import os
import subprocess
import time

from weir_cli import main, published, sums

TABLE = "CREATE TABLE t (k text, v int) WITH (connector = 'file', path = 'in.csv', format = 'csv', header = true);\n"
NUMBERS = """CREATE TABLE numbers (n bigint)
  WITH (connector = 'sequence', start = 1, end = ${END:-1000000000}, rate = '${RATE:-}');
CREATE TABLE out (g bigint, c bigint, total numeric(38, 0))
  WITH (connector = 'file', path = 'out', format = 'csv', emit = 'final');
"""
SUMS = "INSERT INTO out SELECT n % 10, count(*), sum(n) FROM numbers GROUP BY n % 10;\n"


def test_the_name_says_what_a_job_file_is(c):
    c.write("in.csv", "k,v\na,1\n")
    c.write("job.SQL", TABLE + "SELECT v FROM t")
    assert c.expect(0, "run", "job.SQL").out == "v\n1\n"
    c.write("job.txt", TABLE)
    for verb in ("run", "lint", "plan"):
        assert "job.txt: its name tells what it is: .sql, or .yaml and .yml" in c.expect(2, verb, "job.txt").err


def test_parallelism_goes_as_far_as_in_the_script(c):
    c.write("in.csv", "k,v\na,1\n")
    c.write("job.sql", TABLE + "SELECT k, sum(v) AS total FROM t GROUP BY k")
    assert "parallelism 200 is over the 128 key groups; lower it, or set key_groups higher" in c.expect(2, "plan", "job.sql", "-p", "200").err
    c.write("job.sql", "SET key_groups = 512;\n" + TABLE + "SELECT k, sum(v) AS total FROM t GROUP BY k")
    assert "parallelism 200" in c.expect(0, "plan", "job.sql", "-p", "200").out
    c.expect(2, "plan", "job.sql", "-p", "4097")


CHANGES = """CREATE TABLE t (id int, k text, v int, PRIMARY KEY (id)) WITH (connector = 'file', path = 'in.json', format = 'debezium_json'%s);
CREATE TABLE out (k text, n bigint) WITH (connector = 'file', path = 'out', format = 'csv', emit = 'final');
"""


def row(i, k, v):
    return {"id": i, "k": k, "v": v}


def test_rows_that_are_taken_back_and_never_came_end_the_job_once(c):
    changes = [(None, row(1, "a", 1)), (row(77, "q", 5), None)]
    c.write("in.json", "".join(json.dumps({"before": b, "after": a, "op": "c" if a else "d"}) + "\n" for b, a in changes))
    again = "was taken back more often than it came: a table that is read has changes of rows that are not there"
    for query, what in (("SELECT * FROM t", "the row 77,q,5 "), ("SELECT DISTINCT k FROM t", "the row (q) "), ("SELECT k, count(*) FROM t GROUP BY k", "a row of the group (q) "),
                        ("SELECT count(*) FROM t WHERE id > 1", "a row "), ("INSERT INTO out SELECT k, v FROM t", "the row (q,5) ")):
        c.write("job.sql", CHANGES % "" + query)
        failed = c.expect(1, "run", "job.sql", "--final")
        assert what + again in failed.err and "restart 1 of" not in failed.err, failed.err


def test_keyed_changes_count_by_their_key(c):
    a, b = row(1, "a", 1), row(1, "b", 2)
    changes = [(None, a), (row(77, "q", 5), None), (None, a), (a, b), (row(2, "?", 0), row(2, "c", 3)), (row(3, "x", 1), row(4, "x", 9)), (row(4, "other", 0), None)]
    c.write("in.json", "".join(json.dumps({"before": b, "after": a, "op": "u" if a and b else "c" if a else "d"}) + "\n" for b, a in changes))
    for parallelism in ("1", "3"):
        c.write("job.sql", CHANGES % ", keyed = true" + "SELECT count(*) AS n, sum(v) AS s, min(k) || max(k) AS k FROM t")
        assert c.expect(0, "run", "job.sql", "--final", "-p", parallelism).out == "n,s,k\n2,5,bc\n"
    for options, why in ((", keyed = true, split_size = '1MB'", "option split_size: a file of a keyed table is read as a whole"),
                         (", keyed = true, lookup = true", "option keyed has no meaning for a table that is looked up")):
        c.write("job.sql", CHANGES % options + "SELECT count(*) FROM t")
        assert why in c.expect(2, "run", "job.sql").err
    c.write("job.sql", (CHANGES % ", keyed = true").replace(", PRIMARY KEY (id)", "") + "SELECT count(*) FROM t")
    assert 'table "t": option keyed needs a PRIMARY KEY' in c.expect(2, "run", "job.sql").err
    c.write("job.sql", (CHANGES % ", keyed = true").replace("debezium_json", "json") + "SELECT count(*) FROM t")
    assert "option keyed is of tables of format debezium_json, but the format is json" in c.expect(2, "run", "job.sql").err


def test_a_select_shows_changes_or_what_stands_at_the_end(c):
    c.write("in.csv", "k,v\na,1\nb,2\na,3\n")
    c.write("job.sql", TABLE + "SELECT k, sum(v) AS total FROM t GROUP BY k")
    head, *rows = c.expect(0, "run", "job.sql", "-p", "1").out.splitlines()
    assert head == "op,k,total" and {r[0] for r in rows} <= {"+", "-"}, rows
    stands = {}
    for op, k, total in (r.split(",") for r in rows):
        stands[(k, total)] = stands.get((k, total), 0) + (1 if op == "+" else -1)
    assert {r for r, n in stands.items() if n} == {("a", "4"), ("b", "2")}
    assert sorted(c.expect(0, "run", "job.sql", "--final").out.splitlines()[1:]) == ["a,4", "b,2"]
    got = [json.loads(r) for r in c.expect(0, "run", "job.sql", "--final", "-o", "json").out.splitlines()]
    assert sorted(got, key=lambda r: r["k"]) == [{"k": "a", "total": 4}, {"k": "b", "total": 2}]


def test_a_column_named_op_is_none_of_the_change(c):
    c.write("in.csv", "k,v\na,1\n")
    c.write("job.sql", TABLE + "SELECT k AS op, count(*) AS op_2 FROM t GROUP BY k")
    assert c.expect(0, "run", "job.sql", "-o", "json").out == '{"op":"+","op_3":"a","op_2":1}\n'
    assert c.expect(0, "run", "job.sql").out == "op,op_3,op_2\n+,a,1\n"
    assert c.expect(0, "run", "job.sql", "-o", "table").out.split() == "op op_3 op_2 -- ---- ---- + a 1".split()
    assert c.expect(0, "run", "job.sql", "--final").out == "op,op_2\na,1\n"
    c.write("job.sql", TABLE + "SELECT k AS op, v FROM t")
    assert c.expect(0, "run", "job.sql", "-o", "json").out == '{"op":"a","v":1}\n'


def test_errors_say_where_and_what(c):
    c.write("bad.sql", TABLE + "SELECT kk FROM t WHERE v > 'x';\nSELEC 1;\n")
    for verb in ("lint", "run", "plan"):
        err = c.expect(2, verb, "bad.sql").err
        assert 'bad.sql:2:8: error: column "kk" does not exist; did you mean "k"?\n' in err, err
        assert "   2 | SELECT kk FROM t WHERE v > 'x';\n     |        ^\n" in err, err
        assert "bad.sql:2:28: error: invalid input syntax for type integer" in err, err
        assert 'bad.sql:3:1: error: syntax error at or near "SELEC"' in err, err


def test_what_a_job_wrote_is_read_back_by_its_folder(c):
    table = "CREATE TABLE x (n bigint, k text) WITH (connector = 'file', path = 'out/x', format = '%s');\n"
    for form in ("csv", "json", "debezium_json"):
        c.write("write.sql", table % form + "CREATE TABLE s (n bigint) WITH (connector = 'sequence', start = 1, end = 5000);\n"
                "INSERT INTO x SELECT n, CASE WHEN n % 3 > 0 THEN 'a,\"' || n END FROM s;")
        c.expect(0, "run", "write.sql", "-p", "2")
        c.write("out/x/.part-unfinished.inprogress", "nothing that could be read")
        c.write("read.sql", table % form + "SELECT count(*), sum(n), count(DISTINCT k), min(k) FROM x")
        assert c.expect(0, "run", "read.sql", "--final", "-p", "2").out.splitlines()[1] == (
            '5000,12502500,3334,"a,""1"'), form
        c.write("again.sql", table % form + "INSERT INTO x SELECT n + 1, k FROM x WHERE n > 4")
        err = c.expect(2, "run", "again.sql").err
        assert "again.sql:1:61: error: the job reads and writes the folder of option path, whose files are " in err, err
    c.write("look.sql", table % "csv" + "CREATE TABLE e (k text, v int) WITH (connector = 'file', path = 'e', "
            "format = 'csv', lookup = true);\nSELECT count(*), count(v) FROM x JOIN e USING (k)")
    (c.dir / "e").mkdir()
    c.write("write.sql", table % "csv" + "INSERT INTO x VALUES (1, 'a'), (2, 'b')")
    c.expect(0, "run", "write.sql")
    assert c.expect(0, "run", "look.sql", "--final").out.splitlines()[1] == "0,0"
    c.write("e/one.csv", "b,7\n")
    assert c.expect(0, "run", "look.sql", "--final").out.splitlines()[1] == "1,1"


def test_numbers_that_json_lacks_are_read_back(c):
    for form in ("csv", "json", "debezium_json"):
        table = ("CREATE TABLE x (f double precision, l double precision[]) "
                 f"WITH (connector = 'file', path = 'out/x', format = '{form}');\n")
        c.write("write.sql", table + "INSERT INTO x VALUES ('NaN', '{1,-Infinity}'), ('Infinity', NULL), (1.5, '{NaN}')")
        c.expect(0, "run", "write.sql")
        c.write("read.sql", table + "SELECT f, l FROM x")
        assert sorted(c.expect(0, "run", "read.sql", "--final").out.splitlines()) == [
            '1.5,{NaN}', 'Infinity,', 'NaN,"{1,-Infinity}"', 'f,l'], form


def test_a_reader_that_goes_ends_the_job_quietly(c):
    temporary = c.dir / "temporary"
    temporary.mkdir()

    def read_two(*arguments: str):
        process = subprocess.Popen([c.weir, *arguments], cwd=c.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**os.environ, "TMPDIR": str(temporary)})
        c.running.append(process)
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.stdout.close()
        began = time.time()
        err = process.stderr.read().decode()
        code = process.wait(timeout=30)
        assert code == 141 and time.time() - began < 20, (code, err)
        assert not list(temporary.iterdir())
        return lines, err

    endless = "CREATE TABLE s (n bigint) WITH (connector = 'sequence', start = 1, rate = %s);\n"
    c.write("fast.sql", endless % 100000 + "SELECT n FROM s")
    assert read_two("run", "fast.sql", "--quiet") == ([b"n\n", b"1\n"], "")
    # Nothing more is written: it ends all the same.
    c.write("slow.sql", endless % 1000 + "SELECT n FROM s WHERE n = 1")
    assert read_two("run", "slow.sql", "--quiet") == ([b"n\n", b"1\n"], "")
    lines, err = read_two("sql", "--quiet", "-c", endless % 100000 + "SELECT n FROM s; SELECT 1 / 0 AS never")
    assert err == "", err
    # Who reads what it writes elsewhere is told.
    c.write("two.sql", endless % 1000 + "CREATE TABLE o (n bigint) WITH (connector = 'file', path = 'o', format = 'csv');\n"
            "INSERT INTO o SELECT n FROM s; SELECT n FROM s WHERE n = 1")
    assert read_two("run", "two.sql", "--quiet")[1] == (
        "weir: job two ended before its input: nobody reads standard output any more\n")
    # A failure of its own is one.
    c.write("wrong.sql", "SELECT 1 / (n - n) AS x FROM generate_series(1, 3) AS n")
    assert "division by zero" in c.expect(1, "run", "wrong.sql").err


def test_a_bad_row_is_bad_whatever_a_query_reads(c):
    c.write("in.csv", "a,1,2\nb,x,2\nc,1,x\nd,3\n")
    table = ("CREATE TABLE t (k text, v int, w int, u int GENERATED ALWAYS AS (6 / (v - 3)) STORED) "
             "WITH (connector = 'file', path = 'in.csv', format = 'csv', on_error = '%s');\n")
    for query, rows in (("count(*)", "1"), ("count(*), sum(v)", "1,1"), ("count(k)", "1"), ("min(u)", "-3"),
                        ("(SELECT count(*) FROM t AS o WHERE o.v > 0)", "1"),
                        ("(SELECT count(*) FROM (SELECT v FROM t UNION ALL SELECT w FROM t) AS o)", "2"),
                        ("(SELECT count(*) FROM t AS a JOIN t AS b USING (k))", "1"),
                        ("(SELECT count(*) FROM (SELECT DISTINCT k FROM t ORDER BY k LIMIT 5) AS o)", "1")):
        c.write("job.sql", table % "skip" + f"SELECT {query} FROM t")
        assert c.expect(0, "run", "job.sql", "--final").out.splitlines()[1].split(",")[-1] == rows.split(",")[-1], query
    c.write("job.sql", table.replace("on_error", "dead_letter_path = 'bad', on_error") % "dead_letter" + "SELECT k FROM t")
    assert c.expect(0, "run", "job.sql").out == "k\na\n"
    assert sum(len(f.read_text().splitlines()) for f in (c.dir / "bad").glob("*")) == 3
    c.write("job.sql", table % "fail" + "SELECT k FROM t")
    c.write("in.csv", "a,1,2\nb,x,2\n")
    assert c.expect(0, "run", "job.sql").out == "k\na\nb\n"


def test_what_nothing_touches_is_forgotten_also_over_a_restart(c):
    c.write("in.csv", "a\nb\n")
    c.write("job.sql", "CREATE TABLE t (k text) WITH (connector = 'file', path = 'in.csv', format = 'csv',\n"
            "  follow = true, poll_interval = '20ms');\n"
            "CREATE TABLE out (k text) WITH (connector = 'file', path = 'out', format = 'csv');\n"
            "SET state_ttl = '3s';\nINSERT INTO out SELECT DISTINCT k FROM t")
    run = ("run", "job.sql", "--data-dir", "data", "--snapshot-interval", "100ms")

    def more(text: str, rows: list) -> None:
        with open(c.dir / "in.csv", "a") as f:
            f.write(text)
        for _ in range(100):
            if published(c.dir / "out") == rows:
                return
            time.sleep(0.05)
        raise AssertionError(f"{published(c.dir / 'out')} is not {rows}")

    process = c.start(*run)
    more("", ["a", "b"])
    process.terminate()
    assert process.wait(20) == 0
    process = c.start(*run)
    more("b\nc\n", ["a", "b", "c"])
    time.sleep(4)  # a quarter more than the time
    more("a\nb\nc\nc\n", ["a", "a", "b", "b", "c", "c"])
    process.terminate()
    assert process.wait(20) == 0


def test_a_table_that_is_looked_up_is_read_again(c):
    c.write("names.csv", "1,one\n2,two\n")
    c.write("in.csv", "1\n2\n3\n")
    c.write("job.sql", "CREATE TABLE t (n int) WITH (connector = 'file', path = 'in.csv', format = 'csv',\n"
            "  follow = true, poll_interval = '20ms');\n"
            "CREATE TABLE names (n int, name text) WITH (connector = 'file', path = 'names.csv', format = 'csv',\n"
            "  lookup = true, cache = '200ms');\n"
            "CREATE TABLE out (n int, name text) WITH (connector = 'file', path = 'out', format = 'csv');\n"
            "INSERT INTO out SELECT t.n, name FROM t LEFT JOIN names ON names.n = t.n AND name <> 'none'")
    run = ("run", "job.sql", "--data-dir", "data", "--snapshot-interval", "100ms", "-p", "2")
    assert "look up (left join) n = n" in c.expect(0, "plan", "job.sql").out

    def more(text: str, rows: list) -> None:
        with open(c.dir / "in.csv", "a") as f:
            f.write(text)
        for _ in range(200):
            if published(c.dir / "out") == rows:
                return
            time.sleep(0.05)
        raise AssertionError(f"{published(c.dir / 'out')} is not {rows}")

    process = c.start(*run)
    more("", ["1,one", "2,two", "3,"])
    c.write("new.csv", "3,three\n2,none\n")
    (c.dir / "new.csv").rename(c.dir / "names.csv")
    time.sleep(1.5)
    more("3\n2\n", ["1,one", "2,", "2,two", "3,", "3,three"])
    process.kill()
    process.wait()
    process = c.start(*run)
    more("3\n", ["1,one", "2,", "2,two", "3,", "3,three", "3,three"])
    process.terminate()
    assert process.wait(20) == 0


def test_a_changed_script_keeps_the_state_of_what_did_not_change(c):
    c.write("job.sql", NUMBERS + SUMS)
    slow = ("--set", "RATE=20000", "--set", "END=30000", "--data-dir", "data", "--snapshot-interval", "100ms")
    process = c.start("run", "job.sql", *slow)
    c.wait_for_epoch("data", 3)
    process.terminate()
    assert process.wait(20) == 0
    # Another statement in front, and a reader more of the same source.
    c.write("job.sql", NUMBERS + "CREATE TABLE odd (n bigint) WITH (connector = 'blackhole');\n"
            "INSERT INTO odd SELECT n FROM numbers WHERE n % 2 = 1;\n" + SUMS)
    err = c.expect(0, "run", "job.sql", *slow).err
    assert "lost" not in err, err
    assert published(c.dir / "out") == sums(30000)


def test_a_script_says_how_often_snapshots_are_taken(c):
    c.write("job.sql", "SET snapshot_interval = '100ms';\n" + NUMBERS + SUMS)
    c.expect(0, "run", "job.sql", "--set", "RATE=10000", "--set", "END=10000", "--data-dir", "data")
    assert c.epochs("data")[-1] >= 5  # in a second; by default there would be one and the last
    assert published(c.dir / "out") == sums(10000)


if __name__ == "__main__":
    main(globals())
