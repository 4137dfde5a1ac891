#!/usr/bin/env python3
"""Jobs over the topics of a real node: the tests of kafka_jobs_test.py against `weir up`, found by its
HTTP listener, and kill -9 of the node while a job runs.

Usage: topic_jobs_test.py WEIR [TEST...]
"""
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cli"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import kafka_jobs_test as jobs  # noqa: E402
import weir_cli  # noqa: E402
from ports import free_port  # noqa: E402
from kafka_jobs_test import (test_a_job_continues_where_it_stopped,  # noqa: E402, F401
                             test_a_table_of_a_topic_is_looked_up,
                             test_changes_as_upserts, test_file_to_kafka_to_file, test_kills)


class Node(jobs.Kafka):
    """`weir up` with topics ("NAME:PARTITIONS"); can be killed and started again in its place."""

    def __init__(self, case, *topics, data="node", options=()):
        self.case = case
        self.options = ["--data-dir", data, *options]
        self.kafka, self.http = free_port(), free_port()
        self.address = f"127.0.0.1:{self.kafka}"
        self.set = ["--set", f"KAFKA={self.address}"]
        self.start()
        for t in topics:
            name, partitions = t.split(":")
            case.expect(0, "topic", "create", name, "--partitions", partitions, "--cluster",
                        f"127.0.0.1:{self.http}")

    def start(self):
        self.process = self.case.start("up", *self.options, "--kafka", self.address, "--http",
                                       f"127.0.0.1:{self.http}")
        ready = self.process.stdout.readline().decode()
        assert ready.startswith("ready kafka="), ready + self.process.stderr.read().decode()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def test_the_node_is_killed(case):
    """Every row once, though the node dies again and again under the job and the job once."""
    choices = random.Random(jobs.SEED)
    print(f"seed {jobs.SEED}", flush=True)
    node = Node(case, "first:3", "second:2")
    jobs.numbers(case)
    for name, text in [("to_kafka", jobs.TO_KAFKA), ("between", jobs.BETWEEN),
                       ("to_file", jobs.TO_FILE)]:
        case.write(f"{name}.sql", text)
    node.run("to_kafka.sql")
    over = threading.Event()
    kills = [0]

    def killer():
        while not over.wait(choices.uniform(0.4, 1.2)) and kills[0] < 4:
            node.kill()
            kills[0] += 1
            node.start()

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        # The job waits for its node or fails and is started again; both have to end in the same rows.
        deadline = time.monotonic() + 120
        while True:
            job = case.run("run", "between.sql", *node.set, "--data-dir", "data",
                           "--snapshot-interval", "100ms", "--set", "RATE=6000", timeout=120)
            if job.returncode == 0:
                break
            assert time.monotonic() < deadline, job.err
            time.sleep(0.2)
    finally:
        over.set()
        thread.join()
    node.run("to_file.sql")
    got, want = weir_cli.published(case.dir / "out"), jobs.expected()
    assert got == want, (f"seed {jobs.SEED}: {len(got)} rows, expected {len(want)}; "
                         f"missing {sorted(set(want) - set(got))[:5]}, "
                         f"surplus {len(got) - len(set(got))}")
    assert kills[0] >= 2, kills


def test_topics_by_the_cluster(case):
    """connector = 'topic' finds the Kafka listener by the node's HTTP address."""
    node = Node(case, "first:3")
    jobs.numbers(case, 1000)
    where = f"connector = 'topic', cluster = '127.0.0.1:{node.http}'"
    case.write("job.sql", jobs.TO_KAFKA.replace("connector = 'kafka', bootstrap = '${KAFKA}'", where))
    case.expect(0, "run", "job.sql")
    case.write("read.sql", f"""CREATE TABLE t (id bigint, name text)
      WITH ({where}, topic = 'first', until = 'latest');
      SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(id) AS total FROM t;""")
    rows = case.expect(0, "run", "read.sql", "--final", "-o", "csv").out.splitlines()
    assert rows == ["n,ids,total", "1000,1000,499500"], rows
    # A job that is submitted to the node means the node's own topics.
    case.write("own.sql", """CREATE TABLE t (id bigint) WITH (connector = 'topic', topic = 'first',
      until = 'latest');
      CREATE TABLE out (n bigint) WITH (connector = 'file', path = '${OUT}', format = 'csv');
      INSERT INTO out SELECT id FROM t;""")
    out = case.dir / "own"
    case.expect(0, "job", "submit", "own.sql", "--cluster", f"127.0.0.1:{node.http}", "--set",
                f"OUT={out}")
    deadline = time.monotonic() + 60
    while len(weir_cli.published(out) if out.exists() else []) < 1000:
        assert time.monotonic() < deadline, "the submitted job does not end"
        time.sleep(0.1)
    assert sum(map(int, weir_cli.published(out))) == 499500


if __name__ == "__main__":
    jobs.Kafka = Node
    weir_cli.main(dict(globals()))
