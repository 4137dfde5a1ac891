#!/usr/bin/env python3
"""Jobs that start from savepoints of others, on three nodes: stopped and submitted anew with another
parallelism, and from a savepoint of long ago when a node that had it is dead; what they publish is
what one undisturbed run does. A job that cannot use the state is refused, and savepoints stay until
they are removed.

Usage: job_savepoints_test.py WEIR
"""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster_test import Cluster  # noqa: E402
from weir_jobs import check  # noqa: E402

ROWS = 200_000
JOB = """name: ${NAME}
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1, end: "${ROWS}", rate: "${RATE:-}"}}
  out: {with: {connector: file, path: "${OUT}", format: csv}}
steps:
  - {name: sums, from: numbers, key: {g: n % 10},
     aggregate: {c: count(*), total: "${OF:-sum}(n)"}, emit: final}
sinks:
  - {from: sums, into: out}
"""


EXPECTED = sorted(f"{g},{ROWS // 10},{sum(range(g or 10, ROWS + 1, 10))}" for g in range(10))


def rows(folder: pathlib.Path) -> list:
    return sorted(r for part in folder.glob("*.csv") for r in part.read_text().splitlines())


def expect(what: str, found, wanted) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


class Savepoints(Cluster):
    def numbers(self, name: str, *options: str) -> str:
        file = self.dir / "numbers.yaml"
        file.write_text(JOB)
        return json.loads(self.call(
            "job", "submit", str(file), "--set", f"NAME={name}", "--set", f"OUT={self.dir / name}",
            "--set", f"ROWS={ROWS}", "--snapshot-interval", "100ms", "-o", "json", *options))["id"]

    def refused(self, *arguments: str) -> str:
        done = subprocess.run([self.weir, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, env=self.environment())
        expect(f"exit code of weir {' '.join(arguments)}: {done.stderr.decode()}", done.returncode, 1)
        return done.stderr.decode()

    def submit_refused(self, *options: str) -> str:
        return self.refused("job", "submit", str(self.dir / "numbers.yaml"), "--set", "NAME=refused",
                            "--set", "OUT=out", "--set", f"ROWS={ROWS}", *options)

    def nodes_with(self, job: str, epoch: int) -> list:
        """Nodes whose stores have a part of the savepoint."""
        found = []
        for n in self.nodes:
            listed = self.call("snapshot", "ls", str(self.data / n), "-o", "csv")
            found += [n] if f"{job}+{epoch}@" in listed else []
        return found


def main() -> None:
    c = Savepoints(sys.argv[1])
    try:
        c.up()
        first = c.numbers("first", "--set", "RATE=3000", "-p", "3")
        said = c.submit_refused("--from-savepoint", "first")
        if "job first has no savepoint: take one with weir job savepoint, or stop it" not in said:
            raise SystemExit(f"no savepoint: {said}")
        c.more_epochs(first, 2)
        early = int(c.call("job", "savepoint", "first"))
        # Longer ago than any epoch that is kept by itself.
        c.more_epochs(first, 8)
        expect("savepoints", c.describe(first)["savepoints"], [early])
        if "has not ended: stop it first" not in c.refused("job", "delete", "first"):
            raise SystemExit("a job that runs cannot be deleted")

        # The state goes on at another parallelism.
        last = int(c.call("job", "stop", "first", "--savepoint"))
        if last <= early + 8:
            raise SystemExit(f"stopped at epoch {last}, {early} was long ago")
        second = c.numbers("second", "-p", "5", "--from-savepoint", "first")
        c.wait(second)
        expect("rows of second", rows(c.dir / "second"), EXPECTED)
        if c.describe(second)["epoch"] <= last:
            raise SystemExit("epochs go on where the savepoint was")
        expect("the stopped job published nothing", rows(c.dir / "first"), [])

        # Another query cannot use it.
        said = c.submit_refused("--set", "OF=max", "--from-savepoint", f"first:{early}")
        if f"cannot use all that savepoint {early} of job first has" not in said or \
                "sums" not in said or "--drop-state" not in said:
            raise SystemExit(f"another query: {said}")
        said = c.submit_refused("--from-savepoint", f"first:{early + 1}")
        if f"job first has no savepoint {early + 1}; it has {early} {last}" not in said:
            raise SystemExit(f"a savepoint that is none: {said}")
        # It starts without: the source goes on, the sums begin.
        dropped = c.numbers("dropped", "--set", "OF=max", "--from-savepoint", f"first:{early}",
                            "--drop-state")
        c.wait(dropped)
        got = rows(c.dir / "dropped")
        counts = {int(r.split(",")[0]): int(r.split(",")[1]) for r in got}
        if sorted(counts) != list(range(10)) or not 0 < sum(counts.values()) < ROWS:
            raise SystemExit(f"rows after the savepoint alone: {got}")

        # The copies will do.
        had = c.nodes_with(first, early)
        if len(had) < 2:
            raise SystemExit(f"savepoint {early} is on {had} only")
        c.kill(had[0])
        c.until("the loss is noticed", lambda: had[0] not in c.alive())
        third = c.numbers("third", "-p", "2", "--from-savepoint", f"{first}:{early}")
        c.wait(third)
        expect("rows of third", rows(c.dir / "third"), EXPECTED)
        c.up()
        c.until("all nodes are back", lambda: len(c.alive()) == 3)

        c.call("job", "savepoint", "first", "--remove", str(early))
        expect("no savepoints", c.describe(first)["savepoints"], [])
        if f"has no savepoint {early}" not in c.submit_refused("--from-savepoint", f"first:{early}"):
            raise SystemExit("it was removed")
        c.until("it is gone from the stores", lambda: not c.nodes_with(first, early))
        c.call("job", "delete", first)
        if f"there is no job '{first}'" not in c.refused("job", "describe", first):
            raise SystemExit("it was deleted")

        # Rows that were published stay, those in flight come once: windows with a custom operator,
        # whose state goes on too.
        out = c.dir / "flights"
        job = c.submit("departures", out, "--set", "RATE=2000", "-p", "3")
        c.more_epochs(job, 5)
        c.call("job", "stop", job, "--savepoint")
        job = c.submit("departures", out, "--set", "RATE=3000", "-p", "4", "--from-savepoint", job)
        c.more_epochs(job, 3)
        c.call("job", "stop", job, "--savepoint")
        # By its name: the one that ran last.
        job = c.submit("departures", out, "-p", "2", "--from-savepoint", "departures")
        c.wait(job)
        check("departures", out, "submitted three times")
        print("savepoints: ok")
        c.down()
    finally:
        c.close()


if __name__ == "__main__":
    main()
