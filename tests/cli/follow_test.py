#!/usr/bin/env python3
"""A log that grows in pieces and is rotated quickly, followed over kills: every line exactly once.

Usage: follow_test.py WEIR [TEST...]
"""
import os
import random
import signal
import threading
import time

from weir_cli import main, published

JOB = """name: tail
tables:
  log:
    columns: {line: text}
    with: {connector: file, path: app.log, format: raw, follow: true, poll_interval: 20ms}
  out: {with: {connector: file, path: out, format: csv}}
sinks:
  - {from: log, into: out}
"""
RUN = ("run", "job.yaml", "--data-dir", "data", "--snapshot-interval", "100ms", "-p", "2")


class Writer(threading.Thread):
    """Appends lines in pieces; now and then the log is rotated, sometimes several times at once."""

    def __init__(self, folder, lines: int, seed: int):
        super().__init__()
        self.folder, self.lines, self.random = folder, lines, random.Random(seed)
        self.rotations = 0

    def rotate(self) -> None:
        names = ["app.log"] + [f"app.log.{n}" for n in range(1, 200)]
        kept = next(i for i, n in enumerate(names) if not (self.folder / n).exists())
        for i in range(kept, 0, -1):
            os.rename(self.folder / names[i - 1], self.folder / names[i])
        self.rotations += 1

    def run(self) -> None:
        r = self.random
        log = open(self.folder / "app.log", "ab", buffering=0)
        burst = 0
        for i in range(self.lines):
            text = f"line {i:05}\n".encode()
            cut = r.randrange(len(text))
            log.write(text[:cut])
            if r.random() < 0.05:
                time.sleep(0.01)
            log.write(text[cut:])
            if burst == 0 and r.random() < 0.01:
                burst = r.randrange(1, 5)
            if burst and r.random() < 0.5:
                burst -= 1
                log.close()
                # Writes of two files within one tick of the file system's clock cannot be told apart
                # by time; their names still can.
                self.rotate()
                log = open(self.folder / "app.log", "ab", buffering=0)
            if burst == 0:
                time.sleep(0.001)
        log.close()


def test_a_rotated_log_over_kills(c):
    c.write("job.yaml", JOB)
    writer = Writer(c.dir, 3000, seed=7)
    c.write("app.log", "first\n")
    process = c.start(*RUN)
    while not published(c.dir / "out"):  # what is rotated before it begins is not its business
        time.sleep(0.02)
    writer.start()
    for wait in (0.9, 0.5, 1.1, 0.7):
        time.sleep(wait)
        process.kill()
        process.wait()
        time.sleep(0.05)
        process = c.start(*RUN)
    writer.join()
    expected = ["first"] + [f"line {i:05}" for i in range(writer.lines)]
    for _ in range(100):
        time.sleep(0.1)
        if len(published(c.dir / "out")) >= len(expected):
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    got = published(c.dir / "out")
    lost = sorted(set(expected) - set(got))
    assert got == expected, f"{len(got)} of {len(expected)} rows, {len(set(got))} different, lost {lost[:5]}"
    assert writer.rotations > 20, writer.rotations


def test_truncated_in_place(c):
    c.write("job.yaml", JOB)
    c.write("app.log", "one\ntwo\nthr")
    process = c.start(*RUN)

    def expect(rows: list) -> None:
        for _ in range(100):
            if published(c.dir / "out") == sorted(rows):
                return
            time.sleep(0.05)
        raise AssertionError(f"{published(c.dir / 'out')} is not {rows}")

    expect(["one", "two"])
    c.write("app.log", "four\n")  # what had no end is a line of its own, as tail -F shows it
    expect(["one", "two", "thr", "four"])
    with open(c.dir / "app.log", "a") as f:
        f.write("fi")
        f.flush()
        time.sleep(0.2)
        f.write("ve\n")
    expect(["one", "two", "thr", "four", "five"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


if __name__ == "__main__":
    main(globals())
