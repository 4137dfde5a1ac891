#!/usr/bin/env python3
"""Rows that expressions cannot compute, and errors that no restart can heal, as users see them.

Usage: errors_test.py WEIR [TEST...]
"""
import json
import time

from weir_cli import main, published

JOB = """name: ratios
tables:
  t:
    columns: {k: text, a: int, b: int}
    with: {connector: file, path: "${IN:-in.csv}", format: csv, header: true, rate: "${RATE:-}",
           on_error: "${ON:-}", dead_letter_path: "${DEAD:-}"}
  out: {with: {connector: file, path: out, format: csv}}
steps:
  - {name: large, from: t, where: "a / b > 0", select: [k, {q: "a / b"}]}
  - {name: by_key, from: large, key: k, aggregate: {n: count(*), s: sum(100 / (q - 5))}, emit: final}
  - {name: rest, from: by_key, select: [k, n, {r: "100 / (s + 50)"}]}
sinks:
  - {from: rest, into: out}
"""

# Line 3 fails in the filter, 5 in the aggregate's argument; group c (its sum is -50) behind it.
INPUT = "k,a,b\na,10,1\na,1,0\nb,8,1\nb,5,1\nc,3,1\n"


def ready(c) -> None:
    c.write("job.yaml", JOB)
    c.write("in.csv", INPUT)


def letters(c) -> list:
    files = sorted(p for p in (c.dir / "dead").rglob("*") if p.is_file())
    return [json.loads(r) for p in files for r in p.read_text().splitlines()]


def test_skip_counts_them(c):
    ready(c)
    done = c.expect(0, "run", "job.yaml", "--set", "ON=skip")
    assert published(c.dir / "out") == ["a,1,1", "b,1,1"], published(c.dir / "out")
    assert "3 bad records skipped" in done.err, done.err


def test_dead_letters_say_operator_cause_position_and_row(c):
    ready(c)
    for _ in range(2):  # a run anew leaves nothing of the one before
        done = c.expect(0, "run", "job.yaml", "--fresh", "--data-dir", "data", "--set",
                        "ON=dead_letter", "--set", "DEAD=dead")
        assert published(c.dir / "out") == ["a,1,1", "b,1,1"]
        assert "3 dead letters" in done.err, done.err
        found = {x["operator"]: x for x in letters(c)}
        assert len(found) == len(letters(c)) == 3, letters(c)
        first = found["large/where"]
        assert first["cause"] == "division by zero in (a / b)" and first["raw"] == "a,1,0"
        assert first["position"].endswith("in.csv:3"), first
        assert first["row"] == {"k": "a", "a": 1, "b": 0}
        second = found["by_key/partial"]
        assert "division by zero" in second["cause"] and second["raw"] == "b,5,1", second
        assert second["position"].endswith("in.csv:5") and second["row"]["q"] == 5, second
        third = found["rest"]  # behind the exchange: a row of its own, at no place of the input
        assert third["row"] == {"k": "c", "n": 1, "s": -50} and "position" not in third, third


def test_dead_letters_are_exactly_once_over_kills(c):
    ready(c)
    n = 30_000
    rows = [f"{'xyz'[i % 3]},{i},{i % 7}" for i in range(n)]
    c.write("in.csv", "k,a,b\n" + "\n".join(rows) + "\n")
    expected = sorted(r for i, r in enumerate(rows) if i % 7 == 0 or i // (i % 7) == 5)
    run = ("run", "job.yaml", "--data-dir", "data", "--set", "ON=dead_letter", "--set", "DEAD=dead",
           "--snapshot-interval", "100ms")
    epoch = 0
    for parallelism in ("2", "1", "3"):
        process = c.start(*run, "-p", parallelism, "--set", "RATE=6000")
        c.wait_for_epoch("data", epoch + 2)
        epoch = c.epochs("data")[-1]
        time.sleep(0.07)
        process.kill()
        process.wait()
    c.expect(0, *run, "--set", "RATE=")
    found = sorted(x["raw"] for x in letters(c) if "raw" in x)
    assert found == expected, (len(found), len(expected))


def fails_at_once(c, *arguments: str) -> str:
    began = time.time()
    done = c.expect(1, "run", *arguments)
    took = time.time() - began
    assert took < 10, f"{took:.1f} s"  # a job that is restarted until it fails takes far longer
    assert "restart" not in done.err, done.err
    return done.err.splitlines()[-1]


def test_an_expression_fails_the_job_at_once(c):
    ready(c)
    last = fails_at_once(c, "job.yaml")
    assert last.startswith("weir: job ratios failed: operator 'large/where'"), last
    assert "in.csv:3: division by zero in (a / b)" in last, last
    assert last.count("in.csv") == 1, last  # and no second, less exact position
    c.write("in.csv", "k,a,b\na,10,1\nc,3,1\n")
    last = fails_at_once(c, "job.yaml")
    assert "operator 'rest' (subtask 0): division by zero in ('100'::bigint / " in last, last
    assert '{"k":"c","n":1,"s":-50}' in last, last
    assert published(c.dir / "out") == []


def test_a_missing_file_and_a_poison_row_fail_the_job_at_once(c):
    ready(c)
    last = fails_at_once(c, "job.yaml", "--set", "IN=missing*.csv")
    assert "source 'source/t'" in last and "no file matches" in last and "missing*.csv" in last, last
    c.write("in.csv", "k,a,b\na,1,1\nb,x,1\n")
    last = fails_at_once(c, "job.yaml")
    assert "in.csv:3: column a: 'x' is not a valid int" in last, last
    assert last.startswith("weir: job ratios failed: operator 'source/t' (subtask "), last
    (c.dir / "folder/inner").mkdir(parents=True)
    last = fails_at_once(c, "job.yaml", "--set", "IN=folder")
    assert "folder has folders (inner), whose files are not read" in last, last
    c.write("cut.csv.gz", b"\x1f\x8b\x08\x00\x00")
    last = fails_at_once(c, "job.yaml", "--set", "IN=cut.csv.gz")
    assert "cut.csv.gz" in last and "ends early" in last, last


if __name__ == "__main__":
    main(globals())
