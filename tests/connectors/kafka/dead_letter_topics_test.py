#!/usr/bin/env python3
"""Dead letters in topics of a real node: what they hold, and that each is there once whatever is
killed. Prints the seed of the kills.

Usage: dead_letter_topics_test.py WEIR [TEST...]
"""
import json
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cli"))
import kafka_jobs_test as jobs  # noqa: E402
import weir_cli  # noqa: E402
from topic_jobs_test import Node  # noqa: E402

LETTERS = "on_error = 'dead_letter', dead_letter_topic = 'dead'"


def produce(case, node, topic, records):
    case.expect(0, "topic", "produce", topic, "--format", "records", "--cluster",
                f"127.0.0.1:{node.http}",
                stdin="".join(json.dumps(r) + "\n" for r in records).encode())


def consume(case, node, topic="dead", *options):
    out = case.expect(0, "topic", "consume", topic, "-o", "json", *options, "--cluster",
                      f"127.0.0.1:{node.http}").out
    return [json.loads(line) for line in out.splitlines()]


def test_records_of_topics(case):
    """Records that cannot be read, and rows that cannot be computed: their bytes, keys and headers."""
    node = Node(case, "in:1", "out:1", "dead:1")
    produce(case, node, "in", [
        {"key": "a", "value": '{"n":1,"d":1}', "headers": {"trace": "t0"}},
        {"key": "b", "value": "no json", "headers": {"trace": "t1"}},
        {"key": "c", "value": '{"n":7,"d":0}', "headers": {"trace": "t2"}},
        {"value": {"base64": "//4A"}},
        {"key": "e", "value": '{"n":6,"d":3}'}])
    case.write("job.sql", f"""
CREATE TABLE t (n int, d int) WITH (connector = 'kafka', bootstrap = '${{KAFKA}}', topic = 'in',
  until = 'latest', {LETTERS});
CREATE TABLE out (q int) WITH (connector = 'kafka', bootstrap = '${{KAFKA}}', topic = 'out');
INSERT INTO out SELECT n / d FROM t;
""")
    done = case.expect(0, "run", "job.sql", *node.set)
    assert "3 dead letters" in done.err, done.err
    assert [r["value"] for r in consume(case, node, "out")] == ['{"q":1}', '{"q":2}']
    letters = {r["headers"]["weir.position"]: r for r in consume(case, node)}
    assert sorted(letters) == ["in/0:1", "in/0:2", "in/0:3"], letters
    first, second, third = (letters[f"in/0:{i}"] for i in (1, 2, 3))
    assert (first["key"], first["value"]) == ("b", "no json"), first
    assert first["headers"]["trace"] == "t1" and first["headers"]["weir.job"] == "job", first
    assert "JSON" in first["headers"]["weir.cause"], first
    assert first["headers"]["weir.time"].startswith("20") and "weir.row" not in first["headers"]
    # What the operator could not compute: the record as it came, and the row that it was by then.
    assert (second["key"], second["value"]) == ("c", '{"n":7,"d":0}'), second
    assert second["headers"]["trace"] == "t2" and "division by zero" in second["headers"]["weir.cause"]
    assert json.loads(second["headers"]["weir.row"]) == {"n": 7, "d": 0}, second
    assert second["headers"]["weir.operator"] != first["headers"]["weir.operator"], second
    assert third["key"] is None and third["value"] == {"base64": "//4A"}, third
    table = case.expect(0, "topic", "consume", "dead", "-o", "table", "--cluster",
                        f"127.0.0.1:{node.http}").out
    assert "weir.position: in/0:2\n" in table and "trace: t2\n" in table, table


def test_rows_of_files(case):
    """A file's lines go to the node's own topic, found by the cluster; positions are its lines'."""
    node = Node(case, "dead:2")
    case.write("in.csv", "a,b\n1,2\nx,3\n4,0\n" + "5,z\n")
    case.write("job.sql", f"""
CREATE TABLE t (a int, b int) WITH (connector = 'file', path = 'in.csv', format = 'csv',
  header = true, {LETTERS}, cluster = '127.0.0.1:{node.http}');
SELECT b, sum(a * 10 / b) AS s FROM t GROUP BY b;
""")
    out = case.expect(0, "run", "job.sql", "--final", "-o", "csv").out
    assert out.splitlines() == ["b,s", "2,5"], out
    letters = {r["value"]: r["headers"] for r in consume(case, node)}
    assert sorted(letters) == ["4,0", "5,z", "x,3"], letters
    assert letters["x,3"]["weir.position"] == "in.csv:3" or letters["x,3"]["weir.position"].endswith(
        "/in.csv:3"), letters
    assert letters["4,0"]["weir.position"].endswith("in.csv:4"), letters
    assert "division by zero" in letters["4,0"]["weir.cause"], letters


def test_behind_an_aggregate_and_from_stdin(case):
    """Where no row is one record's, the row itself is the letter."""
    node = Node(case, "dead:1")
    case.write("job.sql", f"""
CREATE TABLE t (g text, n int) WITH (connector = 'stdin', format = 'csv', {LETTERS},
  bootstrap = '{node.address}');
SELECT g, 100 / total AS q FROM (SELECT g, sum(n) AS total FROM t GROUP BY g) s;
""")
    out = case.expect(0, "run", "job.sql", "--final", "-o", "csv",
                      stdin=b"a,4\nb,0\nx,y\na,6\n").out
    assert out.splitlines() == ["g,q", "a,10"], out
    letters = consume(case, node)
    read = [r for r in letters if "weir.position" in r["headers"]]
    assert [r["value"] for r in read] == ["x,y"] and "3" in read[0]["headers"]["weir.position"], read
    behind = [r for r in letters if "weir.position" not in r["headers"]]
    assert behind and all(list(json.loads(r["value"]).values()) == ["b", 0] for r in behind), behind
    assert all("division by zero" in r["headers"]["weir.cause"] for r in behind), behind


def test_a_job_of_the_node(case):
    """A job that is submitted to the node means the node's own topics, for dead letters, too."""
    node = Node(case, "in:2", "dead:1")
    produce(case, node, "in", [{"value": v} for v in ("1", "x", "3", "y")])
    case.write("own.sql", f"""
CREATE TABLE t (n bigint) WITH (connector = 'topic', topic = 'in', format = 'csv', {LETTERS});
CREATE TABLE out (n bigint) WITH (connector = 'file', path = '{case.dir / "own"}', format = 'csv');
INSERT INTO out SELECT n FROM t;
""")
    where = ("--cluster", f"127.0.0.1:{node.http}")
    case.expect(0, "job", "submit", "own.sql", *where)
    deadline = time.monotonic() + 60
    while len(consume(case, node)) < 2:
        assert time.monotonic() < deadline, case.run("job", "describe", "own", *where).out
        time.sleep(0.1)
    assert sorted(r["value"] for r in consume(case, node)) == ["x", "y"]
    # Tasks report once a second.
    while '"dead_letters":2' not in case.expect(0, "job", "describe", "own", "-o", "json",
                                                *where).out.replace(" ", ""):
        assert time.monotonic() < deadline, case.run("job", "describe", "own", *where).out
        time.sleep(0.1)


def test_what_is_missing_is_said(case):
    node = Node(case)
    case.write("in.csv", "1\nx\n")

    def job(options):
        case.write("job.sql", f"""CREATE TABLE t (a int) WITH (connector = 'file', path = 'in.csv',
          format = 'csv', {options}); SELECT a FROM t;""")

    job("on_error = 'dead_letter'")
    err = case.expect(2, "lint", "job.sql").err
    assert "needs dead_letter_path or dead_letter_topic" in err, err
    job("on_error = 'dead_letter', dead_letter_topic = 'd', dead_letter_path = 'd'")
    err = case.expect(2, "lint", "job.sql").err
    assert "not to both" in err, err
    job("bootstrap = 'x:1'")
    err = case.expect(2, "lint", "job.sql").err
    assert "has no option bootstrap" in err, err
    job(LETTERS)
    err = case.expect(1, "run", "job.sql").err
    assert "which cluster has the topic?" in err, err
    job(LETTERS + f", bootstrap = '{node.address}'")
    case.expect(0, "run", "job.sql")  # a broker that creates topics has created this one
    assert [r["value"] for r in consume(case, node)] == ["x"]
    # One that does not says which is missing.
    other = Node(case, data="other", options=["--broker-config", "auto.create.topics.enable=false"])
    job(LETTERS + f", bootstrap = '{other.address}'")
    err = case.expect(1, "run", "job.sql").err
    assert "dead letters: " in err and "topic dead" in err, err


def test_every_letter_once(case):
    """kill -9 of the job again and again: every bad row is in the topic once, by both ways."""
    choices = random.Random(jobs.SEED)
    print(f"seed {jobs.SEED}", flush=True)
    node = Node(case, "in:3", "out:2", "dead:2")
    count = 20_000
    case.write("numbers.csv", "".join(
        f"{i},{'x' if i % 10 == 3 else i % 10}\n" for i in range(count)))
    case.write("fill.sql", """
CREATE TABLE f (id text, d text) WITH (connector = 'file', path = 'numbers.csv', format = 'csv');
CREATE TABLE t (id text, d text, k text) WITH (connector = 'kafka', bootstrap = '${KAFKA}',
  topic = 'in', format = 'csv', key = 'k');
INSERT INTO t SELECT id, d, id FROM f;
""")
    node.run("fill.sql")
    case.write("job.sql", f"""
CREATE TABLE t (id int, d int) WITH (connector = 'kafka', bootstrap = '${{KAFKA}}', topic = 'in',
  format = 'csv', until = 'latest', rate = '${{RATE:-}}', {LETTERS});
CREATE TABLE out (id int, q int) WITH (connector = 'kafka', bootstrap = '${{KAFKA}}', topic = 'out',
  format = 'csv');
INSERT INTO out SELECT id, 100 / d FROM t;
""")
    kills = jobs.run_with_kills(case, node, "job.sql", "data", choices, 6, 2000)
    assert kills >= 3, kills
    letters = consume(case, node)
    ids = sorted(int(r["value"].split(",")[0]) for r in letters)
    want = [i for i in range(count) if i % 10 in (0, 3)]
    assert ids == want, (f"seed {jobs.SEED}: {len(ids)} letters, expected {len(want)}; missing "
                         f"{sorted(set(want) - set(ids))[:5]}, surplus {len(ids) - len(set(ids))}")
    assert all(r["key"] == r["value"].split(",")[0] for r in letters), letters[:3]
    good = sorted(int(r["value"].split(",")[0]) for r in consume(case, node, "out"))
    assert good == [i for i in range(count) if i % 10 not in (0, 3)], len(good)
    # A finished job that is run again adds nothing.
    case.expect(0, "run", "job.sql", *node.set, "--data-dir", "data")
    assert len(consume(case, node)) == len(want)


if __name__ == "__main__":
    weir_cli.main(dict(globals()))
