#!/usr/bin/env python3
"""Nexmark's queries against their golden results: plainly, at other parallelism, killed and restored.

Usage: nexmark_jobs.py WEIR [qN...]     without names: all that this version of the SQL dialect reads
"""
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import nexmark_golden as golden


class Run:
    def __init__(self, weir: str, query: str):
        self.weir, self.query = weir, query
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-nexmark-"))
        self.out, self.data = self.dir / "out", self.dir / "data"

    def command(self, *options: str, rate: str = "") -> list:
        text = (golden.QUERIES / f"{self.query}.sql").read_text()
        settings = {"EVENTS": golden.EVENTS, "EVENT_RATE": golden.EVENT_RATE, "SEED": golden.SEED,
                    "OUT": self.out, "SPLITS": 8, "RATE": rate}
        line = [self.weir, "run", str(golden.QUERIES / f"{self.query}.sql")]
        for key, value in settings.items():
            if "${" + key + ":-" in text:
                line += ["--set", f"{key}={value}"]
        return line + list(options)

    def finish(self, *options: str, **settings: str) -> None:
        done = subprocess.run(self.command(*options, **settings), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=240)
        if done.returncode != 0:
            raise SystemExit(f"{self.query} {options}: {done.stderr.decode()}")

    def kill_after(self, seconds: float, *options: str, **settings: str) -> bool:
        process = subprocess.Popen(self.command(*options, **settings), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        time.sleep(seconds)
        killed = process.poll() is None
        if killed:
            process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
        if not killed and process.returncode != 0:
            raise SystemExit(f"{self.query} failed: {err.decode()}")
        return killed

    def check(self, what: str) -> None:
        rows = golden.canonical(self.query, golden.published(self.out))
        if wrong := golden.difference(self.query, rows):
            raise SystemExit(f"{self.query}, {what}: {wrong}")
        shutil.rmtree(self.dir)
        self.dir.mkdir()


def test(weir: str, query: str) -> None:
    run = Run(weir, query)
    dice = random.Random(query)
    try:
        for parallelism in ("1", "2", "3"):
            run.finish("-p", parallelism)
            run.check(f"-p {parallelism}")
        durable = ("--data-dir", str(run.data), "--snapshot-interval", "100ms")
        kills = 0
        for parallelism in ("2", "1", "3"):
            kills += run.kill_after(dice.uniform(0.25, 0.5), "-p", parallelism, *durable,
                                    rate=str(golden.EVENTS))
        run.finish("-p", "2", *durable, rate=str(golden.EVENTS * 10))
        run.check(f"restored at other parallelism after {kills} kills")
        print(f"{query}: ok, {kills} kills", flush=True)
    finally:
        shutil.rmtree(run.dir, ignore_errors=True)


def main() -> None:
    weir = sys.argv[1]
    for query in sys.argv[2:] or golden.names():
        test(weir, query)


if __name__ == "__main__":
    main()
