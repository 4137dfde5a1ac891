#!/usr/bin/env python3
"""A cluster under the traffic of Kafka's clients (traffic.py) and a job, while its operator works on it:

  drain       `weir cluster drain`: nothing is led by, replicated on, kept by or run on the node any more; it is stopped
              (--stop kill: kill -9), and nobody notices
  grow        a node joins and takes over its share
  partitions  `weir topic alter --partitions`: the group and the job find the new ones; then a node is killed
  rolling     all nodes are restarted one after the other: leaders are spread again

No client sees an error; what was written is there once and in order, for readers and in the job's results.

Leaders are not evened out as far as `grow` and `rolling` ask yet, so the suites run `drain` and `partitions` only.

Usage: cluster_traffic_test.py WEIR [--parts PART,...] [--stop term|kill]
"""
import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
try:
    from traffic import COPIES, COUNTS, LOAD, TRANSACTIONS, Traffic
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
from racked_nodes import Nodes, expect  # noqa: E402

JOB = pathlib.Path(__file__).resolve().parent / "campaign" / "traffic.sql"
PARTITIONS = 8
# Of clients, in seconds; on a quiet machine it is a fraction of that (docs/operations.md).
QUIET = {"acknowledged": 1.0, "committed": 1.5, "read": 1.0}
# A node that dies is given up after 2.5 s of silence.
LOSS = {"acknowledged": 6.0, "committed": 8.0, "read": 6.0}


class Test:
    def __init__(self, cluster: Nodes):
        self.cluster = cluster
        cluster.start()
        for topic in (TRANSACTIONS, COPIES, COUNTS):
            cluster.create(topic, 4, 3)
        cluster.create(LOAD, PARTITIONS, 3)
        self.job = json.loads(cluster.call("job", "submit", str(JOB), "--snapshot-interval", "200ms", "-p", "4", "-o",
                                           "json"))["id"]
        self.traffic = Traffic(cluster, PARTITIONS)
        self.traffic.flows()
        cluster.until("all replicas are in sync", cluster.all_in_sync)
        self.settled()

    def describe(self) -> dict:
        def ask():
            done = self.cluster.run("job", "describe", self.job, "-o", "json")
            return json.loads(done.stdout) if done.returncode == 0 else None
        return self.cluster.until("the job's master answers", ask)

    def restarts(self) -> int:
        return self.describe()["restarts"]

    def settled(self) -> None:
        """Nothing moves any more."""
        self.cluster.until("the job has an epoch", lambda: self.describe()["epoch"] > 0)

    def shares(self) -> dict:
        """Of each node, as a Kafka client sees it: (leaders, replicas) of the partitions of topics."""
        names = {number: name for name, number in self.cluster.numbers().items()}
        found = {name: [0, 0] for name in names.values()}
        for t in self.cluster.metadata().values():
            for p in t.values():
                if p.leader >= 0:
                    found[names[p.leader]][0] += 1
                for r in p.replicas:
                    found[names[r]][1] += 1
        return {name: tuple(n) for name, n in found.items()}

    def tasks(self) -> dict:
        found = {name: 0 for name in self.cluster.nodes}
        for t in self.describe()["tasks"]:
            found[t["node"]] = found.get(t["node"], 0) + 1
        return found

    # ---- What is done to it. ----

    def drain(self, stop: str) -> None:
        self.traffic.mark()
        began = time.monotonic()
        self.cluster.call("cluster", "drain", "n1")
        took = time.monotonic() - began
        self.traffic.report(f"drain in {took:.1f} s", QUIET)
        # Also the internal topics, so that no group and no transaction is kept there.
        expect("led by and copied to a drained node", self.shares()["n1"], (0, 0))
        job = self.describe()
        expect("tasks on it", [t for t in job["tasks"] if t["node"] == "n1"], [])
        expect("the job's master is elsewhere", job["master"] != "n1", True)
        self.traffic.mark()
        getattr(self.cluster.nodes["n1"], stop)()
        self.watch(3.5)  # longer than a silent node is waited for
        self.traffic.report(f"a drained node is stopped ({stop})", QUIET)
        expect("restarts of the job since", self.restarts(), job["restarts"])
        self.cluster.nodes["n1"].start()
        self.cluster.nodes["n1"].wait_ready()
        self.cluster.call("cluster", "drain", "n1", "--undo")
        self.cluster.until("it takes part again", lambda: self.shares()["n1"][1] > 0 and self.tasks()["n1"] > 0)

    def watch(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.1)
            self.traffic.well()

    def takes_part(self, node: str) -> None:
        """A fair share: of replicas and of leaders no node has more than one and a half times what it would have if
        all had as many; and the node runs some of the job's tasks."""
        began = time.monotonic()
        self.cluster.until(f"{node} has its share", lambda: self.fair(), tell=lambda: f"{self.shares()} {self.tasks()}")
        self.cluster.until(f"{node} has tasks", lambda: self.tasks()[node] > 0,
                           tell=lambda: f"{self.shares()} {self.tasks()}")
        self.cluster.until("all replicas are in sync", self.cluster.all_in_sync)
        print(f"{node} has its share after {time.monotonic() - began:.1f} s: {self.shares()}, tasks {self.tasks()}",
              flush=True)

    def fair(self) -> bool:
        shares = self.shares()
        for i in range(2):
            counts = [s[i] for s in shares.values()]
            if min(counts) < 0.5 * sum(counts) / len(counts) or max(counts) > 1.5 * sum(counts) / len(counts):
                return False
        return True

    def grow(self) -> None:
        self.traffic.mark()
        node = self.cluster.add()
        node.start()
        node.wait_ready()
        self.takes_part(node.name)
        self.traffic.report("a node joins", QUIET)

    def partitions(self) -> None:
        self.traffic.mark()
        before = len(self.cluster.metadata(LOAD)[LOAD])
        self.cluster.call("topic", "alter", LOAD, "--partitions", str(before + 4))
        self.cluster.until("the new partitions are led", lambda: all(
            p.leader >= 0 for p in self.cluster.metadata(LOAD)[LOAD].values()))
        self.traffic.writer.partitions = before + 4
        began = time.monotonic()
        self.cluster.until("the group reads the new partitions", lambda: {
            p for m in self.traffic.members for p, _, _ in m.read} == set(range(before + 4)),
            tell=lambda: self.traffic.unread(self.traffic.writer.acknowledged))
        group = time.monotonic() - began

        def written() -> set:
            return {int(v.split()[0]) for v in list(self.traffic.results.values)}

        # What was written to them first.
        new = [s for s, (p, _) in list(self.traffic.writer.acknowledged.items()) if p >= before]
        self.cluster.until("the job reads the new partitions", lambda: written() >= set(new),
                           tell=lambda: f"{len(set(new) - written())} of {len(new)} are missing: {self.describe()}")
        print(f"new partitions: read by the group after {group:.1f} s, by the job after "
              f"{time.monotonic() - began:.1f} s", flush=True)
        self.traffic.mark()
        job = self.describe()
        node = next(n for n in (t["node"] for t in job["tasks"]) if n != job["master"])
        self.cluster.nodes[node].kill()
        self.watch(4)
        self.traffic.report(f"{node} is killed", LOSS)
        self.cluster.nodes[node].start()
        self.cluster.nodes[node].wait_ready()
        self.cluster.until("all replicas are in sync", self.cluster.all_in_sync)

    def rolling(self, weir=None) -> None:
        """As `hosts.sh rolling-restart`; `weir`: from now on nodes run that build."""
        self.traffic.mark()
        for node in self.cluster.nodes.values():
            node.stop()
            node.weir = weir or node.weir
            node.start()
            node.wait_ready()
            self.cluster.until("all replicas are in sync", self.cluster.all_in_sync)
        began = time.monotonic()
        self.cluster.until("leaders are spread", self.balanced, tell=self.shares)
        print(f"leaders are spread {time.monotonic() - began:.1f} s after a rolling restart: {self.shares()}", flush=True)
        self.traffic.report("rolling restart", QUIET)

    def balanced(self) -> bool:
        """Every partition is led by the first of its replicas, which placement has spread."""
        return all(p.leader == p.replicas[0] for t in self.cluster.metadata().values() for p in t.values()) and self.fair()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("weir")
    options.add_argument("--parts", default="drain,partitions")
    options.add_argument("--stop", choices=["term", "kill"], default="term")
    options = options.parse_args()
    parts = options.parts.split(",")
    cluster = Nodes(options.weir, [""] * (3 if parts[0] == "grow" else 4))
    began = time.monotonic()
    try:
        test = Test(cluster)
        print(f"started: {time.monotonic() - began:.1f} s", flush=True)
        for part in parts:
            if part == "drain":
                test.drain("stop" if options.stop == "term" else "kill")
            else:
                getattr(test, part)()
            print(f"{part}: {time.monotonic() - began:.1f} s", flush=True)
        test.traffic.end()
        print(f"{len(test.traffic.writer.acknowledged)} records, {test.traffic.transactions.count} transactions: ok, "
              f"{test.traffic.again} read again, {time.monotonic() - began:.1f} s", flush=True)
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
