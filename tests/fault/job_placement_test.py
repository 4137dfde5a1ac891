#!/usr/bin/env python3
"""Where a job's tasks are, on three nodes: those of a source of topics beside the leaders of its
partitions, as many as each leads in proportion, and they read what is led there; `job describe` says
why a task is where it is.

Usage: job_placement_test.py WEIR
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster_test import Cluster  # noqa: E402

JOB = """name: ${TOPIC}
tables:
  lines: {columns: {k: text, n: bigint},
          with: {connector: topic, topic: "${TOPIC}", format: csv, until: latest}}
  out: {with: {connector: file, path: "${OUT}", format: csv}}
steps:
  - {name: sums, from: lines, key: k, aggregate: {c: count(*), total: sum(n)}, emit: final}
sinks:
  - {from: sums, into: out}
"""
BESIDE = "partitions that it reads are led there"


def size(partition: int) -> int:
    """Rows of a partition: each has another number."""
    return 400 + 100 * partition


def expect(what: str, found, wanted) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


class Placement(Cluster):
    def leaders(self, topic: str) -> list:
        """Names of the nodes that lead the topic's partitions, by partition."""
        names = {n["node"]: n["id"] for n in
                 json.loads(self.call("cluster", "status", "-o", "json"))["nodes"]}
        partitions = json.loads(self.call("topic", "describe", topic, "-o", "json"))["partitions"]
        return [names[p["leader"]] for p in partitions]

    def is_led(self, topic: str, partitions: int) -> bool:
        try:
            return len(self.leaders(topic)) == partitions
        except SystemExit:  # its leaders have not heard of it yet
            return False

    def topic(self, name: str, partitions: int) -> None:
        self.call("topic", "create", name, "--partitions", str(partitions), "--replication", "3")
        self.until(f"leaders of {name}", lambda: self.is_led(name, partitions))
        for p in range(partitions):
            lines = self.dir / f"{name}-{p}.csv"
            lines.write_text("".join(f"k{n % 7},{n}\n" for n in range(size(p))))
            self.call("topic", "produce", name, str(lines), "--partition", str(p))

    def run_job(self, topic: str, partitions: int, parallelism: int) -> dict:
        file = self.dir / "job.yaml"
        file.write_text(JOB)
        out = self.dir / f"{topic}-{parallelism}"
        job = json.loads(self.call("job", "submit", str(file), "--set", f"TOPIC={topic}", "--set",
                                   f"OUT={out}", "-p", str(parallelism), "-o", "json"))["id"]
        d = self.wait(job)
        got = sorted(r for part in out.glob("*.csv") for r in part.read_text().splitlines())
        of = [[n for p in range(partitions) for n in range(k, size(p), 7)] for k in range(7)]
        expect(f"sums of {topic}", got, sorted(f"k{k},{len(n)},{sum(n)}" for k, n in enumerate(of)))
        return d

    @staticmethod
    def sources(job: dict) -> list:
        return [t for t in job["tasks"] if any(o["operator"] == "source/lines" for o in t["operators"])]


def main() -> None:
    c = Placement(sys.argv[1])
    try:
        c.up()
        c.topic("one", 1)
        c.topic("six", 6)
        led = c.leaders("one")
        tasks = c.sources(c.run_job("one", 1, 1))
        expect("beside the only partition", [(t["node"], t["placed"]) for t in tasks],
               [(led[0], BESIDE)])
        # With more tasks than partitions one of them is there, and the others wherever there is room.
        tasks = c.sources(c.run_job("one", 1, 3))
        expect("one of three", [t["node"] for t in tasks if t["placed"] == BESIDE], led)
        expect("the others", len({t["node"] for t in tasks}), 3)

        led = c.leaders("six")
        tasks = c.sources(c.run_job("six", 6, 6))
        expect("why they are there", {t["placed"] for t in tasks}, {BESIDE})
        read = sorted((t["node"], sum(o["rows_out"] for o in t["operators"] if o["operator"] == "source/lines"))
                      for t in tasks)
        expect("each reads a partition that is led there", read,
               sorted((node, size(p)) for p, node in enumerate(led)))
        print("placement: ok")
        c.down()
    finally:
        c.close()


if __name__ == "__main__":
    main()
