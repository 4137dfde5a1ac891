#!/usr/bin/env python3
"""A fault in the k-th call on files of a run, for every k: a short write, EIO, ENOSPC, a failed
fsync; once, for a while, or from then on for good. The run either goes on and ends with the golden
rows, or fails with an error that says what failed; then the same command without faults ends with
them, at another parallelism too. Nothing wrong is ever visible in the sink's folder. Prints the
seed.

Usage: file_fault_test.py WEIR SHIM [--job carriers] [--runs N] [--seed S]
--runs picks that many cases at random; without it every case of every call is run.
"""
import argparse
import collections
import concurrent.futures
import itertools
import os
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from weir_jobs import GOLDEN, SINKS, Runner, check, published  # noqa: E402

RATE = {"wordcount": "10000"}  # others: 60000
SAYS = {"eio": "Input/output error", "enospc": "o space left"}
# The fault and how many calls after the first meet it too. A broken disk fails once or for good, a
# full one until somebody makes room (until then the job's end waits for it).
ALWAYS = 1_000_000
FAULTS = [("eio", 0), ("eio", ALWAYS), ("enospc", 0), ("enospc", 40), ("short", 0),
          ("short", ALWAYS)]


def faults(runner: Runner, shim: str, **settings) -> None:
    """Sets what the next runs of this runner meet; without settings, nothing."""
    for name in [n for n in runner.env if n.startswith("WEIR_FAULT_")]:
        del runner.env[name]
    runner.env.pop("LD_PRELOAD", None)
    if not settings:
        return
    runner.env["LD_PRELOAD"] = shim
    runner.env["WEIR_FAULT_ROOT"] = str(runner.dir)
    runner.env["WEIR_FAULT_LOG"] = str(runner.dir) + ".calls"
    for name, value in settings.items():
        runner.env["WEIR_FAULT_" + name.upper()] = str(value)


def calls(runner: Runner) -> list:
    log = pathlib.Path(str(runner.dir) + ".calls")
    if not log.exists():
        return []
    lines = log.read_text().splitlines()
    log.unlink()
    return lines


def job(runner: Runner) -> tuple:
    return "-p", "2", "--set", "RATE=" + RATE.get(runner.job.removesuffix(".sql"), "60000")


def visible_is_right(runner: Runner, what: str) -> None:
    """What a reader finds after a failed run: some of the right rows, none twice, none other."""
    for sink in SINKS[runner.job]:
        want = collections.Counter((GOLDEN / f"{sink}.csv").read_bytes().splitlines())
        surplus = collections.Counter(published(runner.out / sink).splitlines()) - want
        if surplus:
            raise SystemExit(f"{what}: wrong rows are visible in {sink}: {list(surplus)[:5]}")


def one(weir: str, shim: str, name: str, k: int, kind: str, stay: int) -> str:
    """One case; returns what came of it."""
    what = f"{name}: {kind} at call {k}{f' and {stay} after it' if stay else ''}"
    runner = Runner(weir, name, seed=k)
    try:
        faults(runner, shim, at=k, kind=kind, stay=stay)
        done = runner.run(*job(runner), timeout=60)
        err = done.stderr.decode(errors="replace")
        met = [c for c in calls(runner) if c.endswith((" EIO", " ENOSPC", " short"))]
        what = f"{what} {met[:1]}, exit {done.returncode}"
        if done.returncode not in (0, 1):
            raise SystemExit(f"{what}: {err}")
        if done.returncode == 0:
            check(name, runner.out, what)
            return "went on" if met else "not reached"
        last = err.strip().splitlines()[-1] if err.strip() else ""
        if kind != "short" and SAYS[kind] not in err and str(runner.dir) not in last:
            raise SystemExit(f"{what}: the error does not say what failed: {err}")
        visible_is_right(runner, what)
        faults(runner, shim)
        again = runner.run("-p", "3", "--set", "RATE=" + RATE.get(name.removesuffix(".sql"), "60000"))
        if again.returncode != 0:
            raise SystemExit(f"{what}: {err}\nthe run without faults after it failed: "
                             f"{again.stderr.decode()}")
        check(name, runner.out, f"run after {what}: {err}")
        return "failed, then ran"
    finally:
        runner.clean()
        calls(runner)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("weir")
    arguments.add_argument("shim")
    arguments.add_argument("--job", action="append", choices=list(SINKS))
    arguments.add_argument("--runs", type=int)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--call", type=int, help="only this call, to repeat a failure")
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    cases = []
    for name in a.job or SINKS:
        runner = Runner(a.weir, name, seed=0)
        try:
            faults(runner, a.shim, at=0)
            runner.finish(*job(runner))
            check(name, runner.out, "without faults")
            count = len(calls(runner))
        finally:
            runner.clean()
        assert count > 50, f"only {count} calls were counted: the shim does not see the run's files"
        print(f"{name}: {count} calls on files", flush=True)
        numbers = [a.call] if a.call else range(1, count + 1)
        cases += [(name, k, *f) for k, f in itertools.product(numbers, FAULTS)]
    if a.runs:
        cases = random.Random(a.seed).sample(cases, min(a.runs, len(cases)))
    outcomes, failed = collections.Counter(), []
    # The jobs are paced: most of their time is waiting.
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        tasks = [pool.submit(one, a.weir, a.shim, *c) for c in cases]
        for t in tasks:
            try:
                outcomes[t.result()] += 1
            except (SystemExit, subprocess.TimeoutExpired) as e:
                failed.append(str(e))
                print(f"FAIL {e}", flush=True)
    print(f"{len(cases)} cases: {dict(outcomes)}, {len(failed)} wrong")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
