#!/usr/bin/env python3
"""Every example job against its golden files: plainly, in every delivery of parallelism, without a
data directory, killed, and restored at another parallelism.

Usage: run_jobs.py WEIR [JOB...]
"""
import sys

from weir_jobs import SINKS, Runner, check


def test(weir: str, job: str) -> None:
    runner = Runner(weir, job, seed=1)
    try:
        runner.finish(durable=False)
        check(job, runner.out, "plain run")
        for parallelism in ("1", "3"):
            runner.restart()
            runner.finish("-p", parallelism)
            check(job, runner.out, f"-p {parallelism}")
        again = runner.run("-p", "3")
        if again.returncode != 0 or b"finished already" not in again.stderr:
            raise SystemExit(f"{job}: a finished job must say so: {again.stderr.decode()}")
        check(job, runner.out, "rerun of a finished job")
        runner.finish("-p", "2", "--fresh")
        check(job, runner.out, "--fresh")

        # Killed at one parallelism, restored at others.
        runner.restart()
        slow = ("--set", "RATE=2000" if job.startswith("wordcount") else "RATE=20000")
        kills = 0
        for parallelism in ("2", "1", "4", "3"):
            kills += runner.kill_after(runner.random.uniform(0.3, 0.6), "-p", parallelism, *slow)
        runner.finish("-p", "2")
        check(job, runner.out, f"restored at other parallelisms after {kills} kills")
        print(f"{job}: ok, {kills} kills")
    finally:
        runner.clean()


def main() -> None:
    for job in sys.argv[2:] or SINKS:
        test(sys.argv[1], job)


if __name__ == "__main__":
    main()
