#!/usr/bin/env python3
"""SELECT on a terminal: tables that update in place, rows that scroll. Usage: live_test.py WEIR [TEST...]"""
import os
import signal

from terminal import Terminal
from weir_cli import main

GROUPS = """CREATE TABLE s (n bigint) WITH (connector = 'sequence', start = 1, end = '${END:-}', rate = '${RATE:-}');
SELECT n % ${KEYS:-3} AS g, 'k' || n % ${KEYS:-3} AS name, count(*) AS c, sum(n) AS total FROM s
GROUP BY n % ${KEYS:-3};
"""
ROWS = """CREATE TABLE s (n bigint) WITH (connector = 'sequence', start = 1, end = '${END:-}', rate = '${RATE:-}');
SELECT n, 'row ' || n AS text FROM s WHERE n % 2 = 0;
"""


def repaints(raw: str) -> int:
    return raw.count("\x1b[J")


def test_a_changing_result_updates_in_place_and_stands_at_the_end(c):
    c.write("q.sql", GROUPS)
    t = Terminal(c, "run", "q.sql", "--set", "END=3000", "--set", "RATE=1500", columns=120)
    seen = t.wait_for("3 rows · ")
    assert seen.text()[0].split() == ["g", "name", "c", "total"], seen.text()
    assert set(seen.text()[1]) == {"-", " "}
    # The table is painted over: there is one of it, however often it has changed.
    for _ in range(5):
        t.pump(0.2)
        text = t.screen().text()
        assert [line.split()[:2] for line in text[2:5]] == [["0", "k0"], ["1", "k1"], ["2", "k2"]], text
        assert len(text) == 6, text
    assert t.end() == 0
    text = t.screen().text()
    assert [line.split() for line in text[:5]] == [
        ["g", "name", "c", "total"], text[1].split(), ["0", "k0", "1000", "1501500"],
        ["1", "k1", "1000", "1499500"], ["2", "k2", "1000", "1500500"]], text
    assert text[5] == "(3 rows)", text
    assert text[6].startswith("job q finished: 3000 rows in"), text
    assert len(text) == 7, text
    assert t.is_restored()
    assert 2 <= repaints(t.raw) <= 40, repaints(t.raw)  # two seconds


def test_numbers_stand_to_the_right_and_rows_in_order(c):
    c.write("in.csv", "k,v\nbeta,5\nalpha,1000\n,7\nbeta,-20\n")
    c.write("q.sql", "CREATE TABLE t (k text, v int) WITH (connector = 'file', path = 'in.csv', format = 'csv', header = true);\n"
            "SELECT sum(v) AS s, k FROM t GROUP BY k")
    t = Terminal(c, "run", "q.sql")
    assert t.end() == 0
    assert t.screen().text()[:6] == ["   s  k", "----  -----", " -15  beta", "   7", "1000  alpha", "(3 rows)"]


def test_yaml_jobs_are_live_too(c):
    c.write("in.csv", "k,v\nb,2\na,1\nb,3\n")
    t = Terminal(c, "run", "count.yaml")
    assert t.end() == 0
    assert t.screen().text()[:5] == ["k  n  total", "-  -  -----", "a  1      1", "b  2      5", "(2 rows)"]


def test_order_by_orders_the_table(c):
    c.write("in.csv", "k,v\nbeta,5\nalpha,1000\n,7\nbeta,-20\ngamma,2\n")
    table = "CREATE TABLE t (k text, v int) WITH (connector = 'file', path = 'in.csv', format = 'csv', header = true);\n"
    for query, rows in (
            ("SELECT k, sum(v) AS s FROM t GROUP BY k ORDER BY s DESC", ["alpha  1000", "          7", "gamma     2", "beta    -15"]),
            ("SELECT k FROM t GROUP BY k ORDER BY sum(v)", ["beta", "gamma", "", "alpha"]),
            ("SELECT k, sum(v) AS s FROM t GROUP BY k ORDER BY s DESC LIMIT 2", ["alpha  1000", "          7"]),
            ("SELECT v FROM t ORDER BY v DESC", ["1000", "   7", "   5", "   2", " -20"])):  # append-only
        c.write("q.sql", table + query)
        t = Terminal(c, "run", "q.sql")
        assert t.end() == 0, t.screen().text()
        text = t.screen().text()
        assert text[2:2 + len(rows)] == rows and text[2 + len(rows)].startswith("("), text
    c.write("q.sql", table + "SELECT v FROM t ORDER BY v")
    assert "ORDER BY without LIMIT is not supported" in c.expect(2, "run", "q.sql").err


def test_as_many_rows_as_fit_and_how_many_more(c):
    c.write("q.sql", GROUPS)
    t = Terminal(c, "run", "q.sql", "--set", "KEYS=100", "--set", "RATE=3000", rows=10)
    screen = t.wait_for("94 rows more")
    lines = screen.text()
    assert len(lines) == 10 and lines[2].split()[0] == "0" and lines[7].split()[0] == "5", lines
    assert lines[9].startswith("100 rows · "), lines
    t.resize(20, 30)
    screen = t.wait_for("84 rows more")
    t.interrupt()
    assert t.end() == 130
    text = t.screen().text()
    assert "(100 rows)" in text, text
    assert t.is_restored()


def test_ctrl_c_leaves_the_table_and_the_terminal_as_it_was(c):
    c.write("q.sql", GROUPS)
    t = Terminal(c, "run", "q.sql", "--set", "RATE=1000")
    t.wait_for("3 rows · ")
    t.type("typed meanwhile")  # does not show
    t.pump(0.3)
    t.interrupt()
    assert t.end() == 130
    # What is logged on the way to the end stands above the table.
    text = [line for line in t.screen().text() if line != "weir: asked to stop"]
    assert [line.split()[0] for line in text[2:5]] == ["0", "1", "2"] and text[5] == "(3 rows)", text
    assert text[6].startswith("job q stopped: "), text
    assert "typed" not in "\n".join(text)
    assert t.is_restored()


def test_after_a_stop_the_table_is_painted_below(c):
    c.write("q.sql", GROUPS)
    t = Terminal(c, "run", "q.sql", "--set", "RATE=1000")
    t.wait_for("3 rows · ")
    t.process.send_signal(signal.SIGSTOP)
    t.pump(0.2)
    before = t.screen().text()
    os.write(t.slave, b"\nthe shell's\nown lines\n")
    t.process.send_signal(signal.SIGCONT)
    screen = t.wait_for(lambda s: len(s.text()) > len(before) + 5)
    assert screen.text()[:len(before) + 2] == before + ["the shell's", "own lines"], screen.text()
    t.interrupt()
    assert t.end() == 130 and t.is_restored()


def test_a_failure_leaves_the_terminal_as_it_was(c):
    c.write("q.sql", GROUPS.replace("count(*)", "sum(1 / (400 - n))"))
    t = Terminal(c, "run", "q.sql", "--set", "RATE=1000")
    assert t.end() == 1
    assert "division by zero" in " ".join(t.screen().text()), t.screen().text()
    assert t.is_restored()


def test_append_only_rows_scroll_above_the_line_about_the_run(c):
    c.write("q.sql", ROWS)
    t = Terminal(c, "run", "q.sql", "--set", "END=60", "--set", "RATE=40", rows=10)
    t.wait_for(lambda s: len(s.text()) > 14 and " rows · " in s.text()[-1])
    assert t.end() == 0
    text = t.screen().text()
    assert text[0].split() == ["n", "text"]
    assert [line.split() for line in text[2:32]] == [[str(n), "row", str(n)] for n in range(2, 61, 2)], text
    assert text[32] == "(30 rows)" and text[33].startswith("job q finished"), text


def test_the_line_below_has_rate_and_watermark(c):
    c.write("in.csv", "t\n" + "".join(f"2013-01-01 {h:02}:{m:02}:00\n" for h in range(24) for m in range(60)))
    c.write("q.sql", "CREATE TABLE t (t timestamp) WITH (connector = 'file', path = 'in.csv', format = 'csv', header = true, "
            "event_time = 't', rate = 600);\n"
            "SELECT window_start, count(*) AS n FROM TUMBLE(t, t, INTERVAL '1 hour') GROUP BY window_start")
    t = Terminal(c, "run", "q.sql", "-p", "1")
    screen = t.wait_for(lambda s: s.text() and "watermark 2013-01-01 1" in s.text()[-1] and "/s · " in s.text()[-1])
    hours = int(screen.text()[-1].split("2013-01-01 ")[1][:2])
    # Windows are complete when the watermark has passed their end.
    assert abs(len(screen.text()) - 3 - hours) <= 2 and screen.text()[2] == "2013-01-01 00:00:00  60", screen.text()
    assert t.end() == 0
    assert "(24 rows)" in t.screen().text()


def test_many_appended_rows_all_show_once(c):
    c.write("q.sql", ROWS)
    t = Terminal(c, "run", "q.sql", "--set", "END=60000", "--quiet", "-p", "1")
    assert t.end() == 0
    text = t.raw.split("\r\n")
    assert [line.split() for line in text[2:30002]] == [[str(n), "row", str(n)] for n in range(2, 60001, 2)]
    assert text[30002] == "(30,000 rows)", text[30002:]


def test_cells_cannot_steer_the_terminal(c):
    c.write("q.sql", "SELECT E'a\\x1b[2Jb\\nc\\t' AS x, 'Ünïcode 漢字' AS y")
    t = Terminal(c, "run", "q.sql")
    assert t.end() == 0
    assert "a\\x1b[2Jb\\nc\\t  Ünïcode 漢字" in t.screen().text()[2], t.screen().text()


def test_long_lines_are_cut_while_the_table_is_live(c):
    c.write("q.sql", GROUPS.replace("'k' ||", "repeat('long ', 30) ||"))
    t = Terminal(c, "run", "q.sql", "--set", "RATE=1000", columns=40)
    text = t.wait_for("3 rows · ").text()
    assert len(text) == 6 and all(len(line) <= 39 for line in text) and text[2].endswith("…"), text
    t.interrupt()
    assert t.end() == 130


def test_colour_unless_no_color(c):
    c.write("q.sql", GROUPS)
    t = Terminal(c, "run", "q.sql", "--set", "END=10", environment={"NO_COLOR": ""})
    assert t.end() == 0 and t.screen().colours > 0
    t = Terminal(c, "run", "q.sql", "--set", "END=10")
    assert t.end() == 0 and t.screen().colours == 0


def test_dumb_terminals_formats_and_pipes_stay_as_they_are(c):
    c.write("q.sql", GROUPS)
    one = ("run", "q.sql", "--set", "END=1", "-p", "1")
    t = Terminal(c, *one, "--quiet", environment={"TERM": "dumb"})
    assert t.end() == 0
    assert t.raw == "op  g  name  c  total\r\n--  -  ----  -  -----\r\n+   1  k1    1  1\r\n", t.raw
    t = Terminal(c, *one, "--quiet", "-o", "csv")
    assert t.end() == 0
    assert t.raw == "op,g,name,c,total\r\n+,1,k1,1,1\r\n", t.raw
    t = Terminal(c, *one, "--quiet", "--final")
    assert t.end() == 0
    assert t.raw == "g  name  c  total\r\n-  ----  -  -----\r\n1  k1    1  1\r\n", t.raw
    assert c.expect(0, *one).out == "op,g,name,c,total\n+,1,k1,1,1\n"


def test_a_continued_job_shows_the_table_that_stands(c):
    c.write("q.sql", GROUPS)
    slow = ("run", "q.sql", "--set", "RATE=2000", "--set", "END=6000", "--data-dir", "data",
            "--snapshot-interval", "100ms")
    t = Terminal(c, *slow)
    t.wait_for("3 rows · ")
    c.wait_for_epoch("data", 4)
    t.interrupt()
    assert t.end() == 130
    assert "the same command continues from epoch" in "\n".join(t.screen().text())
    t = Terminal(c, *slow)
    assert t.end() == 0
    rows = [line.split() for line in t.screen().text()[2:5]]
    assert rows == [["0", "k0", "2000", "6003000"], ["1", "k1", "2000", "5999000"],
                    ["2", "k2", "2000", "6001000"]], t.screen().text()


if __name__ == "__main__":
    main(globals())
