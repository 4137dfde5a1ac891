#!/usr/bin/env python3
"""A cluster under the traffic of Kafka's clients (traffic.py) and a job, while its operator works on it:

  drain       `weir cluster drain`: nothing is led by, replicated on, kept by or run on the node any more; it is stopped
              (--stop kill: kill -9), and nobody notices
  undo        of that: the node is started and takes over its share again
  grow        a node joins and takes over its share
  partitions  `weir topic alter --partitions`: the group and the job find the new ones; then a node is killed
  rolling     all nodes are restarted one after the other: leaders are spread again
  upgrade     the same, into another build (OTHER, weir_other_build); at times both run side by side

No client sees an error; what was written is there once and in order, for readers and in the job's results.

Usage: cluster_traffic_test.py WEIR [--other OTHER] [--parts PART,...] [--stop term|kill]
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
try:
    from traffic import CATCH_UP_SECONDS_MAX, COPIES, COUNTS, LOAD, LOSS, QUIET, TRANSACTIONS, Traffic
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
from kafka_nodes import KafkaNodes, expect  # noqa: E402

JOB = pathlib.Path(__file__).resolve().parent / "campaign" / "traffic.sql"
PARTITIONS, PARALLELISM = 8, 6


class Test:
    def __init__(self, cluster: KafkaNodes):
        self.cluster = cluster
        cluster.begin()
        for topic in (TRANSACTIONS, COPIES, COUNTS):
            cluster.create(topic, 4, 3)
        cluster.create(LOAD, PARTITIONS, 3)
        self.job = json.loads(cluster.order("job", "submit", str(JOB), "--snapshot-interval", "200ms", "-p", str(PARALLELISM),
                                           "-o", "json"))["id"]
        self.traffic = Traffic(cluster, PARTITIONS)
        self.traffic.flows()
        cluster.until("all replicas are in sync", cluster.all_in_sync)
        self.settled()

    def describe(self) -> dict:
        def ask():
            done = self.cluster.try_order("job", "describe", self.job, "-o", "json")
            return json.loads(done.stdout) if done.returncode == 0 else None
        return self.cluster.until("the job's master answers", ask)

    def restarts(self) -> int:
        return self.describe()["restarts"]

    def settled(self) -> None:
        """Nothing moves any more."""
        self.cluster.until("the job has an epoch", lambda: self.describe()["epoch"] > 0)
        self.cluster.until("each member has its partitions", lambda: all(
            len(m.assigned) == PARTITIONS / len(self.traffic.members) for m in self.traffic.members))

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
        found = {name: 0 for name in self.cluster.all}
        for t in self.describe()["tasks"]:
            found[t["node"]] = found.get(t["node"], 0) + 1
        return found

    # ---- What is done to it. ----

    def drain(self, stop: signal.Signals) -> None:
        self.traffic.mark()
        began = time.monotonic()
        self.cluster.order("cluster", "drain", "n1")
        took = time.monotonic() - began
        self.traffic.report(f"drain in {took:.1f} s", QUIET)
        # Also the internal topics, so that no group and no transaction is kept there.
        expect("led by and copied to a drained node", self.shares()["n1"], (0, 0))
        job = self.describe()
        expect("tasks on it", [t for t in job["tasks"] if t["node"] == "n1"], [])
        expect("the job's master is elsewhere", job["master"] != "n1", True)
        self.traffic.mark()
        self.cluster.all["n1"].end(stop)
        self.watch(3.5)  # longer than a silent node is waited for
        self.traffic.report(f"a drained node is stopped ({stop.name})", QUIET)
        if self.traffic.calm():  # else a node may have been given up that is only slow
            expect("restarts of the job since", self.restarts(), job["restarts"])

    def undo(self) -> None:
        """The drained node takes part again."""
        self.cluster.all["n1"].begin().ready()
        self.cluster.order("cluster", "drain", "n1", "--undo")
        self.takes_part("n1")

    def watch(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.1)
            self.traffic.well()

    def takes_part(self, node: str) -> None:
        """A fair share: of replicas no node has more than one more than another, of leaders no more than two; and while
        there are no more nodes than sets of the job's tasks, the node runs some."""
        began = time.monotonic()
        self.cluster.until(f"{node} has its share", self.fair, tell=lambda: f"{self.shares()} {self.tasks()}",
                           seconds=CATCH_UP_SECONDS_MAX)
        if len(self.cluster.all) <= PARALLELISM:
            self.cluster.until(f"{node} has tasks", lambda: self.tasks()[node] > 0, tell=self.tasks)
        self.cluster.until("all replicas are in sync", self.cluster.all_in_sync)
        print(f"{node} has its share after {time.monotonic() - began:.1f} s: {self.shares()}, tasks {self.tasks()}",
              flush=True)

    def fair(self) -> bool:
        leaders, replicas = zip(*self.shares().values())
        return max(replicas) - min(replicas) <= 1 and max(leaders) - min(leaders) <= 2

    def grow(self) -> None:
        self.traffic.mark()
        node = self.cluster.add()
        node.begin().ready()
        self.takes_part(node.name)
        self.traffic.report("a node joins", QUIET)

    def partitions(self) -> None:
        self.traffic.mark()
        before = len(self.cluster.metadata(LOAD)[LOAD])
        self.cluster.order("topic", "alter", LOAD, "--partitions", str(before + 4))
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
        self.cluster.all[node].end(signal.SIGKILL)
        self.watch(4)
        self.traffic.report(f"{node} is killed", LOSS)
        self.cluster.all[node].begin().ready()
        self.cluster.until("all replicas are in sync", self.cluster.all_in_sync)

    def rolling(self, weir: str = None) -> None:
        """As `hosts.sh rolling-restart`; `weir`: from now on nodes run that build."""
        self.traffic.mark()
        for node in self.cluster.all.values():
            node.end()
            node.weir = weir or node.weir
            node.begin().ready()
            self.cluster.until("all replicas are in sync", self.cluster.all_in_sync)
        began = time.monotonic()
        self.cluster.until("leaders are spread", self.balanced, tell=self.shares, seconds=CATCH_UP_SECONDS_MAX)
        what = "upgrade" if weir else "rolling restart"
        print(f"leaders are spread {time.monotonic() - began:.1f} s after the {what}: {self.shares()}", flush=True)
        self.traffic.report(what, QUIET)

    def upgrade(self, other: str) -> None:
        """Into a build that speaks other messages, and was declared to get on with this one."""
        told = subprocess.run([self.cluster.weir, "node", "--print-wire"], capture_output=True, text=True, check=True).stdout
        os.environ["WEIR_COMPATIBLE_WITH"] = re.search(r"messages ([0-9a-f]{16})", told)[1]
        self.rolling(other)

    def balanced(self) -> bool:
        """Every partition is led by the first of its replicas, which placement has spread."""
        return all(p.leader == p.replicas[0] for t in self.cluster.metadata().values() for p in t.values()) and self.fair()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("weir")
    options.add_argument("--other")
    options.add_argument("--parts", default="drain,undo,grow,partitions,rolling,upgrade")
    options.add_argument("--stop", choices=["term", "kill"], default="term")
    options = options.parse_args()
    parts = options.parts.split(",")
    began = time.monotonic()
    with KafkaNodes(options.weir, [""] * (3 if parts[0] == "grow" else 4)) as cluster:
        test = Test(cluster)
        print(f"started: {time.monotonic() - began:.1f} s", flush=True)
        for part in parts:
            if part == "drain":
                test.drain(signal.SIGTERM if options.stop == "term" else signal.SIGKILL)
            elif part == "upgrade":
                test.upgrade(str(pathlib.Path(options.other).resolve()))
            else:
                getattr(test, part)()
            print(f"{part}: {time.monotonic() - began:.1f} s", flush=True)
        test.traffic.end()
        print(f"{len(test.traffic.writer.acknowledged)} records, {test.traffic.transactions.count} transactions: ok, "
              f"{test.traffic.again} read again in {test.traffic.rebalances()} rebalances, "
              f"{time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
