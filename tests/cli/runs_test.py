#!/usr/bin/env python3
"""Stopping, continuing, changing and refusing runs. Usage: runs_test.py WEIR [TEST...]"""
import shutil
import signal
import time

from weir_cli import SEQUENCE, main, published, sums

SLOW = ("--set", "RATE=20000", "--set", "END=20000")


def stopped(c, number: int, again: bool = False):
    process = c.start("run", "numbers.yaml", "--data-dir", "data", *SLOW,
                      "--snapshot-interval", "100ms")
    c.wait_for_epoch("data")
    process.send_signal(number)
    if again:
        process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, err.decode()


def test_sigterm_takes_a_last_snapshot_and_exits_0(c):
    code, err = stopped(c, signal.SIGTERM)
    assert code == 0 and "the same command continues from epoch" in err, (code, err)
    c.expect(0, "run", "numbers.yaml", "--data-dir", "data", *SLOW)
    assert published(c.dir / "out") == sums(20_000)


def test_sigint_exits_130_and_loses_nothing(c):
    code, err = stopped(c, signal.SIGINT)
    assert code == 130, (code, err)
    c.expect(0, "run", "numbers.yaml", "--data-dir", "data", *SLOW)
    assert published(c.dir / "out") == sums(20_000)


def test_a_second_signal_stops_at_once(c):
    process = c.start("run", "numbers.yaml", "--data-dir", "data", *SLOW)
    c.wait_for_epoch("data")
    began = time.time()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) in (130, 0) and time.time() - began < 2
    c.expect(0, "run", "numbers.yaml", "--data-dir", "data", *SLOW)
    assert published(c.dir / "out") == sums(20_000)


def test_a_stop_need_not_wait_for_a_join_of_very_many_pairs(c):
    side = "CREATE TABLE {} (n bigint) WITH (connector = 'sequence', start = 1, \"end\" = 24000);\n"
    c.write("pairs.sql", side.format("a") + side.format("b") + """CREATE TABLE out (x bigint, n bigint, most bigint) WITH (connector = 'file', path = 'out', format = 'csv', emit = 'final');
INSERT INTO out SELECT a.n % 3, count(*), max(a.n + b.n) FROM a JOIN b ON a.n % 3 = b.n % 3 GROUP BY 1;
""")
    data = ("--data-dir", "data", "--snapshot-interval", "200ms")
    stops = 0
    for parallelism in ("2", "1", "3"):
        process = c.start("run", "pairs.sql", "-p", parallelism, *data)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        began = time.time()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        if b"the same command continues" not in err:
            break
        stops += 1
        assert time.time() - began < 10, err
    assert stops > 0
    c.expect(0, "run", "pairs.sql", "-p", "2", *data)
    assert published(c.dir / "out") == [f"{k},{8000 ** 2},{2 * (k or 3) + 47994}" for k in range(3)]


def test_a_frozen_process_goes_on(c):
    process = c.start("run", "numbers.yaml", "--data-dir", "data", *SLOW)
    c.wait_for_epoch("data")
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert published(c.dir / "out") == sums(20_000)


def test_a_finished_job_says_so_and_fresh_starts_over(c):
    job = ("run", "numbers.yaml", "--data-dir", "data", "--set", "END=1000")
    c.expect(0, *job)
    before = published(c.dir / "out")
    assert before == sums(1000)
    assert "had finished already" in c.expect(0, *job).err
    assert published(c.dir / "out") == before
    assert "1,000 rows in" in c.expect(0, *job, "--fresh").err.replace("1000", "1,000").replace(
        "1 k", "1,000")
    assert published(c.dir / "out") == before


def test_parts_roll_at_their_size(c):
    c.write("roll.yaml", """tables:
  n: {columns: {n: bigint}, with: {connector: sequence, end: 50000}}
  out: {with: {connector: file, path: out, format: csv, roll_size: 20KB}}
sinks:
  - {from: n, into: out}
""")
    c.expect(0, "run", "roll.yaml", "-p", "1")
    sizes = [p.stat().st_size for p in (c.dir / "out").glob("*.csv")]
    assert len(sizes) > 10 and max(sizes) < 20_000 + 10, sizes
    assert sorted(map(int, published(c.dir / "out"))) == list(range(1, 50_001))


def test_a_second_process_is_refused_with_the_pid(c):
    process = c.start("run", "numbers.yaml", "--data-dir", "data", "--set", "RATE=1000")
    c.wait_for_epoch("data")
    for more in ((), ("--fresh",)):
        done = c.expect(1, "run", "numbers.yaml", "--data-dir", "data", "--set", "RATE=1000", *more)
        assert f"in use by another process (pid {process.pid})" in done.err, done.err
    assert process.poll() is None, "the first one goes on"
    assert "sound" in c.expect(0, "snapshot", "verify", "data").out


def test_a_changed_job_keeps_the_rest_and_names_what_is_lost(c):
    stopped(c, signal.SIGTERM)
    c.write("numbers.yaml", SEQUENCE.replace("aggregate: {c: count(*), total: sum(n)}",
                                             "aggregate: {c: count(*), most: max(n)}"))
    done = c.expect(0, "run", "numbers.yaml", "--data-dir", "data", *SLOW)
    assert "the job has changed since epoch" in done.err, done.err
    assert "lost  sums" in done.err and "kept  source/numbers" in done.err, done.err


def test_state_of_other_key_groups_is_dropped(c):
    stopped(c, signal.SIGTERM)
    c.write("numbers.yaml", SEQUENCE.replace("name: numbers\n", "name: numbers\nkey_groups: 64\n"))
    done = c.expect(0, "run", "numbers.yaml", "--data-dir", "data", *SLOW)
    assert "lost  sums: the job had 128 key groups and has 64" in done.err, done.err
    # What comes from there on is counted, once per key.
    rows = [[int(x) for x in row.split(",")] for row in published(c.dir / "out")]
    assert [r[0] for r in rows] == list(range(10)), rows
    begun = 20_000 - sum(r[1] for r in rows)
    assert begun > 0 and sum(r[2] for r in rows) == sum(range(begun + 1, 20_001)), rows


def test_a_job_whose_input_is_chosen_differently_says_what_it_keeps(c):
    stopped(c, signal.SIGTERM)
    c.write("numbers.yaml", SEQUENCE.replace(
        "steps:\n", 'steps:\n  - {name: even, from: numbers, where: "n % 2 = 0"}\n').replace("from: numbers, key", "from: even, key"))
    done = c.expect(0, "run", "numbers.yaml", "--data-dir", "data", *SLOW)
    assert "kept  sums: with what it has of rows that were chosen or computed differently" in done.err, done.err


def test_a_file_that_is_shorter_than_what_was_read_of_it(c):
    c.write("in.csv", "".join(f"{n}\n" for n in range(200_000)))
    c.write("job.sql", """CREATE TABLE t (n bigint) WITH (connector = 'file', path = 'in.csv', format = 'csv', rate = '${RATE}');
CREATE TABLE o WITH (connector = 'file', path = 'out', format = 'csv', emit = 'final') AS SELECT count(*) AS n FROM t;
SET parallelism = 1;""")
    process = c.start("run", "job.sql", "--data-dir", "data", "--set", "RATE=50000", "--snapshot-interval", "100ms")
    c.wait_for_epoch("data", 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    c.write("in.csv", "0\n1\n")
    err = c.expect(1, "run", "job.sql", "--data-dir", "data", "--set", "RATE=50000").err
    assert "in.csv: shorter than when it was read before; was it replaced?" in err, err


def test_a_store_that_was_never_finished_is_no_obstacle(c):
    """A process that dies while it makes the store leaves a folder without one."""
    for options in ((), ("--fresh",)):
        (c.dir / "data" / "snapshots").mkdir(parents=True, exist_ok=True)
        c.expect(0, "run", "numbers.yaml", "--data-dir", "data", "--set", "END=1000", *options)
        assert published(c.dir / "out") == sums(1000)
        shutil.rmtree(c.dir / "data")


def test_a_data_directory_that_cannot_be(c):
    c.write("file", "x")
    done = c.expect(1, "run", "numbers.yaml", "--data-dir", "file", "--set", "END=10")
    assert "file" in done.err


def test_an_output_path_that_is_a_file(c):
    c.write("out", "precious")
    done = c.expect(1, "run", "numbers.yaml", "--set", "END=10")
    assert "sink/out" in done.err and "/out'" in done.err, done.err
    assert (c.dir / "out").read_text() == "precious"


if __name__ == "__main__":
    main(globals())
