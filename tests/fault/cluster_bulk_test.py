#!/usr/bin/env python3
"""Nodes die while many rows are on their way between them: three local processes, a job of which
nearly every row crosses, kill -9 of a node in the middle of bulk data again and again; every key's
count and sum are those of an undisturbed run.

Usage: cluster_bulk_test.py WEIR [--kills N] [--rows N]
"""
import argparse
import pathlib
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster_test import Cluster  # noqa: E402

KEYS = 300_000  # more than a pre-aggregation keeps: its rows go as they are
JOB = """name: bulk
tables:
  numbers: {{columns: {{n: bigint}}, with: {{connector: sequence, start: 1, end: {rows}}}}}
  sums:
    columns: {{k: bigint, c: bigint, s: 'decimal(38,0)'}}
    with: {{connector: file, path: {out}, format: csv}}
steps:
  - {{name: rows, from: numbers, select: {{k: "n % {keys}", n: n}}}}
  - {{name: by_key, from: rows, key: k, aggregate: {{c: count(*), s: sum(n)}}, emit: final}}
sinks:
  - {{from: by_key, into: sums}}
"""


def data_bytes(cluster: Cluster) -> int:
    """What all nodes that answer have got from others, over connections for rows."""
    total = 0
    for node in cluster.nodes.values():
        try:
            text = urllib.request.urlopen(f"http://{node['http']}/metrics", timeout=5).read().decode()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines()
                     if line.startswith("weir_data_bytes_in_total "))
    return total


def check(out: pathlib.Path, rows: int, what: str) -> None:
    got = {}
    for part in out.glob("*.csv"):
        for line in part.read_text().splitlines():
            k, c, s = map(int, line.split(","))
            if k in got:
                raise SystemExit(f"{what}: key {k} came out twice")
            got[k] = (c, s)
    if len(got) != KEYS:
        raise SystemExit(f"{what}: {len(got)} keys of {KEYS}")
    for k in range(KEYS):
        first = k if k else KEYS
        count = (rows - first) // KEYS + 1
        total = count * first + KEYS * count * (count - 1) // 2
        if got[k] != (count, total):
            raise SystemExit(f"{what}: key {k} has {got[k]}, not {(count, total)}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("weir")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--rows", type=int, default=150_000_000)
    o = parser.parse_args()
    cluster = Cluster(o.weir)
    try:
        cluster.up()
        out = cluster.dir / "out"
        job = cluster.dir / "bulk.yaml"
        job.write_text(JOB.format(rows=o.rows, out=out, keys=KEYS))
        id_ = cluster.call("job", "submit", str(job), "--snapshot-interval", "200ms").strip()
        killed = hit = 0
        while killed < o.kills:
            cluster.until("all nodes are there", lambda: len(cluster.alive()) == 3)
            # Rows are on their way: a few megabytes since the last start, and more every moment.
            before = data_bytes(cluster)
            cluster.until("rows cross",
                          lambda: data_bytes(cluster) > before + 4_000_000 or ended(cluster, id_))
            if ended(cluster, id_):
                break
            node = list(cluster.nodes)[killed % 3]
            cluster.kill(node)
            killed += 1
            began = time.monotonic()
            cluster.until("the loss is noticed", lambda: node not in cluster.alive())
            cluster.up()
            if ended(cluster, id_):
                break
            hit += 1
            epoch = cluster.describe(id_)["epoch"]
            cluster.until("an epoch after the loss",
                          lambda: cluster.describe(id_)["epoch"] > epoch or ended(cluster, id_))
            print(f"killed {node} amid rows: the next epoch is complete after "
                  f"{time.monotonic() - began:.1f} s", flush=True)
        if hit == 0:
            raise SystemExit("the job ended before a node was killed: give it more --rows")
        cluster.wait(id_)
        check(out, o.rows, f"{killed} kills")
        print(f"bulk data: ok, {killed} kills, the job was not over behind {hit}")
        cluster.down()
    finally:
        cluster.close()


def ended(cluster: Cluster, job: str) -> bool:
    return cluster.describe(job)["state"] == "finished"


if __name__ == "__main__":
    main()
