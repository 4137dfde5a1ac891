#!/usr/bin/env python3
"""Builds that do not understand each other: a member that is started again with another build, and a new node of
that build, are refused with a message that names both builds and what to do, on both sides; the cluster
goes on without them, and takes the member back when it runs the right build again. A build that was declared to get
on with that of the others is taken, works beside it, and takes its place node by node.

Usage: builds_test.py WEIR OTHER_BUILD
"""
import os
import re
import subprocess
import sys
import time

from nodes import Nodes

CLEAR = "builds of weir that do not understand each other: here "
TO_DO = "start the same build on all nodes"
COPY = """CREATE TABLE t (v text) WITH (connector = 'topic', topic = 't', format = 'raw');
CREATE TABLE u (v text) WITH (connector = 'topic', topic = 'u', format = 'raw');
INSERT INTO u SELECT v FROM t;
"""


def name_of(weir: str) -> str:
    """"weir 0.1.0 (format 4, messages 0123456789abcdef)", as it says itself."""
    told = subprocess.run([weir, "node", "--print-wire"], capture_output=True, text=True, check=True).stdout
    assert "weir::deploy_message " in told, "what the hash is made of comes behind it"
    return told.splitlines()[0]


def main() -> None:
    weir, other = sys.argv[1:]
    mine, theirs = name_of(weir), name_of(other)
    assert mine != theirs and mine.startswith("weir ") and theirs.startswith("weir "), (mine, theirs)
    with Nodes(weir) as nodes:
        nodes.three("n1", "n2", "n3")
        nodes.call("n1", "topic", "create", "t", "--partitions", "1", "--replication", "3")
        nodes.call("n1", "topic", "produce", "t", stdin="before\n")
        nodes["n3"].stop()
        nodes.until("n3 is given up", lambda: nodes.alive("n1") == ["n1", "n2"])

        join = [nodes["n1"], nodes["n2"]]
        asking_since = time.monotonic()
        nodes["n3"].start(join=join, weir=other)
        nodes["n4"].start(join=join, weir=other)
        for name in ("n3", "n4"):
            here = f"refuses this node: {CLEAR}{mine}, there {theirs}; {TO_DO}"
            nodes.until(f"{name} is told", lambda: here in nodes[name].said())
        there = f"{CLEAR}{mine}, there {theirs}; {TO_DO}"
        nodes.until("a member says it too",
                    lambda: any("refused node n4 at " in n.said() and there in n.said() for n in join))
        asked = nodes.run("n3", "cluster", "status")
        assert asked.returncode == 1 and CLEAR in asked.stderr, asked

        # The cluster goes on, without them.
        nodes.call("n2", "topic", "produce", "t", stdin="meanwhile\n")
        assert nodes.alive("n1") == ["n1", "n2"] and len(nodes.status("n1")["nodes"]) == 3
        assert nodes.call("n1", "topic", "consume", "t", "-o", "raw").split() == ["before", "meanwhile"]
        for name in ("n3", "n4"):
            assert nodes[name].process.poll() is None and "ready " not in nodes[name].said()
        # They ask several times a second; of each cause (by node: at most four) one line in ten seconds is written.
        for n in nodes.all.values():
            lines = [line for line in n.said().splitlines() if CLEAR in line]
            tens = int((time.monotonic() - asking_since) / 10) + 1
            assert len(lines) <= 4 * tens, (tens, lines)

        for name in ("n3", "n4"):
            nodes[name].stop()
        nodes["n3"].start(join=join).ready()
        nodes.until("n3 is back", lambda: nodes.alive("n1") == ["n1", "n2", "n3"])
        nodes.call("n3", "topic", "produce", "t", stdin="after\n")
        assert nodes.call("n3", "topic", "consume", "t", "-o", "raw").split() == ["before", "meanwhile", "after"]
        compatible(nodes, mine, other)


def compatible(nodes: Nodes, mine: str, other: str) -> None:
    """Node by node into a build that knows the others', which do not know it; meanwhile they work side by side, and a
    job runs on all of them."""
    os.environ["WEIR_COMPATIBLE_WITH"] = re.search(r"messages ([0-9a-f]{16})", mine)[1]
    job = nodes.dir / "copy.sql"
    job.write_text(COPY)
    nodes.call("n1", "topic", "create", "u", "--partitions", "3", "--replication", "3")
    nodes.call("n1", "job", "submit", str(job), "-p", "3", "--snapshot-interval", "200ms")
    names, written = ["n1", "n2", "n3"], ["before", "meanwhile", "after"]
    for name in reversed(names):
        others = [nodes[n] for n in names if n != name]
        nodes[name].stop()
        nodes[name].start(join=others, weir=other).ready()
        for n in names:
            nodes.until(f"{n} sees all", lambda: nodes.alive(n) == names)
        written.append(f"by {name}")
        nodes.call(name, "topic", "produce", "t", stdin=f"by {name}\n")
        read = nodes.call(others[0].name, "topic", "consume", "t", "-o", "raw").splitlines()
        assert read == written, read
        nodes.until("the job has copied all", lambda: sorted(
            nodes.call("n2", "topic", "consume", "u", "-o", "raw").splitlines()) == sorted(written))
    assert CLEAR not in "".join(nodes[n].said() for n in names)


if __name__ == "__main__":
    main()
