#!/usr/bin/env python3
"""SIGKILL at the N-th call of one system call, in the middle of a snapshot's commit, a sink's
publishing or a restore: after any such death the same command ends with the golden rows.

Usage: syscall_kill_test.py WEIR [--lives N] [--seed S]
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from weir_jobs import Runner, check  # noqa: E402

# Renames publish; the others make a commit or a part durable.
CALLS = ["rename,renameat,renameat2", "fdatasync", "fsync,msync", "pwrite64", "writev,pwritev",
         "ftruncate", "mkdir", "pread64"]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("weir")
    arguments.add_argument("--lives", type=int, default=40)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    if not shutil.which("strace") or subprocess.run(
            ["strace", "-qq", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode:
        print("skipped: strace is missing or may not trace here")
        sys.exit(77)
    runner = Runner(a.weir, "carriers", a.seed)
    killed = dict.fromkeys(CALLS, 0)
    lives = 0
    try:
        while lives < a.lives:
            runner.restart()
            history = []
            for _ in range(8):
                calls = runner.random.choice(CALLS)
                # strace counts per thread; the first few calls are where most threads get to.
                n = runner.random.choice([1, 1, 2, 2, 3, 4, 5, 7, 10, 15])
                inject = f"inject={calls}:signal=SIGKILL:when={n}"
                prefix = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject)
                done = runner.run("-p", str(runner.random.randint(1, 2)), "--set", "RATE=60000",
                                  prefix=prefix)
                lives += 1
                history.append(f"{calls}@{n}:{done.returncode}")
                if done.returncode == 0:
                    break
                if done.returncode not in (-9, 137):
                    raise SystemExit(f"seed {a.seed}: {history}: {done.stderr.decode()[-2000:]}")
                killed[calls] += 1
            runner.finish("-p", "2")
            check("carriers", runner.out, f"seed {a.seed}, {history}")
    finally:
        runner.clean()
    print(f"{sum(killed.values())} deaths in {lives} lives: output identical every time; {killed}")


if __name__ == "__main__":
    main()
