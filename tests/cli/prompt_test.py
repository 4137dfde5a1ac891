#!/usr/bin/env python3
"""weir sql: the prompt, pipes, -c. Usage: prompt_test.py WEIR [TEST...]"""
import json
import os
import time

from terminal import Terminal
from weir_cli import main, published

TABLE = ("CREATE TABLE t (k text, v int) WITH (connector = 'file', path = 'in.csv', format = 'csv', "
         "header = true);\n")
ENDLESS = "CREATE TABLE s (n bigint) WITH (connector = 'sequence', start = 1, rate = 1000);\n"


def prompt(c, *arguments, **more) -> Terminal:
    c.write("in.csv", "k,v\na,1\nb,2\na,3\n")
    t = Terminal(c, "sql", *arguments, rows=30, columns=90, **more)
    t.wait_for("weir>")
    return t


def say(t: Terminal, text: str, answer="") -> list:
    """Types a line, waits for the answer and the next prompt; returns what stands below the line."""
    before = len([line for line in t.screen().text() if line.startswith("weir>")])
    t.type(text + "\n")
    screen = t.wait_for(lambda s: s.text()[-1] == "weir>" and answer in "\n".join(s.text()) and
                        len([line for line in s.text() if line.startswith("weir>")]) > before)
    lines = screen.text()[:-1]
    last = max(i for i, line in enumerate(lines) if line.startswith(("weir>", "   ->")))
    return lines[last + 1:]


def leave(t: Terminal) -> None:
    t.type("\\q\n")
    assert t.end() == 0
    assert t.is_restored()


def test_statements_are_kept_and_queries_run_over_them(c):
    t = prompt(c)
    t.type("CREATE TABLE t (k text,\n")
    t.wait_for("   ->")
    assert say(t, "v int) WITH (connector = 'file', path = 'in.csv', format = 'csv', header = true);",
               "CREATE TABLE\n") == ["CREATE TABLE"]
    assert say(t, "CREATE VIEW w AS SELECT k, sum(v) AS total FROM t GROUP BY k;") == ["CREATE VIEW"]
    assert say(t, "SELECT * FROM w;", "rows)") == ["k  total", "-  -----", "a      4", "b      2", "(2 rows)"]
    assert say(t, "SELECT v FROM t WHERE v > 1; SELECT 7 AS x;", "(1 row)") == [
        "v", "-", "2", "3", "(2 rows)", "x", "-", "7", "(1 row)"]
    assert say(t, "EXPLAIN SELECT * FROM w;", "hash by k")[0].startswith("job "), t.screen().text()
    assert say(t, "\\d") == ["name  kind   connector  columns", "t     table  file       2",
                             "w     view              2"]
    assert say(t, "\\d w") == ["column  type    note", "k       text", "total   bigint"]
    assert say(t, "DROP VIEW w;") == ["DROP VIEW"]
    assert say(t, "\\d w", "(\\d shows all)")[0].startswith('weir: there is no table or view "w"')
    leave(t)


def test_errors_have_a_caret_and_the_session_goes_on(c):
    t = prompt(c)
    say(t, TABLE.strip())
    t.type("SELECT k,\n")
    t.wait_for("   ->")
    assert say(t, "  vv FROM t;", "did you mean") == [
        'statement:2:3: error: column "vv" does not exist; did you mean "v"?', "   2 |   vv FROM t", "     |   ^"]
    assert say(t, "SELEC 1;", "syntax error")[0].startswith("statement:1:1: error: syntax error")
    assert say(t, "\\timng", "shows all") == [
        'weir: there is no command \\timng; did you mean "\\timing"? (\\? shows all)']
    assert say(t, "SELECT 1 / (v - 1) AS x FROM t;", "division by zero")
    assert say(t, "SELECT count(*) AS n FROM t;", "(1 row)") == ["n", "-", "3", "(1 row)"]
    leave(t)


def test_ctrl_c_ends_the_query_only(c):
    t = prompt(c)
    say(t, ENDLESS.strip())
    t.type("SELECT n % 2 AS g, count(*) AS c FROM s GROUP BY 1;\n")
    t.wait_for("2 rows · ")
    t.interrupt()
    screen = t.wait_for(lambda s: s.text()[-1] == "weir>")
    assert "(2 rows)" in screen.text(), screen.text()
    # At the prompt it gives the statement up.
    t.type("SELECT 1 +\nnonsense")
    t.wait_for("nonsense")
    t.interrupt()
    t.wait_for(lambda s: s.text()[-1] == "weir>")
    assert say(t, "SELECT 2 AS two;", "(1 row)") == ["two", "---", "  2", "(1 row)"]
    # Of an empty line there is nothing to give up, and the session's tables stay.
    for typed in ("", "SELECT 1 +\n"):
        seen = t.raw.count("^C")
        t.type(typed)
        if typed:
            t.wait_for(lambda s: s.text()[-1] == "   ->")
        t.interrupt()
        t.wait_for(lambda s: t.raw.count("^C") > seen and s.text()[-1] == "weir>")
    assert say(t, "\\d s", "n       bigint")[:2] == ["column  type    note", "n       bigint"]
    leave(t)


def test_insert_runs_until_it_is_done_or_interrupted(c):
    t = prompt(c)
    say(t, TABLE.strip())
    say(t, "CREATE TABLE o (k text, v int) WITH (connector = 'file', path = 'out', format = 'csv');")
    lines = say(t, "INSERT INTO o SELECT k, v * 10 FROM t;", "INSERT: ")
    assert lines[-1].startswith("INSERT: job ") and "3 rows" in lines[-1], lines
    assert published(c.dir / "out") == ["a,10", "a,30", "b,20"]
    say(t, ENDLESS.strip())
    say(t, "CREATE TABLE hole (n bigint) WITH (connector = 'blackhole');")
    t.type("INSERT INTO hole SELECT n FROM s;\n")
    t.wait_for("rows/s")
    t.interrupt()
    t.wait_for(lambda s: s.text()[-1] == "weir>")
    assert say(t, "SELECT 1 AS x;", "(1 row)")[-1] == "(1 row)"
    leave(t)


def test_what_is_pasted_runs_in_order(c):
    t = prompt(c)
    t.type("CREATE TABLE s (n bigint)\n  WITH (connector = 'sequence', end = 600, rate = 1500);\n"
           "SELECT n % 2 AS g, count(*) AS c\nFROM s GROUP BY 1;\n"
           "SELECT 'ünï' AS x;\nSELECT 2 AS y; SELECT 3 AS z;\n\\d\n")
    text = t.wait_for(lambda s: s.text() and s.text()[-1] == "weir>" and "s     table" in "\n".join(s.text())).text()
    shown = [line for line in text if not line.startswith(("weir", "   ->"))]
    assert shown == ["CREATE TABLE", "g    c", "-  ---", "0  300", "1  300", "(2 rows)", "x", "---", "ünï", "(1 row)",
                     "y", "-", "2", "(1 row)", "z", "-", "3", "(1 row)",
                     "name  kind   connector  columns", "s     table  sequence   1"], shown
    # Editing: characters of several bytes, the line's begin and end.
    t.type("ü漢\x7f\x7f\x01SELECT 5 AS five\x05;\n")
    t.wait_for(lambda s: "five\n----\n   5" in "\n".join(s.text()) and s.text()[-1] == "weir>")
    leave(t)


def test_tab_completes_keywords_tables_columns_and_commands(c):
    t = prompt(c)
    say(t, "CREATE TABLE flights (carrier text, origin text, dep_delay int) WITH (connector = 'stdin');")

    def completed(typed: str, wanted: str, attempts: int = 3) -> None:
        t.type(typed)
        try:
            t.wait_for(lambda s: s.text()[-1] == wanted, 10)
        except AssertionError:
            # Typed between two prompts, on a busy machine: the terminal itself showed it as well.
            if attempts == 1:
                raise
            t.interrupt()
            t.wait_for(lambda s: s.text()[-1] == "weir>")
            return completed(typed, wanted, attempts - 1)
        t.interrupt()
        t.wait_for(lambda s: s.text()[-1] == "weir>")

    completed("sel\t", "weir> select")
    completed("SEL\tcarr\t", "weir> SELECT carrier")
    completed("SELECT * FROM fl\t", "weir> SELECT * FROM flights")
    completed("SELECT * FROM flights WHERE dep\t< 5", "weir> SELECT * FROM flights WHERE dep_delay < 5")
    completed("SELECT flights.or\t", "weir> SELECT flights.origin")
    completed("\\ti\t", "weir> \\timing")
    completed("\\d fl\t", "weir> \\d flights")
    c.write("dir/file.sql", "SELECT 1;")
    completed("\\i di\tf\t", "weir> \\i dir/file.sql")
    t.type("SELECT coun\t(*), co\t")  # several: they are listed
    t.wait_for(lambda s: all(n in "\n".join(s.text()) for n in ("concat", "coalesce")) and
               s.text()[-1].startswith("weir> SELECT count"))
    t.interrupt()
    leave(t)


def test_history_is_kept_from_session_to_session(c):
    t = prompt(c)
    t.type("SELECT 41 +\n")
    t.wait_for("   ->")
    say(t, "  1 AS answer;", "(1 row)")
    leave(t)
    path = c.dir / ".weir_history"
    assert path.exists() and path.stat().st_mode & 0o077 == 0
    t = prompt(c)
    t.type("\x1b[A\x1b[A")  # past \q
    t.wait_for(lambda s: s.text()[-1] == "weir> SELECT 41 + 1 AS answer;")
    assert say(t, "", "(1 row)")[-2:] == ["    42", "(1 row)"]
    leave(t)
    t = prompt(c, "--no-history")
    t.type("\x1b[A")
    t.pump(0.3)
    t.wait_for(lambda s: s.text()[-1] == "weir>")
    say(t, "SELECT 99 AS secret;", "(1 row)")
    leave(t)
    assert "secret" not in path.read_text()
    t = prompt(c, environment={"XDG_STATE_HOME": str(c.dir / "state")})
    say(t, "SELECT 5 AS five;", "(1 row)")
    leave(t)
    assert "five" in (c.dir / "state/weir/history").read_text() and "five" not in path.read_text()


def test_end_of_input_and_sigterm_end_it(c):
    t = prompt(c)
    t.type("\x04")
    assert t.end() == 0 and t.is_restored()
    t = prompt(c)
    t.process.terminate()
    assert t.end() == 0 and t.is_restored()
    t = prompt(c)
    say(t, ENDLESS.strip())
    t.type("SELECT count(*) AS n FROM s;\n")
    t.wait_for("1 row · ")
    t.process.terminate()
    assert t.end() == 0 and t.is_restored()


def test_files_come_before_the_prompt_and_timing_is_shown(c):
    c.write("sub/defs.sql", TABLE.replace("in.csv", "here.csv"))
    c.write("sub/here.csv", "k,v\nz,26\n")
    t = prompt(c, "sub/defs.sql")
    say(t, "\\timing", "Timing is on.")
    lines = say(t, "SELECT v FROM t;", "Time: ")
    assert lines[:4] == [" v", "--", "26", "(1 row)"] and lines[4].startswith("Time: "), lines
    c.write("more.sql", "CREATE VIEW w AS\n SELECT v + 1 AS next FROM t;\n\\i bad.sql\nSELECT 1 AS never;")
    c.write("bad.sql", "\n\nSELECT nope FROM w;")
    lines = say(t, "\\i more.sql", "nope")
    assert any(line.startswith('bad.sql:3:8: error: column "nope"') for line in lines), lines
    assert "never" not in "\n".join(lines)
    assert say(t, "SELECT * FROM w;", "27")[:4] == ["next", "----", "  27", "(1 row)"]
    leave(t)


def test_a_pipe_is_run_statement_by_statement(c):
    c.write("in.csv", "k,v\na,1\nb,2\na,3\n")
    done = c.run("sql", stdin=(TABLE + "SELECT k\n  FROM t WHERE v = 2;\n\\d\nSELECT v FROM t WHERE v = 3").encode())
    assert done.returncode == 0 and done.err == "", done.err
    assert done.out == "k\nb\nname,kind,connector,columns\nt,table,file,2\nv\n3\n", done.out
    done = c.run("sql", stdin=(TABLE + "\nSELECT 1 AS a; SELECT\n  b FROM t;\nSELECT 3 AS c;").encode())
    assert done.returncode == 1 and done.out == "a\n1\n", done.out
    assert 'stdin:4:3: error: column "b" does not exist' in done.err, done.err
    assert "   4 |   b FROM t\n     |   ^" in done.err, done.err
    done = c.run("sql", stdin=b"CREATE TABLE i (x int) WITH (connector = 'stdin');\nSELECT * FROM i;")
    assert done.returncode == 1 and "statements come from standard input" in done.err, done.err
    assert c.run("sql", stdin=b"").returncode == 0


def test_commands_on_the_command_line(c):
    c.write("in.csv", "k,v\na,1\nb,2\na,3\n")
    c.write("defs.sql", TABLE)
    query = "SELECT k, sum(v) AS s FROM t WHERE v < ${MAX} GROUP BY k"
    done = c.expect(0, "sql", "defs.sql", "-c", query, "--final", "-o", "json", "--set", "MAX=3")
    assert sorted(done.out.splitlines()) == ['{"k":"a","s":1}', '{"k":"b","s":2}'], done.out
    done = c.expect(0, "sql", "-c", TABLE, "-c", "SELECT v FROM t WHERE k = 'b'", "-c", "\\d t")
    assert done.out == "v\n2\ncolumn,type,note\nk,text,\nv,int,\n", done.out
    done = c.expect(1, "sql", "-c", "SELECT 1 AS one; SELECT x; SELECT 2 AS two")
    assert done.out == "one\n1\n" and "-c:1:25: error" in done.err, (done.out, done.err)
    assert c.expect(1, "sql", "none.sql").err == "weir: file none.sql cannot be opened\n"
    # Data may come from standard input where statements do not.
    done = c.run("sql", "-c", "CREATE TABLE i (x int) WITH (connector = 'stdin', format = 'csv'); SELECT x + 1 AS y FROM i",
                 stdin=b"1\n2\n")
    assert done.out == "y\n2\n3\n", done.out + done.err
    done = c.expect(0, "sql", "defs.sql", "-c",
                    "CREATE TABLE o WITH (connector = 'file', path = 'out', format = 'json') AS SELECT v FROM t; "
                    "DROP TABLE t; \n\\d")
    assert c.expect(0, "sql", "defs.sql", "-c", "show tables; DESCRIBE t").out == (
        "name,kind,connector,columns\nt,table,file,2\ncolumn,type,note\nk,text,\nv,int,\n")
    assert "o,table,file,1\n" in done.out and "t,table" not in done.out, done.out
    # What was written is a table that can be read.
    done = c.expect(0, "sql", "-c", "CREATE TABLE x WITH (connector = 'file', path = 'out/x', format = 'csv') AS "
                    "SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL; SELECT * FROM x; "
                    "CREATE TABLE y WITH (connector = 'file', path = 'out/y', format = 'json', partition_by = 'a') AS "
                    "SELECT a, b FROM x; SELECT a, b FROM y WHERE a = 1; "
                    "CREATE TABLE z WITH (connector = 'file', path = 'out/z', format = 'csv') AS "
                    "SELECT a FROM x WHERE a > 2; SELECT a FROM z;")
    assert sorted(done.out.splitlines()) == ["1,x", "1,x", "2,", "a", "a,b", "a,b"], done.out


def test_sigint_ends_a_script(c):
    c.write("in.csv", "")
    process = c.start("sql", "-c", ENDLESS + "SELECT n FROM s; SELECT 1 AS never")
    assert process.stdout.readline() == b"n\n"
    process.send_signal(2)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and b"never" not in out, err


if __name__ == "__main__":
    main(globals())
