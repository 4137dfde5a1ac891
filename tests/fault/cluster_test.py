#!/usr/bin/env python3
"""The flights job over three local processes: plainly, and with kill -9 of each node that does not
coordinate, one after the other, and the whole cluster stopped and started under a running job; the
output is that of an undisturbed run every time.

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


class Cluster:
    def __init__(self, weir: str):
        self.weir = weir
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-cluster-"))
        self.data = self.dir / "data"
        self.nodes = {}

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
            env["WEIR_CLUSTER"] = self.nodes["n1"]["http"]
        return env

    def up(self) -> None:
        answer = self.call("cluster", "up", "-n", "3", "--data-dir", str(self.data), "-o", "json")
        self.nodes = {n["id"]: n for n in json.loads(answer)["nodes"]}

    def submit(self, job: str, out: pathlib.Path, *options: str) -> str:
        return json.loads(self.call("job", "submit", str(JOBS / f"{job}.yaml"), "--set",
                                    f"OUT={out}", "--snapshot-interval", "200ms", "-o", "json",
                                    *options))["id"]

    def describe(self, job_id: str) -> dict:
        return json.loads(self.call("job", "describe", job_id, "-o", "json"))

    def kill(self, node: str) -> None:
        os.kill(self.nodes[node]["pid"], signal.SIGKILL)

    def wait(self, job_id: str) -> dict:
        deadline = time.monotonic() + DEADLINE_SECONDS
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

        out = cluster.dir / "killed"
        job = cluster.submit("carriers", out, "--set", "RATE=4000")
        used = set()
        for node in ("n3", "n2"):
            deadline = time.monotonic() + DEADLINE_SECONDS
            epoch = cluster.describe(job)["epoch"]
            while cluster.describe(job)["epoch"] < epoch + 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            used |= {t["node"] for t in cluster.describe(job)["tasks"]}
            cluster.kill(node)
            time.sleep(0.3)
        d = cluster.wait(job)
        if used < {"n1", "n2", "n3"} or d["restarts"] < 2:
            raise SystemExit(f"the kills hit nothing: tasks were on {used}, {d['restarts']} restarts")
        check("carriers", out, "two nodes killed")

        cluster.up()
        status = json.loads(cluster.call("cluster", "status", "-o", "json"))
        if not all(n["alive"] for n in status["nodes"]) or len(status["nodes"]) != 3:
            raise SystemExit(f"cluster up did not restart the killed nodes: {status['nodes']}")
        out = cluster.dir / "again"
        cluster.wait(cluster.submit("wordcount", out))
        check("wordcount", out, "restarted nodes")

        # Jobs outlive their cluster: the one that runs goes on from its last snapshot, the others
        # are remembered.
        out = cluster.dir / "resumed"
        job = cluster.submit("carriers", out, "--set", "RATE=8000")
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
        jobs = json.loads(cluster.call("job", "ls", "-o", "json"))
        if [(j["id"], j["state"]) for j in jobs] != [
                (i, "finished") for i in ("carriers-1", "carriers-2", "carriers-4", "wordcount-3")]:
            raise SystemExit(f"job ls after cluster up: {jobs}")
        print(f"three processes: ok, {d['restarts']} restarts")
        cluster.down()
    finally:
        for node in cluster.nodes.values():
            subprocess.run(["kill", "-9", str(node["pid"])], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(cluster.dir, ignore_errors=True)


if __name__ == "__main__":
    main()
