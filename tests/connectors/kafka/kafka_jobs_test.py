#!/usr/bin/env python3
"""Jobs that read and write topics, over a broker of the tests' own: plainly, with kill -9 in the
middle and a restart from --data-dir, and what the command line says about them. Prints the seed of
the kills; the same seed makes the same choices.

Usage: kafka_jobs_test.py WEIR SMALL_BROKER [TEST...]
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cli"))
import weir_cli  # noqa: E402

SEED = int(os.environ.get("WEIR_TEST_SEED", time.time()))
ROWS = 20_000

TO_KAFKA = """
CREATE TABLE numbers (id bigint, name text) WITH (connector = 'file', path = 'in.csv',
  format = 'csv', header = true, rate = '${RATE:-}', split_size = '64KiB');
CREATE TABLE t (id bigint, name text, k text)
  WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'first', key = 'k');
INSERT INTO t SELECT id, name, CAST(id % 100 AS text) FROM numbers;
"""
BETWEEN = """
CREATE TABLE t (id bigint, name text, k text)
  WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'first', key = 'k', until = 'latest',
        rate = '${RATE:-}');
CREATE TABLE u (id bigint, twice bigint, k text)
  WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'second', key = 'k', format = 'csv');
INSERT INTO u SELECT id, id * 2, k FROM t;
"""
TO_FILE = """
CREATE TABLE u (id bigint, twice bigint, k text, p int, o bigint)
  WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'second', key = 'k', format = 'csv',
        partition = 'p', offset = 'o', until = 'latest');
CREATE TABLE out (id bigint, twice bigint, k text)
  WITH (connector = 'file', path = 'out', format = 'csv');
INSERT INTO out SELECT id, twice, k FROM u;
"""


class Kafka:
    def __init__(self, case, *topics):
        self.case = case
        self.process = subprocess.Popen([BROKER, *topics], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        case.running.append(self.process)
        self.address = self.process.stdout.readline().decode().strip()
        self.set = ["--set", f"KAFKA={self.address}"]

    def run(self, job, *options, code=0):
        return self.case.expect(code, "run", job, *self.set, *options)

    def rows(self, query_table, query):
        self.case.write("query.sql", f"{query_table}\n{query};\n")
        return self.run("query.sql", "-o", "csv").out.splitlines()[1:]


def numbers(case, count=ROWS):
    case.write("in.csv", "id,name\n" + "".join(f"{i},name {i}\n" for i in range(count)))


def expected(count=ROWS):
    return sorted(f"{i},{2 * i},{i % 100}" for i in range(count))


def run_with_kills(case, kafka, job, data, choices, kills, rate):
    """Starts the job until it ends by itself; kills it `kills` times before."""
    done = 0
    for _ in range(kills * 4):
        process = case.start("run", job, *kafka.set, "--data-dir", data, "--snapshot-interval",
                             "100ms", "-p", str(choices.randint(1, 3)), "--set", f"RATE={rate}")
        try:
            process.wait(timeout=choices.uniform(0.2, 1.2) if done < kills else 60)
        except subprocess.TimeoutExpired:
            if done >= kills:
                raise
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
            continue
        assert process.returncode == 0, process.stderr.read().decode()
        return done
    raise AssertionError("it never ends")


def test_file_to_kafka_to_file(case):
    kafka = Kafka(case, "first:3", "second:2")
    numbers(case)
    case.write("to_kafka.sql", TO_KAFKA)
    case.write("between.sql", BETWEEN)
    case.write("to_file.sql", TO_FILE)
    kafka.run("to_kafka.sql")
    kafka.run("between.sql")
    kafka.run("to_file.sql")
    assert weir_cli.published(case.dir / "out") == expected()
    table = """CREATE TABLE u (twice bigint, k text, p int, o bigint, at timestamp, id bigint)
      WITH (connector = 'topic', bootstrap = '${KAFKA}', topic = 'second', format = 'csv', key = 'k',
            partition = 'p', offset = 'o', timestamp = 'at', until = 'latest');"""
    # The columns stand in another order than the values were written in: CSV goes by position.
    table = table.replace("(twice bigint, k text", "(first bigint, k text")
    rows = kafka.rows(table, "SELECT p, count(DISTINCT k) > 0, count(*) = count(DISTINCT o), "
                             "min(at) > timestamp '2020-01-01' FROM u GROUP BY p")
    final = sorted(r for r in rows)
    assert any(r.endswith("0,true,true,true") for r in final), final[-5:]
    # Equal keys are in one partition.
    case.write("keys.sql", table + "SELECT k, count(DISTINCT p) AS n FROM u GROUP BY k;")
    keys = kafka.run("keys.sql", "--final", "-o", "csv").out.splitlines()[1:]
    assert len(keys) == 100 and all(r.endswith(",1") for r in keys), keys[:5]


def test_kills(case):
    choices = random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    kafka = Kafka(case, "first:3", "second:2")
    numbers(case)
    case.write("to_kafka.sql", TO_KAFKA)
    case.write("between.sql", BETWEEN)
    case.write("to_file.sql", TO_FILE)
    kills = run_with_kills(case, kafka, "to_kafka.sql", "data1", choices, 6, 6000)
    kills += run_with_kills(case, kafka, "between.sql", "data2", choices, 6, 6000)
    kafka.run("to_file.sql")
    got = weir_cli.published(case.dir / "out")
    want = expected()
    assert got == want, (f"seed {SEED}: {len(got)} rows, expected {len(want)}; "
                         f"missing {sorted(set(want) - set(got))[:5]}, "
                         f"surplus {len(got) - len(set(got))}")
    assert kills >= 6, kills


def test_a_job_continues_where_it_stopped(case):
    kafka = Kafka(case, "events:1")
    case.write("follow.sql", """
CREATE TABLE e (n bigint) WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'events',
                                group = 'readers');
CREATE TABLE out (n bigint) WITH (connector = 'file', path = 'out', format = 'csv');
INSERT INTO out SELECT n FROM e;
""")
    case.write("produce.sql", """
CREATE TABLE n (n bigint) WITH (connector = 'sequence', start = '${FROM}', end = '${TO}');
CREATE TABLE e (n bigint) WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'events');
INSERT INTO e SELECT n FROM n;
""")
    out = case.dir / "out"
    upto = 0
    for part in range(2):
        kafka.run("produce.sql", "--set", f"FROM={upto + 1}", "--set", f"TO={upto + 100}")
        upto += 100
        process = case.start("run", "follow.sql", *kafka.set, "--data-dir", "data",
                             "--snapshot-interval", "100ms")
        deadline = time.monotonic() + 30
        while len(weir_cli.published(out) if out.exists() else []) < upto:
            assert time.monotonic() < deadline and process.poll() is None, process.poll()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert sorted(map(int, weir_cli.published(out))) == list(range(1, 201))
    # The group knows how far the job was.
    kafka.run("produce.sql", "--set", "FROM=201", "--set", "TO=203")
    rest = kafka.rows("""CREATE TABLE e (n bigint) WITH (connector = 'kafka', bootstrap = '${KAFKA}',
      topic = 'events', group = 'readers', start = 'group', until = 'latest');""", "SELECT n FROM e")
    assert sorted(rest) == ["201", "202", "203"], rest


def test_changes_as_upserts(case):
    kafka = Kafka(case, "totals:2")
    numbers(case, 1000)
    case.write("upsert.sql", """
CREATE TABLE numbers (id bigint, name text) WITH (connector = 'file', path = 'in.csv',
  format = 'csv', header = true);
CREATE TABLE totals (g bigint PRIMARY KEY, n bigint)
  WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'totals', format = 'upsert_json');
INSERT INTO totals SELECT id % 10 AS g, count(*) AS n FROM numbers GROUP BY id % 10;
""")
    kafka.run("upsert.sql")
    rows = kafka.rows("""CREATE TABLE r (k text, g bigint, n bigint, o bigint)
      WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'totals', key = 'k', offset = 'o',
            until = 'latest');""", "SELECT g, n, o, k FROM r")
    newest = {}
    for r in sorted(rows, key=lambda r: int(r.split(",")[2])):
        g, n, _, k = r.split(",", 3)
        assert k == f'"{{""g"":{g}}}"', r
        newest[int(g)] = int(n)
    assert newest == {g: 100 for g in range(10)}, newest
    # Read as what they are: the newest row of each key stands.
    stand = kafka.rows("""CREATE TABLE t (g bigint PRIMARY KEY, n bigint)
      WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'totals', format = 'upsert_json', until = 'latest');""",
                       "SELECT g, n FROM t")
    assert sorted(stand) == [f"+,{g},100" for g in range(10)], stand


RECORDS = """
CREATE TABLE records (k text, v text) WITH (connector = 'file', path = 'records.json', format = 'json');
CREATE TABLE names (k text, v text)
  WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'names', format = 'raw', key = 'k');
INSERT INTO names SELECT k, v FROM records;
"""


def write_records(case, kafka, records: dict):
    """Keys and values as JSON; a value that is None is a record without one."""
    case.write("records.json", "".join(json.dumps({"k": k, "v": v}) + "\n" for k, v in records.items()))
    case.write("records.sql", RECORDS)
    kafka.run("records.sql")


def test_a_table_of_a_topic_is_looked_up(case):
    """Rows meet the table as it stands: read to its end at the start, and on while it is written."""
    kafka = Kafka(case, "names:2")
    case.write("job.sql", """
CREATE TABLE t (n int) WITH (connector = 'file', path = 'in.csv', format = 'csv', follow = true, poll_interval = '20ms');
CREATE TABLE names (k int PRIMARY KEY, name text)
  WITH (connector = 'kafka', bootstrap = '${KAFKA}', topic = 'names', format = 'upsert_json', lookup = true, cache = '100ms');
CREATE TABLE out (n int, name text) WITH (connector = 'file', path = 'out', format = 'csv');
INSERT INTO out SELECT n, name FROM t LEFT JOIN names ON k = n AND name <> 'none';
""")
    plan = case.expect(0, "plan", "job.sql", *kafka.set).out
    assert "newest rows by k, read on every 100ms" in plan and "its newest row by key" in plan, plan
    case.write("in.csv", "")
    rows = []

    def change(names: dict):
        write_records(case, kafka, {json.dumps({"k": k}): name and json.dumps({"k": k, "name": name})
                                    for k, name in names.items()})

    def more(*pairs):
        rows.extend(f"{n},{name}" for n, name in pairs)
        with open(case.dir / "in.csv", "a") as f:
            f.write("".join(f"{n}\n" for n, _ in pairs))
        out, deadline = case.dir / "out", time.monotonic() + 30
        while (weir_cli.published(out) if out.exists() else []) != sorted(rows):
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline, (weir_cli.published(out), sorted(rows))
            time.sleep(0.05)

    run = ("run", "job.sql", *kafka.set, "--data-dir", "data", "--snapshot-interval", "100ms", "-p", "2")
    change({1: "one", 2: "two", 3: "none"})
    process = case.start(*run)
    more((1, "one"), (2, "two"), (3, ""), (4, ""))
    # A row that changes, one that comes, one that goes, one that the condition lets in.
    change({1: "uno", 4: "four", 2: None, 3: "three"})
    time.sleep(2)
    more((1, "uno"), (2, ""), (3, "three"), (4, "four"))
    change({2: "again", 3: "none"})
    time.sleep(2)
    more((2, "again"), (3, ""))
    process.kill()
    process.wait()
    change({1: "eins"})
    process = case.start(*run)
    more((1, "eins"), (4, "four"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_whose_row_a_record_is(case):
    """A record without a value takes the row of the column that is its key, by the option key."""
    kafka = Kafka(case, "names:1")
    case.write("t.csv", "a\nb\nc\n")
    job = """CREATE TABLE t (k text) WITH (connector = 'file', path = 't.csv', format = 'csv');
CREATE TABLE names (k text, name text, PRIMARY KEY (k)) WITH (connector = 'kafka', bootstrap = '${KAFKA}',
  topic = 'names', lookup = true, key = 'k');
SELECT t.k, name FROM t LEFT JOIN names USING (k)"""

    def looked_up(text: str = job, code: int = 0):
        case.write("look.sql", text)
        done = kafka.run("look.sql", "-o", "csv", "--final", code=code)
        return sorted(done.out.splitlines()[1:]) if code == 0 else done.err

    assert looked_up() == ["a,", "b,", "c,"]
    write_records(case, kafka, {"a": '{"name":"one"}', "b": '{"name":"two"}', "c": "{}"})
    write_records(case, kafka, {"a": '{"name":"three"}', "b": None})
    assert looked_up() == ["a,three", "b,", "c,"]
    assert looked_up(job.replace("LEFT JOIN", "JOIN")) == ["a,three", "c,"]
    err = looked_up(job.replace(", key = 'k'", ""), code=1)
    assert 'no value of column "k" of the PRIMARY KEY' in err, err
    for old, new, text in [(", PRIMARY KEY (k)", "", "needs a PRIMARY KEY"),
                           ("lookup = true", "lookup = true, start = 'latest'", "option start has no meaning"),
                           ("lookup = true", "lookup = true, format = 'upsert_json'", "option key: records of format"),
                           ("lookup = true", "format = 'upsert_json'", "option key: records of format")]:
        case.write("look.sql", job.replace(old, new))
        err = case.expect(2, "lint", "look.sql", *kafka.set).err
        assert text in err, err


def test_what_plans_and_errors_say(case):
    kafka = Kafka(case, "first:1")
    numbers(case, 10)
    case.write("to_kafka.sql", TO_KAFKA)
    plan = case.expect(0, "plan", "to_kafka.sql", *kafka.set).out
    assert "exactly once" in plan and "it commits a transaction with every snapshot" in plan, plan
    case.write("alo.sql", TO_KAFKA.replace("key = 'k')", "key = 'k', delivery = 'at_least_once')"))
    plan = case.expect(0, "plan", "alo.sql", *kafka.set).out
    assert "at least once" in plan and "without transactions" in plan, plan
    kafka.run("alo.sql")
    kafka.run("to_kafka.sql", "--mode", "at-least-once")
    for wrong, text in [("topik = 'first'", "did you mean"), ("\"kafka.linger.ms\" = 'x', topic = 'first'", "linger.ms"),
                        ("topic = 'first', timestamp = 'kk'", "which is no column of it")]:
        case.write("wrong.sql", TO_KAFKA.replace("topic = 'first'", wrong))
        err = case.expect(2, "lint", "wrong.sql", *kafka.set).err
        assert text in err, err
    case.write("bad.sql", BETWEEN.replace("topic = 'first'", "topic = 'frist'"))
    err = kafka.run("bad.sql", code=1).err
    assert 'there is no topic "frist"; did you mean "first"?' in err, err
    # A record that is no row names its place.
    case.write("bad.sql", """CREATE TABLE t (id int, name int) WITH (connector = 'kafka',
      bootstrap = '${KAFKA}', topic = 'first', until = 'latest'); SELECT * FROM t;""")
    err = kafka.run("bad.sql", code=1).err
    assert "first/0:0: column name: a string where int" in err, err


if __name__ == "__main__":
    BROKER = str(pathlib.Path(sys.argv.pop(2)).resolve())
    weir_cli.main(dict(globals()))
