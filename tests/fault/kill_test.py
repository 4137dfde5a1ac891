#!/usr/bin/env python3
"""kill -9 at random moments over an example job with 100 ms snapshots: the rows in the end are those
of an undisturbed run. Prints the seed; the same seed makes the same choices.

Usage: kill_test.py WEIR --kills N [--seed S] [--job carriers]
"""
import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from weir_jobs import SINKS, Runner, check  # noqa: E402

# Slow enough for some twenty lives, each long enough for a snapshot or two.
RATES = {"carriers": [4000, 8000, 16000], "departures": [4000, 8000, 16000],
         "windows.sql": [4000, 8000, 16000],
         "wordcount": [500, 1000, 2000]}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("weir")
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--job", default="carriers", choices=list(SINKS))
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    runner = Runner(a.weir, a.job, a.seed)
    kills = runs = 0
    try:
        while kills < a.kills:
            runner.restart()
            rate = str(runner.random.choice(RATES[a.job]))
            while kills < a.kills:
                parallelism = str(runner.random.randint(1, 3))
                moment = runner.random.uniform(0.02, 0.5)
                if not runner.kill_after(moment, "-p", parallelism, "--set", f"RATE={rate}"):
                    break
                kills += 1
            runner.finish("-p", "2")
            check(a.job, runner.out, f"seed {a.seed}, after {kills} kills")
            runs += 1
    finally:
        runner.clean()
    print(f"{kills} kills over {runs} runs of {a.job}: output identical every time")


if __name__ == "__main__":
    main()
