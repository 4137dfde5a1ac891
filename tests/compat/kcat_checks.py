#!/usr/bin/env python3
"""What people type with kcat.

Usage: kcat_checks.py WEIR [CHECK...]
"""
import json
import subprocess
import sys

from node import Node, run_checks


def kcat(address, *options, given=None):
    done = subprocess.run(["kcat", "-b", address, *options], input=given, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def codecs(address):
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        lines = "".join(f"k{i}:v{i}\n" for i in range(500))
        kcat(address, "-P", "-t", codec, "-K:", "-z", codec, "-H", "unit=m", given=lines)
        got = kcat(address, "-C", "-t", codec, "-e", "-q", "-f", "%k:%s %h %o\n").splitlines()
        assert got == [f"k{i}:v{i} unit=m {i}" for i in range(500)], (codec, got[:3])


def from_a_place(address):
    kcat(address, "-P", "-t", "place", given="".join(f"{i}\n" for i in range(100)))
    assert kcat(address, "-C", "-t", "place", "-o", "90", "-e", "-q").split() == \
        [str(i) for i in range(90, 100)]
    assert kcat(address, "-C", "-t", "place", "-o", "-3", "-e", "-q").split() == ["97", "98", "99"]
    assert kcat(address, "-C", "-t", "place", "-c", "2", "-q").split() == ["0", "1"]
    assert kcat(address, "-Q", "-t", "place:0:-1").strip() == "place [0] offset 100"
    assert kcat(address, "-Q", "-t", "place:0:-2").strip() == "place [0] offset 0"


def group(address):
    kcat(address, "-P", "-t", "grouped", given="a\nb\nc\n")
    first = kcat(address, "-G", "kcats", "-c", "2", "-q", "-o", "beginning", "grouped").split()
    rest = kcat(address, "-G", "kcats", "-e", "-q", "grouped").split()
    assert (first, rest) == (["a", "b"], ["c"]), (first, rest)


def metadata(address):
    kcat(address, "-P", "-t", "seen", given="x\n")
    told = json.loads(kcat(address, "-L", "-J"))
    assert [b["name"] for b in told["brokers"]] == [address]
    topics = {t["topic"]: t["partitions"] for t in told["topics"]}
    leader = told["brokers"][0]["id"]
    assert topics["seen"] == [{"partition": 0, "leader": leader, "replicas": [{"id": leader}],
                               "isrs": [{"id": leader}]}]


if __name__ == "__main__":
    with Node(sys.argv[1]) as weir:
        code = run_checks([codecs, from_a_place, group, metadata], weir.address, sys.argv[2:])
    sys.exit(code)
