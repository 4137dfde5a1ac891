#!/usr/bin/env python3
"""The node of a job's master dies by kill -9 while the job's pipelines run on three nodes: another node's master takes
the others over as they are (their attempt stays, their counters grow), only what ran on the dead node starts anew, and
every row is published once. Prints how long it takes until the next epoch is complete.

Usage: master_failover_test.py WEIR
"""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster_test import Cluster  # noqa: E402

JOB = """name: pipelines
tables:
  t: {{columns: {{k: text}}, with: {{connector: file, path: "{folder}/in/*.csv", format: csv, rate: 1000}}}}
  out: {{with: {{connector: file, path: "{folder}/out", format: csv}}}}
sinks:
  - {{from: t, into: out}}
"""
ROWS, BACK_SECONDS_MAX = 8_000, 15


def tasks(cluster: Cluster, job: str) -> dict:
    """Of all three tasks what their nodes have said last."""
    found = {}
    cluster.until("reports of all tasks", lambda: len(found.update(
        {t["task"]: t for t in cluster.describe(job)["tasks"] if t["node"]}) or found) == 3)
    return found


def main() -> None:
    cluster = Cluster(sys.argv[1])
    try:
        cluster.up()
        (cluster.dir / "in").mkdir()
        for f in "abc":
            (cluster.dir / "in" / f"{f}.csv").write_text("".join(f"{f}{n}\n" for n in range(ROWS)))
        (cluster.dir / "job.yaml").write_text(JOB.format(folder=cluster.dir))
        job = json.loads(cluster.call("job", "submit", str(cluster.dir / "job.yaml"), "-p", "3",
                                      "--snapshot-interval", "200ms", "-o", "json"))["id"]
        cluster.more_epochs(job, 3)
        before = tasks(cluster, job)
        master = cluster.describe(job)["master"]
        epoch = cluster.describe(job)["epoch"]
        cluster.kill(master)
        took = time.monotonic()
        cluster.until("another master", lambda: cluster.describe(job)["master"] not in (None, master))
        cluster.more_epochs(job, 1)
        took = time.monotonic() - took
        after, d = tasks(cluster, job), cluster.describe(job)
        healthy = [t for t in before.values() if t["node"] != master]
        if len(healthy) != 2:
            raise SystemExit(f"the pipelines are not on three nodes: {before}")
        for t in healthy:
            now = after[t["task"]]
            if (now["node"], now["attempt"]) != (t["node"], t["attempt"]):
                raise SystemExit(f"a healthy task was restarted: {t} {now}{cluster.logs()}")
        if d["restarts"] != 1 or d["epoch"] <= epoch:
            raise SystemExit(f"{d}{cluster.logs()}")
        print(f"killed {master}: the next epoch is complete after {took:.1f} s", flush=True)
        if took > BACK_SECONDS_MAX:
            raise SystemExit(f"the job is back after {took:.1f} s{cluster.logs()}")
        cluster.wait(job)
        got = sorted(row for p in (cluster.dir / "out").glob("*.csv")
                     for row in p.read_text().splitlines())
        if got != sorted(f"{f}{n}" for f in "abc" for n in range(ROWS)):
            raise SystemExit(f"{len(got)} rows instead of {3 * ROWS}")
        print(f"master failover: ok, 2 of 3 pipelines went on, {len(got)} rows, each once")
        cluster.down()
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
