"""Nodes (nodes.py) with racks and settings, of which all know each other, as Kafka's clients and `weir`'s verbs see them."""
import json
import pathlib
import signal
import subprocess
import time

from nodes import Node, Nodes

BALANCED_SECONDS = 7  # without a move: nodes look every five seconds
SETTINGS = {"offsets.topic.num.partitions": 4, "transaction.state.log.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 100, "min.insync.replicas": 2}


def expect(what: str, found, wanted) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


class KafkaNode(Node):
    def __init__(self, nodes: "KafkaNodes", name: str, rack: str):
        super().__init__(nodes, name)
        self.rack, self.weir = rack, nodes.weir

    @property
    def kafka(self) -> str:
        return self.address("kafka")

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def begin(self) -> "KafkaNode":
        """Does not wait for anything."""
        options = ["--rack", self.rack] if self.rack else []
        for setting, value in self.nodes.settings.items():
            options += ["--broker-config", f"{setting}={value}"]
        return self.start(*options, join=[n for n in self.nodes.all.values() if n is not self], weir=self.weir)

    def end(self, how: int = signal.SIGTERM) -> None:
        if not self.runs:
            raise SystemExit(f"{self.name} ended by itself:{self.nodes.logs()}")
        self.stop(how)
        if how == signal.SIGTERM:
            expect(f"{self.name} stops with", self.process.returncode, 0)


class KafkaNodes(Nodes):
    """`racks`: those of n1, n2 and so on."""

    def __init__(self, weir: str, racks, settings=None):
        super().__init__(str(pathlib.Path(weir).resolve()))
        self.settings = {**SETTINGS, **(settings or {})}
        for rack in racks:
            self.add(rack)

    def add(self, rack: str = "") -> KafkaNode:
        name = f"n{len(self.all) + 1}"
        self.all[name] = KafkaNode(self, name, rack)
        return self.all[name]

    def begin(self) -> None:
        for n in self.all.values():
            n.begin()
        for n in self.all.values():
            n.ready()
        self.until("all nodes live", lambda: sum(n["alive"] for n in self.state()["nodes"]) == len(self.all))
        # An odd number, five at most: before that fewer losses than one would think leave no majority.
        voters = min(5, len(self.all) - (len(self.all) + 1) % 2)
        self.until(f"{voters} vote", lambda: sum(n["votes"] for n in self.state()["nodes"]) == voters)

    # ---- Questions and orders: to the first node that runs. ----

    @property
    def bootstrap(self) -> str:
        return ",".join(n.kafka for n in self.all.values())

    def try_order(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.run(next(n.name for n in self.all.values() if n.runs), *arguments)

    def order(self, *arguments: str) -> str:
        return self.call(next(n.name for n in self.all.values() if n.runs), *arguments)

    def state(self) -> dict:
        return json.loads(self.order("cluster", "status", "-o", "json"))

    def logs(self) -> str:
        return f"\n{self.try_order('cluster', 'status', '-o', 'json').stdout}{super().logs()}"

    def numbers(self) -> dict:
        """Of the nodes, as Kafka's clients know them, by name."""
        return {n["id"]: n["node"] for n in self.state()["nodes"]}

    def create(self, topic: str, partitions: int, replication: int, **configs) -> None:
        sets = [a for k, v in configs.items() for a in ("--set", f"{k.replace('_', '.')}={v}")]
        self.order("topic", "create", topic, "--partitions", str(partitions), "--replication", str(replication), *sets)

    def metadata(self, topic=None) -> dict:
        """As a Kafka client gets it: topics by name, each its partitions by number."""
        from confluent_kafka.admin import AdminClient
        found = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(topic, 20)
        return {name: t.partitions for name, t in found.topics.items()}

    def partition(self, topic: str, number: int = 0):
        return self.metadata(topic)[topic][number]

    def all_in_sync(self) -> bool:
        return all(p.leader >= 0 and sorted(p.isrs) == sorted(p.replicas) for t in self.metadata().values()
                   for p in t.values())

    def settled(self) -> None:
        """Waits until replicas and leaders are where they stay while no node comes or goes."""
        def places() -> list:
            return sorted((name, n, p.leader, p.replicas) for name, t in self.metadata().items() for n, p in t.items())

        seen, since = places(), time.monotonic()

        def stay() -> bool:
            nonlocal seen, since
            if (found := places()) != seen:
                seen, since = found, time.monotonic()
            return time.monotonic() > since + BALANCED_SECONDS
        self.until("nothing moves", stay)
