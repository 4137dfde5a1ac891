#!/usr/bin/env python3
"""The flights job over three local processes: plainly, and with kill -9 of each node, the one with
the job's master and the one that leads the metadata among them, and the whole cluster stopped and
started under a running job; the output is that of an undisturbed run every time.

Usage: cluster_test.py WEIR
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from weir_jobs import JOBS, check  # noqa: E402

DEADLINE_SECONDS = 60
FLIGHTS = 27_004  # rows that the job reads


class Over(Exception):
    """The job has finished before all was done to it."""


class Cluster:
    def __init__(self, weir: str):
        self.weir = weir
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-cluster-"))
        self.data = self.dir / "data"
        self.nodes = {}
        self.asked = "n1"  # the node that commands are sent to

    def call(self, *arguments: str) -> str:
        done = subprocess.run([self.weir, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, env=self.environment())
        if done.returncode != 0:
            raise SystemExit(f"weir {' '.join(arguments)} exited with {done.returncode}: "
                             f"{done.stderr.decode()}{self.logs()}")
        return done.stdout.decode()

    def environment(self) -> dict:
        env = dict(os.environ)
        if self.nodes:
            env["WEIR_CLUSTER"] = self.nodes[self.asked]["http"]
        return env

    def up(self) -> None:
        answer = self.call("cluster", "up", "-n", "3", "--data-dir", str(self.data), "-o", "json")
        self.nodes = {n["id"]: n for n in json.loads(answer)["nodes"]}

    def submit(self, job: str, out: pathlib.Path, *options: str) -> str:
        return json.loads(self.call("job", "submit", str(JOBS / f"{job}.yaml"), "--set",
                                    f"OUT={out}", "--snapshot-interval", "200ms", "-o", "json",
                                    *options))["id"]

    def describe(self, job_id: str) -> dict:
        """Asks again while the job's master is away: a user would."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            done = subprocess.run([self.weir, "job", "describe", job_id, "-o", "json"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                                  env=self.environment())
            if done.returncode == 0:
                return json.loads(done.stdout)
            if b"is away at the moment" not in done.stderr or time.monotonic() > deadline:
                raise SystemExit(f"describe {job_id}: {done.stderr.decode()}{self.logs()}")
            time.sleep(0.05)

    def kill(self, node: str) -> None:
        """The node dies; commands go to another one from now on."""
        os.kill(self.nodes[node]["pid"], signal.SIGKILL)
        if self.asked == node:
            self.asked = next(n for n in self.nodes if n != node)

    def alive(self) -> set:
        return {n["id"] for n in json.loads(self.call("cluster", "status", "-o", "json"))["nodes"]
                if n["alive"]}

    def until(self, what: str, condition, tell=lambda: "") -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"in vain: {what} {tell()}{self.logs()}")
            time.sleep(0.05)

    def more_epochs(self, job_id: str, count: int) -> None:
        epoch = self.describe(job_id)["epoch"]

        def there() -> bool:
            d = self.describe(job_id)
            if d["state"] == "finished":
                raise Over()
            return d["epoch"] >= epoch + count
        self.until(f"{count} epochs", there, lambda: self.describe(job_id))

    def wait(self, job_id: str, lasts: float = 0) -> dict:
        """Until the job has finished, which takes `lasts` seconds undisturbed."""
        deadline = time.monotonic() + DEADLINE_SECONDS + lasts
        while time.monotonic() < deadline:
            d = self.describe(job_id)
            if d["state"] == "finished":
                return d
            if d["state"] in ("failed", "stopped"):
                raise SystemExit(f"{job_id} is {d['state']}: {d['error']}{self.logs()}")
            time.sleep(0.1)
        raise SystemExit(f"{job_id} did not finish: {self.describe(job_id)}{self.logs()}")

    def logs(self) -> str:
        return "".join(f"\n{p}:\n{p.read_text()}" for p in sorted(self.data.glob("n*/log")))

    def down(self) -> None:
        self.call("cluster", "down", "--data-dir", str(self.data))
        for node in self.nodes.values():
            if pathlib.Path(f"/proc/{node['pid']}").exists() and \
                    "State:\tZ" not in pathlib.Path(f"/proc/{node['pid']}/status").read_text():
                raise SystemExit(f"{node['id']} still runs after cluster down")

    def close(self) -> None:
        """What still runs is killed; nothing is left."""
        for node in self.nodes.values():
            subprocess.run(["kill", "-9", str(node["pid"])], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def kill_each(cluster: Cluster, out: pathlib.Path, rate: int) -> int:
    """Kills one node after the other under a job that reads `rate` rows a second; how often the job
    was restarted."""
    job = cluster.submit("carriers", out, "--set", f"RATE={rate}")
    used, killed = set(), []
    for _ in range(3):
        cluster.more_epochs(job, 3)
        used |= {t["node"] for t in cluster.describe(job)["tasks"]}
        # First the master's node, then the one that the metadata's leader is on, then the third.
        left = [n for n in cluster.nodes if n not in killed]
        coordinates = [n["id"] for n in
                       json.loads(cluster.call("cluster", "status", "-o", "json"))["nodes"]
                       if n["coordinates"] and n["id"] in left]
        master = cluster.describe(job)["master"]
        node = master if master in left else coordinates[0] if coordinates else left[0]
        cluster.kill(node)
        killed.append(node)
        took = time.monotonic()
        cluster.until("the loss is noticed", lambda: node not in cluster.alive())
        cluster.more_epochs(job, 1)
        took = time.monotonic() - took
        print(f"killed {node}: the next epoch is complete after {took:.1f} s", flush=True)
        if took > 15:
            raise SystemExit(f"a job is back {took:.1f} s after the loss of {node}{cluster.logs()}")
        cluster.up()
        cluster.until("all nodes are back", lambda: len(cluster.alive()) == 3)
    d = cluster.wait(job, FLIGHTS / rate)
    if used < {"n1", "n2", "n3"} or d["restarts"] < 3:
        raise SystemExit(f"the kills hit nothing: tasks were on {used}, {d['restarts']} restarts")
    check("carriers", out, "every node killed")
    return d["restarts"]


def main() -> None:
    cluster = Cluster(sys.argv[1])
    try:
        cluster.up()
        before = dict(cluster.nodes)
        cluster.up()
        if cluster.nodes != before:
            raise SystemExit("cluster up again must leave running nodes alone")

        out = cluster.dir / "plain"
        cluster.wait(cluster.submit("carriers", out))
        check("carriers", out, "three processes")

        # The job has to outlast three kills, also on a machine that is slow or busy.
        for rate in (1200, 400, 130):
            try:
                restarts = kill_each(cluster, cluster.dir / f"killed_{rate}", rate)
                break
            except Over:
                print(f"{rate} rows a second were too many: the job ended before the last kill")
                cluster.up()
        else:
            raise SystemExit("the job does not outlast three kills")

        out = cluster.dir / "again"
        cluster.wait(cluster.submit("wordcount", out))
        check("wordcount", out, "restarted nodes")

        # Jobs outlive their cluster: the one that runs goes on from its last snapshot, the others
        # are remembered.
        out = cluster.dir / "resumed"
        job = cluster.submit("carriers", out, "--set", "RATE=500")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while cluster.describe(job)["epoch"] < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.down()
        cluster.up()
        after = cluster.describe(job)
        if after["state"] not in ("starting", "running"):
            raise SystemExit(f"{job} is {after} after cluster up")
        cluster.wait(job)
        check("carriers", out, "cluster down and up")
        # A master says that its job has finished a moment before all nodes know.
        cluster.until("all jobs have finished", lambda: {
            (j["name"], j["state"]) for j in json.loads(cluster.call("job", "ls", "-o", "json"))} == {
                ("carriers", "finished"), ("wordcount", "finished")})

        # The other verbs, at a node that has not the master.
        out = cluster.dir / "verbs"
        job = cluster.submit("carriers", out, "--set", "RATE=500")
        cluster.more_epochs(job, 1)
        cluster.asked = next(n for n in cluster.nodes if n != cluster.describe("carriers")["master"])
        if int(cluster.call("job", "savepoint", "carriers")) < 2:
            raise SystemExit("a savepoint is an epoch")
        cluster.call("job", "logs", job)
        cluster.call("job", "stop", "carriers")
        cluster.until("the job is stopped", lambda: cluster.describe(job)["state"] == "stopped")
        job = cluster.submit("carriers", out, "--set", "RATE=500")
        cluster.more_epochs(job, 1)
        cluster.call("job", "cancel", job)
        cluster.until("the job is cancelled", lambda: cluster.describe(job)["state"] == "stopped")
        print(f"three processes: ok, {restarts} restarts")
        cluster.down()
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
