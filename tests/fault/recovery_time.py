#!/usr/bin/env python3
"""How long the loss of a node holds up a job with much state: three local processes, a keyed
aggregation whose state is built first and then updated at a steady rate with a snapshot a second,
kill -9 of a node that has tasks. One CSV line a run; the job then runs to its end, and its totals
over all keys have to be exact.

Usage: recovery_time.py WEIR [--state 1GiB] [--kill plain|master] [--lose-disk] [--runs N]

  noticed     s from the kill until the job says that it restarts (of the master's node: until
              another node has the job)
  first_row   s from there until a restored task that has the state takes rows
  caught_up   until the sources have read past what they had read before the kill (they re-read at
              their steady rate, up to a second's rows)
  epoch       until the first epoch after the loss is complete
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster_test import Cluster  # noqa: E402

BYTES_PER_KEY = 100  # of this aggregation, in memory, index and all: measured
RATE = 20_000  # rows a second, once the state is built
STEADY_SECONDS = 4
LIMIT_SECONDS = 200
JOB = """
CREATE TABLE build (n bigint) WITH (connector = 'sequence', start = 1, "end" = {keys});
CREATE TABLE steady (n bigint)
  WITH (connector = 'sequence', start = {first}, "end" = {last}, rate = {rate});
CREATE TABLE totals (keys bigint, rows decimal(38, 0), total decimal(38, 0), squares decimal(38, 0),
                     low decimal(38, 0), high decimal(38, 0), by_key decimal(38, 0))
  WITH (connector = 'file', path = '{out}', format = 'csv', emit = 'final');
INSERT INTO totals
  SELECT count(*), sum(c), sum(s), sum(c * c), sum(low), sum(high), sum(k * c)
  FROM (SELECT k, count(*) AS c, sum(n) AS s, min(n) AS low, max(n) AS high
        FROM (SELECT n % {keys} AS k, n FROM build UNION ALL SELECT n % {keys}, n FROM steady) AS r
        GROUP BY k) AS per_key;
"""


def expected(keys: int, last: int) -> list:
    """The row of totals for n from 1 to `last`, where key k gets every n with n % keys = k."""
    rounds, rest = divmod(last, keys)  # the first `rest` keys from 1 on have one row more
    squares = rest * (rounds + 1) ** 2 + (keys - rest) * rounds ** 2
    low = keys * (keys + 1) // 2
    high = last * keys - keys * (keys - 1) // 2  # the last `keys` numbers
    by_key = rounds * (keys * (keys - 1) // 2) + rest * (rest + 1) // 2
    return [keys, last, last * (last + 1) // 2, squares, low, high, by_key]


class Watch:
    """The job as an untouched node tells it, by HTTP, as often as it answers."""

    def __init__(self, cluster: Cluster, job: str):
        self.cluster, self.job = cluster, job

    def look(self):
        http = self.cluster.nodes[self.cluster.asked]["http"]
        try:
            with urllib.request.urlopen(f"http://{http}/jobs/{self.job}", timeout=2) as answer:
                return json.loads(answer.read())
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return None  # its master is away

    def until(self, what: str, condition):
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            d = self.look()
            if d and d["state"] == "failed":
                raise SystemExit(f"the job failed: {d['error']}{self.cluster.logs()}")
            got = d and condition(d)
            if got:
                return got
            time.sleep(0.01)
        raise SystemExit(f"in vain: {what}: {json.dumps(self.look())[:2000]}{self.cluster.logs()}")


def operators(d: dict):
    return ((t, o) for t in d["tasks"] for o in t["operators"])


def rows_read(d: dict, source: str) -> int:
    return sum(o["rows_out"] for _, o in operators(d) if source in o["operator"])


def state_bytes(d: dict) -> int:
    return sum(o["state_bytes"] for _, o in operators(d))


def started_anew(d: dict, before: dict) -> list:
    """Reports of tasks of deployments after the loss. The job is one region; another master counts
    its attempts anew."""
    if d["master"] != before["master"]:
        return d["tasks"] if d["restarts"] > before["restarts"] else []
    old = {t["task"]: t["attempt"] for t in before["tasks"]}
    return [t for t in d["tasks"] if t["attempt"] > old[t["task"]]]


def with_state(d: dict, before: dict) -> list:
    """Those of them that hold state."""
    big = {t["task"] for t in before["tasks"]
           if sum(o["state_bytes"] for o in t["operators"]) > state_bytes(before) / 50}
    return [t for t in started_anew(d, before) if t["task"] in big]


def run(o, weir: str) -> dict:
    cluster = Cluster(weir)
    try:
        answer = cluster.call("cluster", "up", "-n", "3", "--data-dir", str(cluster.data), "--memory",
                              o.memory, "-o", "json")
        cluster.nodes = {n["id"]: n for n in json.loads(answer)["nodes"]}
        keys = o.state_bytes // BYTES_PER_KEY
        last = keys + RATE * o.steady
        out = cluster.dir / "out"
        file = cluster.dir / "totals.sql"
        file.write_text(JOB.format(keys=keys, first=keys + 1, last=last, rate=RATE, out=out))
        # A task of the aggregate on every node: whichever is lost, a third of the state is.
        job = json.loads(cluster.call("job", "submit", str(file), "-p", "3", "--snapshot-interval", "1s",
                                      "-o", "json"))["id"]
        watch = Watch(cluster, job)
        watch.until("the state is built", lambda d: rows_read(d, "build") >= keys)
        epoch = watch.until("a description", lambda d: d)["epoch"]
        steady = watch.until("a steady state", lambda d: d["epoch"] >= epoch + 3 and d)
        began, seen = time.monotonic(), {}
        while time.monotonic() - began < STEADY_SECONDS or steady["epoch"] < epoch + 6:
            steady = watch.look() or steady
            seen.setdefault(steady["epoch"], rows_read(steady, "steady"))
            time.sleep(0.02)
        used = {t["node"] for t in steady["tasks"]}
        master = steady["master"]
        node = master if o.kill == "master" else sorted(used - {master})[0]
        cluster.asked = sorted(set(cluster.nodes) - {node, master})[0]
        # What had surely not been read when the newest complete epoch's barrier passed.
        to_read = rows_read(steady, "steady") - seen[max(seen) - 1]
        load = os.getloadavg()[0]
        cluster.kill(node)
        killed = time.monotonic()
        if o.lose_disk:
            shutil.rmtree(cluster.data / node)
        restarts = steady["restarts"]
        watch.until("the loss is noticed", lambda d: d["restarts"] > restarts or
                    d["master"] not in (master, "", None) or d["state"] == "restarting")
        noticed = time.monotonic()
        watch.until("rows", lambda d: any(op["rows_in"] for t in with_state(d, steady)
                                          for op in t["operators"]))
        first_row = time.monotonic()
        found = {}

        def later(d: dict) -> bool:
            fresh = started_anew(d, steady)
            now = sum(op["rows_out"] for t in fresh for op in t["operators"]
                      if "steady" in op["operator"])
            if now >= to_read:
                found.setdefault("caught_up", time.monotonic())
            if d["epoch"] > max(seen) + 1 or (d["epoch"] > steady["epoch"] and fresh):
                found.setdefault("epoch", time.monotonic())
            return len(found) == 2

        watch.until("the next epoch", later)
        line = {"state_mib": state_bytes(steady) >> 20, "kill": o.kill, "disk_lost": int(o.lose_disk),
                "noticed": noticed - killed, "first_row": first_row - noticed,
                "caught_up": found["caught_up"] - noticed, "epoch": found["epoch"] - noticed,
                "load": load}
        print(",".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in line.values()),
              flush=True)
        if o.logs:
            print(cluster.logs(), file=sys.stderr)
        watch.until("the end", lambda d: d["state"] == "finished")
        rows = [r for p in out.glob("*.csv") for r in p.read_text().splitlines()]
        if rows != [",".join(map(str, expected(keys, last)))]:
            raise SystemExit(f"{rows} instead of {expected(keys, last)}")
        return line
    finally:
        cluster.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("weir")
    parser.add_argument("--state", default="1GiB", help="in KiB, MiB or GiB")
    parser.add_argument("--kill", choices=["plain", "master"], default="plain")
    parser.add_argument("--lose-disk", action="store_true")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--memory", default="4GiB", help="of each node")
    parser.add_argument("--steady", type=int, default=60, help="s of rows at the steady rate")
    parser.add_argument("--limit", type=float, help="s that processing may take to be back")
    parser.add_argument("--logs", action="store_true", help="the nodes' logs to stderr")
    o = parser.parse_args()
    unit = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[o.state[-3:]]
    o.state_bytes = int(float(o.state[:-3]) * unit)
    print("state_mib,kill,disk_lost,noticed_s,first_row_s,caught_up_s,epoch_s,load")
    for _ in range(o.runs):
        line = run(o, o.weir)
        if o.limit and (line["noticed"] > 3 or line["caught_up"] > o.limit):
            raise SystemExit(f"processing is back too late: {line}")
    print(f"exact: {o.runs} runs")


if __name__ == "__main__":
    main()
