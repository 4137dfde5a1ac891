#!/usr/bin/env python3
"""What administrators ask of one node holds on all three: records that are deleted are deleted on the
disks of all replicas when the answer comes, whoever leads afterwards, and quotas that are set at one
node are told by all; both after kill -9 of the leader and of all nodes. A topic is described from the
moment it was created on, and when some of its partitions have no leader; readers go on behind a new one.

Usage: cluster_admin_test.py WEIR
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker_quota_test import Raw  # noqa: E402
from cluster_test import Cluster  # noqa: E402


class Address:
    def __init__(self, kafka: str):
        self.port = int(kafka.rsplit(":", 1)[1])


def partition(cluster: Cluster) -> dict:
    """Partition 0 as its leader has it; nothing while nobody answers for it."""
    done = subprocess.run([cluster.weir, "topic", "describe", "t", "-o", "json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env=cluster.environment())
    return json.loads(done.stdout)["partitions"][0] if done.returncode == 0 else {}


def names(cluster: Cluster) -> dict:
    """Of the nodes, by their numbers, which they get in the order in which they came."""
    return {n["node"]: n["id"] for n in
            json.loads(cluster.call("cluster", "status", "-o", "json"))["nodes"]}


def in_sync(cluster: Cluster, n: int) -> bool:
    return len(partition(cluster).get("in_sync", [])) == n


def quotas(cluster: Cluster, node: str) -> bytes:
    return Raw(Address(cluster.nodes[node]["kafka"])).describe()


def expect(what: str, found, wanted) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


def starts_on_disk(cluster: Cluster) -> list:
    return sorted(p.read_text() for p in cluster.data.glob("n*/**/topics/t.*/0/log-start"))


def kill_all(cluster: Cluster) -> None:
    for n in cluster.nodes.values():
        os.kill(n["pid"], signal.SIGKILL)
    time.sleep(0.1)
    cluster.up()
    cluster.asked = "n1"
    cluster.until("all in sync again", lambda: in_sync(cluster, 3))


def new_topics_are_described(cluster: Cluster) -> None:
    """At once and by every node, though leaders learn of their partitions one after the other."""
    for i in range(8):
        cluster.asked = "n1"
        cluster.call("topic", "create", f"new{i}", "--partitions", "3", "--replication", str(1 + i % 3))
        for node in ("n3", "n2", "n1"):
            cluster.asked = node
            found = json.loads(cluster.call("topic", "describe", f"new{i}", "-o", "json"))
            expect(f"new{i}, asked of {node}",
                   [(p["start"], p["end"], p["bytes"]) for p in found["partitions"]], [(0, 0, 0)] * 3)
    cluster.asked = "n1"


def groups_at_every_node(cluster: Cluster) -> None:
    """A group is kept by one node: every other one is told by it, and commits there."""
    for i, node in enumerate(cluster.nodes):
        cluster.asked = node
        cluster.call("topic", "consume", "t", "--group", f"by-{node}", "--partition", "0", "--from", "earliest", "--max", str(i + 1),
                     "--quiet")
    for node in cluster.nodes:
        cluster.asked = node
        listed = [g["id"] for g in json.loads(cluster.call("group", "ls", "-o", "json"))["groups"]]
        expect(f"groups, asked of {node}", [g for g in listed if g.startswith("by-")], ["by-n1", "by-n2", "by-n3"])
        for i, group in enumerate(("by-n1", "by-n2", "by-n3")):
            told = json.loads(cluster.call("group", "describe", group, "-o", "json"))
            expect(f"{group}, asked of {node}", [p["committed"] for p in told["positions"]], [41 + i])
    cluster.call("group", "delete", "by-n2")
    cluster.asked = "n1"
    listed = [g["id"] for g in json.loads(cluster.call("group", "ls", "-o", "json"))["groups"]]
    expect("groups, when one is deleted", [g for g in listed if g.startswith("by-")], ["by-n1", "by-n3"])


def not_ready_is_stopped_too(cluster: Cluster) -> None:
    """One of three has no majority, and so never becomes ready: what was started is stopped all the same."""
    up = subprocess.Popen([cluster.weir, "cluster", "up", "-n", "1", "--data-dir", str(cluster.data)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pid = 0
    try:
        file = cluster.data / "n1" / "process"
        cluster.until("the node is started", lambda: file.exists() and file.read_text().endswith("\n"))
        pid = int(file.read_text())
        up.kill()
        up.wait()
        if not pathlib.Path(f"/proc/{pid}").exists():
            raise SystemExit("the node ended with the command that started it")
        done = subprocess.run([cluster.weir, "cluster", "down", "--data-dir", str(cluster.data)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        expect("cluster down", (done.returncode, done.stderr), (0, b"1 nodes stopped\n"))
        cluster.until("it is gone", lambda: not pathlib.Path(f"/proc/{pid}").exists())
        pid = 0
    finally:
        up.kill()
        if pid and pathlib.Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)


class Follower:
    """weir topic consume --follow of partition 0, which began at one of the nodes."""

    def __init__(self, cluster: Cluster, node: str):
        self.output = cluster.dir / f"follower-{node}"
        self.process = subprocess.Popen(
            [cluster.weir, "topic", "consume", "t", "--partition", "0", "--from", "earliest", "--follow",
             "-o", "raw"], stdout=open(self.output, "wb"), stderr=subprocess.PIPE,
            env=dict(os.environ, WEIR_CLUSTER=cluster.nodes[node]["http"]))

    def lines(self) -> list:
        if self.process.poll() is not None:
            raise SystemExit(f"a reader ended: {self.process.stderr.read().decode()}")
        return self.output.read_text().split()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def alone_on_every_node(cluster: Cluster) -> None:
    """A topic of one replica with partitions on each node, also where one was starved for seconds and so carries less of others."""
    cluster.call("topic", "create", "alone", "--partitions", "12", "--replication", "1")

    def is_placed() -> bool:
        found = json.loads(cluster.call("topic", "describe", "alone", "-o", "json"))["partitions"]
        return {n for p in found for n in p["in_sync"]} == set(names(cluster))

    cluster.until("partitions on each node", is_placed)


def partitions_without_leader(cluster: Cluster, number: int) -> None:
    found = json.loads(cluster.call("topic", "describe", "alone", "-o", "json"))["partitions"]
    lost = [p for p in found if p["in_sync"] == [number]]
    if not lost:
        raise SystemExit(f"no partition was on node {number} alone: {found}")
    expect("partitions without a leader",
           [(p["leader"], p["start"], p["end"], p["bytes"]) for p in lost], [(None, None, None, None)] * len(lost))
    expect("partitions with one", [(p["start"], p["end"]) for p in found if p not in lost], [(0, 0)] * (12 - len(lost)))
    listed = json.loads(cluster.call("topic", "ls", "--sizes", "-o", "json"))["topics"]
    expect("records of what can be read", [t["records"] for t in listed if t["name"] in ("alone", "t")],
           [0, 60])


def main() -> None:
    cluster = Cluster(sys.argv[1])
    followers = []
    try:
        cluster.up()
        new_topics_are_described(cluster)
        cluster.call("topic", "create", "t", "--partitions", "1", "--replication", "3")
        lines = cluster.dir / "lines"
        lines.write_text("".join(f"{i}\n" for i in range(100)))
        cluster.call("topic", "produce", "t", str(lines))
        cluster.until("all in sync", lambda: in_sync(cluster, 3))
        cluster.call("topic", "trim", "t", "--partition", "0", "--before", "offset:40")
        # Not sooner: the answer itself says so.
        expect("on the disks", starts_on_disk(cluster), ["40\n"] * 3)

        n1 = Raw(Address(cluster.nodes["n1"]["kafka"]))
        expect("a quota", n1.alter("client-id", "slow", "producer_byte_rate", 50_000.0), 0)
        expect("one for a user by default", n1.alter("user", None, "consumer_byte_rate", 7_000.5), 0)
        expect("a quota that is none", n1.alter("group", "g", "producer_byte_rate", 1.0), 42)
        set_to = quotas(cluster, "n1")
        if b"slow" not in set_to:
            raise SystemExit(f"n1 does not tell its quotas: {set_to!r}")
        for node in ("n2", "n3"):
            cluster.until(f"{node} has the quotas", lambda: quotas(cluster, node) == set_to)

        # The system's own topics are on three nodes, too.
        cluster.call("topic", "consume", "t", "--group", "g", "--from", "earliest", "--max", "1", "--quiet")
        found = json.loads(cluster.call("topic", "describe", "__consumer_offsets", "-o", "json"))
        expect("replicas of groups' offsets", {len(p["replicas"]) for p in found["partitions"]}, {3})

        groups_at_every_node(cluster)

        leader = partition(cluster)["leader"]
        dies = names(cluster)[leader]
        followers = [Follower(cluster, n) for n in cluster.nodes]
        read = [str(i) for i in range(40, 100)]
        for f in followers:
            cluster.until("the records are read", lambda: f.lines() == read)
        alone_on_every_node(cluster)
        cluster.kill(dies)
        cluster.until("another leader",
                      lambda: partition(cluster).get("leader") not in (None, leader))
        p = partition(cluster)
        expect("the log", (p["start"], p["end"]), (40, 100))
        partitions_without_leader(cluster, leader)
        lines.write_text("".join(f"{i}\n" for i in range(100, 110)))
        cluster.call("topic", "produce", "t", str(lines))
        read += [str(i) for i in range(100, 110)]
        for f in followers:
            cluster.until("readers go on behind the new leader", lambda: f.lines() == read)
            f.end()
        cluster.up()
        cluster.until("all in sync again", lambda: in_sync(cluster, 3))

        kill_all(cluster)
        p = partition(cluster)
        expect("the log after all were killed", (p["start"], p["end"]), (40, 110))
        for node in cluster.nodes:
            cluster.until(f"{node} has the quotas", lambda: quotas(cluster, node) == set_to)
        n2 = Raw(Address(cluster.nodes["n2"]["kafka"]))
        expect("a removal", n2.alter("client-id", "slow", "producer_byte_rate", 0.0, True), 0)
        for node in cluster.nodes:
            cluster.until(f"{node} knows of the removal",
                          lambda: b"slow" not in quotas(cluster, node))
        cluster.down()
        not_ready_is_stopped_too(cluster)
    finally:
        for f in followers:
            f.process.kill()
        cluster.close()


if __name__ == "__main__":
    main()
