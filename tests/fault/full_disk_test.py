#!/usr/bin/env python3
"""A disk that fills up under the snapshots and the output: epochs fail and say so, the job goes on
when there is room again, and its output is right. Needs root (a small tmpfs); else skipped.

Usage: full_disk_test.py WEIR
"""
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from weir_cli import Case, published, sums  # noqa: E402

ROWS, KEYS = 60_000, 5_000
JOB = ("run", "numbers.yaml", "--set", f"END={ROWS}", "--set", f"KEYS={KEYS}", "-p", "2",
       "--snapshot-interval", "100ms")


def small_disk(folder: pathlib.Path) -> bool:
    folder.mkdir()
    return os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
        stderr=subprocess.DEVNULL).returncode == 0


def fill(disk: pathlib.Path) -> pathlib.Path:
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 4096)
        except OSError:
            pass
    return ballast


def snapshots_on_a_full_disk(c: Case, disk: pathlib.Path) -> None:
    process = c.start(*JOB, "--set", "RATE=15000", "--data-dir", str(disk / "data"))
    c.wait_for_epoch(str(disk / "data"))
    ballast = fill(disk)
    time.sleep(1.5)
    alive = process.poll() is None
    ballast.unlink()
    _, err = process.communicate(timeout=60)
    text = err.decode()
    assert alive and process.returncode == 0, text
    assert "was given up" in text and "no space left" in text, text
    assert published(c.dir / "out") == sums(ROWS, KEYS), "output differs: " + text
    print("ok   snapshots on a full disk:", next(l for l in text.splitlines() if "given up" in l))


def output_on_a_full_disk(c: Case, disk: pathlib.Path) -> None:
    job = (*JOB, "--set", f"OUT={disk / 'out'}", "--data-dir", "data2")
    ballast = fill(disk)
    done = c.run(*job, timeout=60)
    assert done.returncode == 1 and "No space left" in done.err and "sink/out" in done.err, done.err
    ballast.unlink()
    c.expect(0, *job)
    assert published(disk / "out") == sums(ROWS, KEYS)
    print("ok   output on a full disk:", done.err.splitlines()[-1])


def main() -> None:
    c = Case(sys.argv[1])
    disk = c.dir / "disk"
    try:
        if not small_disk(disk):
            print("skipped: no tmpfs can be mounted here")
            sys.exit(77)
        try:
            snapshots_on_a_full_disk(c, disk)
            output_on_a_full_disk(c, disk)
        finally:
            for process in c.running:
                process.kill()
                process.wait()
            subprocess.run(["umount", "-l", str(disk)], check=False)
    finally:
        c.close()


if __name__ == "__main__":
    main()
