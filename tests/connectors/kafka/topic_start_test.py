#!/usr/bin/env python3
"""Where reading a topic of a real node starts, and partitions that come while a job reads.

Usage: topic_start_test.py WEIR [TEST...]
"""
import json
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cli"))
import weir_cli  # noqa: E402
from topic_jobs_test import Node  # noqa: E402

FOLLOW = """
CREATE TABLE t (v text) WITH (connector = '%s', bootstrap = '${KAFKA}', topic = 'in',
  format = 'raw', %s);
CREATE TABLE out (v text) WITH (connector = 'file', path = '%s', format = 'csv', existing = 'keep');
INSERT INTO out SELECT v FROM t;
"""


def verb(case, node, *arguments, stdin=b""):
    return case.expect(0, *arguments, "--cluster", f"127.0.0.1:{node.http}", stdin=stdin)


# An hour ago: what is older than its retention is removed while one reads.
BASE = int(time.time()) - 3600


def at(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(BASE + seconds))


def produce(case, node, *records):
    """(partition, seconds, value): the time is so long after BASE."""
    lines = [json.dumps({"partition": p, "value": v, "timestamp": at(s)}) for p, s, v in records]
    verb(case, node, "topic", "produce", "in", "--format", "records",
         stdin="\n".join(lines).encode() + b"\n")


def read(case, node, options, connector="kafka", data=()):
    case.write("read.sql", f"""CREATE TABLE t (v text) WITH (connector = '{connector}',
      bootstrap = '${{KAFKA}}', topic = 'in', format = 'raw', until = 'latest', {options});
      SELECT v FROM t;""")
    return sorted(node.run("read.sql", "-o", "csv", *data).out.splitlines()[1:])


def wait(what, condition, process=None):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        assert process is None or process.poll() is None, process.stderr.read().decode()
        time.sleep(0.05)


def rows(case, name="out"):
    folder = case.dir / name
    return sorted(weir_cli.published(folder)) if folder.exists() else []


def stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_where_reading_starts(case):
    node = Node(case, "in:2")
    produce(case, node, (0, 1, "a"), (0, 2, "b"), (0, 30, "c"), (1, 5, "x"), (1, 40, "y"))
    for connector in ("kafka", "topic"):
        assert read(case, node, "start = 'earliest'", connector) == ["a", "b", "c", "x", "y"]
        assert read(case, node, "start = 'latest'", connector) == []
        assert read(case, node, f"start = '{at(2)}'", connector) == ["b", "c", "x", "y"]
        assert read(case, node, f"start = '{at(35)}'", connector) == ["y"]
        assert read(case, node, f"start = '{at(3000)}'", connector) == []
        assert read(case, node, "start = '0:2,1:1'", connector) == ["c", "y"]
        assert read(case, node, "start = '1:1'", connector) == ["a", "b", "c", "y"]
        group = f"start = 'group', group = 'readers-{connector}'"
        # A group that has committed nothing starts at the beginning, and then goes on.
        assert read(case, node, group, connector) == ["a", "b", "c", "x", "y"]
        assert read(case, node, group, connector) == []
        verb(case, node, "group", "seek", f"readers-{connector}", "--topic", "in", "--to", "offset:1")
        assert read(case, node, group, connector) == ["b", "c", "y"]
        # A group that only hears of the progress does not decide where it starts.
        assert len(read(case, node, f"group = 'readers-{connector}'", connector)) == 5
    case.write("read.sql", """CREATE TABLE t (v text) WITH (connector = 'kafka',
      bootstrap = '${KAFKA}', topic = 'in', format = 'raw', until = 'latest', start = '5:0');
      SELECT v FROM t;""")
    assert "names partition 5" in node.run("read.sql", code=1).err


def test_latest_is_where_the_job_began(case):
    """What comes behind the start is read, whatever stops the job in between."""
    node = Node(case, "in:2")
    produce(case, node, (0, 1, "old"), (1, 1, "old"))
    case.write("follow.sql", FOLLOW % ("topic", "start = 'latest', group = 'watch'", "out"))
    run = ("run", "follow.sql", *node.set, "--data-dir", "data", "--snapshot-interval", "100ms")
    job = case.start(*run)

    def committed():
        done = case.run("group", "describe", "watch", "-o", "csv", "--cluster",
                        f"127.0.0.1:{node.http}")
        return done.returncode == 0 and done.out.count("in,") == 2

    wait("the job has a position in both partitions", committed, job)
    produce(case, node, (0, 2, "new0"), (1, 2, "new1"))
    wait("what is new is read", lambda: len(rows(case)) >= 2, job)
    job.send_signal(signal.SIGKILL)
    job.wait()
    produce(case, node, (1, 3, "while it was away"))
    job = case.start(*run)
    wait("it goes on", lambda: len(rows(case)) >= 3, job)
    stop(job)
    assert rows(case) == ["new0", "new1", "while it was away"]


def test_partitions_come_while_a_job_reads(case):
    """weir topic alter --partitions: new partitions are read from their beginning, once."""
    node = Node(case, "in:1")
    produce(case, node, (0, 1, "old"))
    case.write("follow.sql", FOLLOW % ("kafka", "start = 'latest', group = 'watch'", "out"))
    run = ("run", "follow.sql", *node.set, "--data-dir", "data", "--snapshot-interval", "100ms",
           "-p", "2")
    job = case.start(*run)
    wait("the job has begun", lambda: case.run(
        "group", "describe", "watch", "--cluster", f"127.0.0.1:{node.http}").returncode == 0, job)
    produce(case, node, (0, 2, "p0"))
    wait("it reads", lambda: rows(case) == ["p0"], job)
    verb(case, node, "topic", "alter", "in", "--partitions", "3")
    produce(case, node, (1, 3, "p1"), (2, 3, "p2"))
    wait("new partitions are found", lambda: len(rows(case)) >= 3, job)
    assert rows(case) == ["p0", "p1", "p2"]
    # A crash, and a partition that comes meanwhile.
    job.send_signal(signal.SIGKILL)
    job.wait()
    verb(case, node, "topic", "alter", "in", "--partitions", "4")
    produce(case, node, (2, 4, "p2 again"), (3, 4, "p3"))
    job = case.start(*run)
    wait("all are read", lambda: len(rows(case)) >= 5, job)
    verb(case, node, "topic", "alter", "in", "--partitions", "5")
    produce(case, node, (4, 5, "p4"), (0, 5, "p0 again"))
    wait("and the next", lambda: len(rows(case)) >= 7, job)
    stop(job)
    assert rows(case) == ["p0", "p0 again", "p1", "p2", "p2 again", "p3", "p4"]


if __name__ == "__main__":
    weir_cli.main(dict(globals()))
