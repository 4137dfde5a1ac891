#!/usr/bin/env python3
"""What a node is told that cannot join as it was started, and what is seen of a cluster that lacks nodes: a folder of
another cluster, a name that a living node has, damaged metadata and the way out of it, no majority.

Usage: membership_test.py WEIR
"""
import signal
import socket
import sys
import time
import urllib.request

from nodes import Nodes
from ports import free_port


def listens(port: int) -> bool:
    with socket.socket() as s:
        s.settimeout(5)
        return s.connect_ex(("127.0.0.1", port)) == 0


def folder_of_another_cluster(nodes: Nodes) -> None:
    """--join with the folder of a cluster of its own is refused; without it the node is what it was."""
    own = nodes["own"].start().ready()
    own.stop()
    own.start(join=[nodes["b1"]])
    said = own.ends(2)
    for part in (f"--join {nodes['b1'].address('peers')} leads to another cluster than the one that {own.data} "
                 "belongs to", "in which it is the only node", "name another --data-dir", "leave --join out"):
        assert part in said, said
    assert "ready" not in said
    own.start().ready()
    assert nodes.alive("own") == ["own"] and nodes.alive("b1") == ["b1", "b2", "b3"]
    own.stop()
    # Its seeds are down: it cannot tell, and goes on with its cluster.
    nodes["nobody"].process = None
    own.start(join=[nodes["nobody"]]).ready()
    own.stop()


def seeds_of_another_cluster(nodes: Nodes) -> None:
    """A member of a real cluster says so and stays."""
    own = nodes["own"].start().ready()
    nodes["b3"].stop()
    nodes["b3"].start(join=[nodes["b1"], nodes["b2"], own]).ready()
    wrong = f"--join {own.address('peers')} leads to another cluster"
    nodes.until("b3 warns", lambda: wrong in nodes["b3"].said())
    assert "correct join" in nodes["b3"].said()
    assert nodes.alive("b3") == ["b1", "b2", "b3"]
    own.stop()


def name_of_a_living_node(nodes: Nodes) -> None:
    twin = nodes["twin"].start(join=[nodes["b1"], nodes["b2"]], name="b2")
    told = ("refuses this node: a node of the name 'b2' is alive (number 2, "
            f"{nodes['b2'].address('peers')}): give this one another --name, or stop that one")
    nodes.until("the twin is told", lambda: told in twin.said())
    assert [n["id"] for n in nodes.status("b1")["nodes"]] == ["b1", "b2", "b3"]
    assert twin.process.poll() is None and "ready" not in twin.said()
    twin.stop()


def leader_goes(nodes: Nodes) -> None:
    """Who leads the metadata and stops, or drains, has handed it on before: nobody has to miss it first."""
    names = ["b1", "b2", "b3"]
    gone = nodes.status("b1")["coordinator"]
    others = [n for n in names if n != gone]
    nodes[gone].stop()
    for n in others:
        status = nodes.status(n)
        assert status["majority"] and status["coordinator"] in others, status
        assert nodes.alive(n) == others, status
    nodes[gone].start(join=[nodes[n] for n in others]).ready()

    gone = nodes.status("b1")["coordinator"]
    others = [n for n in names if n != gone]
    nodes.call(others[0], "cluster", "drain", gone)
    status = nodes.status(others[0])
    drained = next(n for n in status["nodes"] if n["id"] == gone)
    assert not drained["votes"] and not drained["coordinates"] and status["coordinator"] in others, status
    nodes[gone].stop(signal.SIGKILL)
    for n in others:
        later = nodes.status(n)
        assert later["coordinator"] == status["coordinator"] and later["majority"], later
    nodes[gone].start(join=[nodes[n] for n in others]).ready()
    nodes.call(others[0], "cluster", "drain", gone, "--undo")
    nodes.until("three vote", lambda: nodes.votes(gone) == 3)


def drain_beside_a_dead_node(nodes: Nodes) -> None:
    """A vote is not given up while it is needed: the one that is gone goes first, and nothing stands still."""
    nodes.call("b1", "topic", "create", "kept", "--partitions", "4", "--replication", "3")
    nodes["b3"].stop(signal.SIGKILL)
    nodes.until("the loss is noticed", lambda: nodes.alive("b1") == ["b1", "b2"])
    done = nodes.call("b1", "cluster", "drain", "b2")
    status = nodes.status("b1")
    assert status["majority"] and status["coordinator"] == "b1", (status, done)
    assert [(n["id"], n["alive"], n["draining"], n["votes"]) for n in status["nodes"]] == [
        ("b1", True, False, True), ("b2", True, True, False), ("b3", False, False, False)], status
    refused = nodes.run("b1", "cluster", "drain", "b1")
    assert refused.returncode == 1 and "no other node is alive and stays" in refused.stderr, refused
    nodes["b2"].stop(signal.SIGKILL)
    nodes.until("the loss is noticed", lambda: nodes.alive("b1") == ["b1"])
    shown = nodes.call("b1", "cluster", "status", "-o", "csv").splitlines()
    alive = shown[0].split(",").index("alive")
    assert shown[2].split(",", alive)[alive].startswith('"false, draining"'), shown
    nodes.call("b1", "topic", "create", "later", "--partitions", "1")
    for name in ("b2", "b3"):
        nodes[name].start(join=[nodes["b1"]]).ready()
    nodes.call("b1", "cluster", "drain", "b2", "--undo")
    nodes.until("three vote", lambda: nodes.votes("b1") == 3)
    for name in ("kept", "later"):
        nodes.call("b1", "topic", "delete", name)
    nodes.until("all copies are there", lambda: nodes.status("b1")["partitions"]["under_replicated"] == 0)


def damaged_metadata(nodes: Nodes) -> None:
    """The message says what helps, and doing it helps."""
    b3, join = nodes["b3"], [nodes["b1"], nodes["b2"]]
    nodes.call("b1", "topic", "create", "t", "--partitions", "1", "--replication", "3")
    nodes.call("b1", "topic", "produce", "t", stdin="one\ntwo\n")
    b3.stop(signal.SIGKILL)
    file = b3.data / "metadata" / "data.mdb"
    file.write_bytes(b"\xff" * 8192 + file.read_bytes()[8192:])
    b3.start(join=join)
    said = b3.ends(1)
    advice = (f"move {b3.data} away, start the node with --join as a new one", "weir cluster forget")
    assert all(part in said for part in ("the log of the cluster's metadata", "damaged at page", *advice)), said
    assert "--fresh" not in said, said
    # Without its votes it must not come back as the same member.
    (b3.data / "metadata").rename(nodes.dir / "metadata-away")
    b3.start(join=join)
    said = b3.ends(1)
    assert f"{b3.data}/metadata is missing, though this node is a member of cluster" in said, said
    assert all(part in said for part in advice), said

    b3.data.rename(nodes.dir / "b3-away")
    b3.start(join=join).ready()
    status = nodes.status("b1")
    named = {n["node"]: (n["id"], n["alive"], n["replaced_by"]) for n in status["nodes"]}
    new = max(named)
    assert new > 3 and named == {1: ("b1", True, None), 2: ("b2", True, None), 3: ("b3", False, new),
                                 new: ("b3", True, None)}, named
    warned = nodes.run("b1", "cluster", "status")
    assert warned.returncode == 0 and (
        f"node 3 (b3) is gone, and node {new} has its name: when its disk is lost for good, weir cluster drain 3 and "
        "weir cluster forget 3") in warned.stderr, warned.stderr
    # The name alone means the living one when it is drained, the gone one when it is forgotten.
    refused = nodes.run("b1", "cluster", "forget", "b3")
    assert refused.returncode == 1 and "node 3 has replicas of topic 't': drain it first" in refused.stderr, refused
    nodes.call("b1", "cluster", "drain", "3")
    nodes.call("b1", "cluster", "forget", "b3")
    assert [(n["node"], n["alive"]) for n in nodes.status("b1")["nodes"]] == [(1, True), (2, True), (new, True)]
    nodes.until("all copies are there", lambda: nodes.status("b1")["partitions"]["under_replicated"] == 0)
    assert nodes.call("b3", "topic", "consume", "t", "-o", "raw").split() == ["one", "two"]
    nodes.until("three vote", lambda: nodes.votes("b1") == 3)


def no_majority(nodes: Nodes) -> None:
    whole = nodes.run("b1", "cluster", "status")
    assert whole.stderr == "", whole.stderr
    status = nodes.status("b1")
    assert status["majority"] is True and status["view_age_ms"] == 0, status
    assert status["coordinator"] in ("b1", "b2", "b3"), status
    for name in ("b2", "b3"):
        nodes[name].stop(signal.SIGKILL)
    nodes.until("b1 sees that nobody leads", lambda: nodes.status("b1")["majority"] is False)
    time.sleep(1)
    status = nodes.status("b1")
    assert status["coordinator"] is None and status["view_age_ms"] > 900, status
    shown = nodes.run("b1", "cluster", "status", "-o", "table")
    assert shown.returncode == 0 and "b2" in shown.stdout, shown
    assert "weir: nobody coordinates: the node that was asked hears no majority of those that vote (b1, b2, b3). All " \
        "below is as of " in shown.stderr, shown.stderr
    # Other verbs say it, too, in one line, once it is more than an election.
    nodes.until("the view is old", lambda: nodes.status("b1")["view_age_ms"] > 2500)
    for verb in (("job", "ls"), ("topic", "ls"), ("cluster", "status")):
        said = nodes.run("b1", *verb).stderr
        assert said.count("nobody coordinates") == 1 and said.count("\n") == 1, (verb, said)
    metrics = urllib.request.urlopen(f"http://{nodes['b1'].address('http')}/metrics", timeout=5).read().decode()
    assert "\nweir_cluster_majority 0\n" in metrics and "\nweir_cluster_coordinates 0\n" in metrics, metrics


def few_lines(nodes: Nodes) -> None:
    """Two seeds that are down, asked five times a second: a line for each."""
    b1 = nodes["b1"]
    b1.stop(signal.SIGKILL)
    b1.start(join=[nodes["b2"], nodes["b3"]])
    nodes.until("it says why it waits", lambda: b1.said().count("cannot join by") >= 2)
    time.sleep(2)
    lines = [line for line in b1.said().splitlines() if "cannot join by" in line]
    assert len(lines) == 2, lines
    for name in ("b2", "b3"):
        nodes[name].start(join=[b1])
    for name in ("b1", "b2", "b3"):
        nodes[name].ready()


def main() -> None:
    with Nodes(sys.argv[1]) as nodes:
        actors, rows = free_port(), free_port()
        b1 = nodes["b1"].start("--actors-port", str(actors), "--rows-port", str(rows)).ready()
        assert listens(actors) and listens(rows)
        for name in ("b2", "b3"):
            nodes[name].start(join=[b1]).ready()
        nodes.until("three vote", lambda: nodes.votes("b1") == 3)
        for test in (folder_of_another_cluster, seeds_of_another_cluster, name_of_a_living_node, leader_goes,
                     drain_beside_a_dead_node, damaged_metadata, no_majority, few_lines):
            began = time.monotonic()
            test(nodes)
            print(f"{test.__name__}: ok ({time.monotonic() - began:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
