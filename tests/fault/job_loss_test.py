#!/usr/bin/env python3
"""What jobs leave behind and rely on, on three nodes that are killed at awkward moments: a stop whose
master dies before the job has ended; savepoints, whose nodes are gone for good one after the other.

Usage: job_loss_test.py WEIR
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from job_savepoints_test import EXPECTED, Savepoints, expect, rows  # noqa: E402


class Loss(Savepoints):
    def signal(self, node: str, what: int) -> None:
        os.kill(self.nodes[node]["pid"], what)

    def parts_of(self, node: str, savepoint: str) -> list:
        """Names of the savepoint's parts that the node's store has."""
        listed = self.call("snapshot", "ls", str(self.data / node), "-o", "csv").splitlines()
        return sorted({line.split(",")[0] for line in listed if line.startswith(savepoint)})

    def ask_elsewhere(self, *nodes: str) -> None:
        """Commands go to a node that is not one of these."""
        self.asked = next(n for n in self.nodes if n not in nodes)


def stop_that_loses_its_master(c: Loss) -> None:
    job = c.numbers("lost-stop", "--set", "RATE=3000", "-p", "3")
    c.more_epochs(job, 3)
    master = c.describe(job)["master"]
    stuck = next(n for n in c.nodes if n != master)
    c.ask_elsewhere(master, stuck)
    # With its tasks the last epoch cannot be complete.
    c.signal(stuck, signal.SIGSTOP)
    stop = subprocess.Popen([c.weir, "job", "stop", job, "--savepoint"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=c.environment())
    try:
        c.until("the master knows that it is to stop",
                lambda: "asked to stop" in c.call("job", "logs", job))
        c.kill(master)
        c.signal(stuck, signal.SIGCONT)
        out, err = stop.communicate(timeout=90)
    finally:
        stop.kill()
    expect(f"exit code of weir job stop: {err.decode()}", stop.returncode, 0)
    described = c.describe(job)
    expect("the job", (described["state"], described["epoch"]), ("stopped", int(out)))
    c.up()
    c.until("all nodes are back", lambda: len(c.alive()) == 3)
    after = c.numbers("after-stop", "-p", "2", "--from-savepoint", "lost-stop")
    c.wait(after)
    expect("rows of after-stop", rows(c.dir / "after-stop"), EXPECTED)


def two_nodes_gone_one_after_the_other(c: Loss) -> None:
    """Of four; each with its disk, the first for good. What was kept is there all the same."""
    job = c.numbers("gone", "--set", "RATE=3000", "-p", "3")
    c.more_epochs(job, 3)
    early = int(c.call("job", "savepoint", "gone"))
    c.more_epochs(job, 2)
    last = int(c.call("job", "stop", "gone", "--savepoint"))
    for _ in range(2):
        had = c.nodes_with(job, early)
        gone = next(n for n in had if n != c.asked) if len(had) > 1 else had[0]
        c.kill(gone)
        shutil.rmtree(c.data / gone)
        del c.nodes[gone]
        c.until("the loss is noticed", lambda: gone not in c.alive())
        if len(c.nodes) == 3:
            c.call("cluster", "forget", gone)
        # The savepoint's parts and plans are brought where they are missing.
        for_two = {}
        def copies() -> bool:
            parts = [p for n in c.nodes for p in c.parts_of(n, f"{job}+{early}@")]
            for_two.update({p: parts.count(p) for p in parts})
            return len(for_two) == 3 and all(count >= 2 for count in for_two.values())
        if len(c.nodes) == 3:
            c.until("two copies of each part", copies)
            # The cluster, too, has to bear the loss of one more.
            c.until("three nodes vote", lambda: sum(n["votes"] for n in json.loads(
                c.call("cluster", "status", "-o", "json"))["nodes"]) == 3)
            time.sleep(3)  # the vote of the node that is gone goes when another one has taken its place
    for name, number in (("from-early", early), ("from-last", last)):
        again = c.numbers(name, "-p", "2", "--from-savepoint", f"{job}:{number}")
        c.wait(again)
        expect(f"rows of {name}", rows(c.dir / name), EXPECTED)


def main() -> None:
    c = Loss(sys.argv[1])
    try:
        c.up()
        stop_that_loses_its_master(c)
        answer = c.call("cluster", "up", "-n", "4", "--data-dir", str(c.data), "-o", "json")
        c.nodes = {n["id"]: n for n in json.loads(answer)["nodes"]}
        c.until("the fourth node has joined", lambda: len(c.alive()) == 4)
        two_nodes_gone_one_after_the_other(c)
        print("losses: ok")
        c.down()
    finally:
        c.close()


if __name__ == "__main__":
    main()
