"""A cluster of `weir node` processes on loopback, each with a rack and ports that stay over its lives, as Kafka's
clients and the verbs of `weir` see it."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: E402

READY_SECONDS_MAX = 60
UNTIL_SECONDS_MAX = 30
SETTINGS = {"offsets.topic.num.partitions": 4, "transaction.state.log.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 100, "min.insync.replicas": 2}


def expect(what: str, found, wanted) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


class Node:
    def __init__(self, cluster, name: str, rack: str, settings: dict, weir: str):
        self.cluster, self.name, self.rack, self.settings = cluster, name, rack, settings
        self.weir = weir
        self.kafka, self.peers, self.http = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.data, self.log = cluster.dir / name, cluster.dir / f"{name}.log"
        self.process = None

    def start(self) -> None:
        command = [self.weir, "node", "--data-dir", str(self.data), "--name", self.name, "--kafka", self.kafka,
                   "--peers", self.peers, "--http", self.http]
        others = [n.peers for n in self.cluster.nodes.values() if n is not self]
        if others:
            command += ["--join", ",".join(others)]
        if self.rack:
            command += ["--rack", self.rack]
        for setting, value in self.settings.items():
            command += ["--broker-config", f"{setting}={value}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)

    def wait_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS_MAX
        os.set_blocking(self.process.stdout.fileno(), False)
        out = b""
        while not out.endswith(b"\n"):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}:{self.cluster.logs()}")
            if time.monotonic() > until:
                raise SystemExit(f"{self.name} is not ready:{self.cluster.logs()}")
            out += self.process.stdout.read() or b""
            time.sleep(0.005)

    def kill(self) -> None:
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended by itself with {self.process.returncode}:{self.cluster.logs()}")
        self.process.kill()
        self.ended()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(READY_SECONDS_MAX) != 0:
            raise SystemExit(f"{self.name} stopped with {self.process.returncode}:{self.cluster.logs()}")
        self.ended()

    def ended(self) -> None:
        self.process.wait()
        self.process.stdout.close()
        self.process = None


class Nodes:
    """`racks`: those of n1, n2 and so on."""

    def __init__(self, weir: str, racks, settings=None):
        self.weir = str(pathlib.Path(weir).resolve())
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-nodes-"))
        self.settings = {**SETTINGS, **(settings or {})}
        self.nodes = {}
        for rack in racks:
            self.add(rack)

    def add(self, rack: str = "") -> Node:
        name = f"n{len(self.nodes) + 1}"
        self.nodes[name] = Node(self, name, rack, self.settings, self.weir)
        return self.nodes[name]

    def start(self) -> None:
        for n in self.nodes.values():
            n.start()
        for n in self.nodes.values():
            n.wait_ready()
        self.until("all nodes live", lambda: sum(n["alive"] for n in self.status()["nodes"]) == len(self.nodes))

    def close(self) -> None:
        for n in self.nodes.values():
            if n.process:
                n.process.kill()
                n.ended()
        shutil.rmtree(self.dir, ignore_errors=True)

    def logs(self) -> str:
        status = self.run("cluster", "status", "-o", "json")
        return f"\n{status.stdout.decode()}{status.stderr.decode()}" + "".join(
            f"\n{n.name}:\n{n.log.read_text(errors='replace')[-3000:]}" for n in self.nodes.values() if n.log.exists())

    # ---- Questions and orders. ----

    @property
    def bootstrap(self) -> str:
        return ",".join(n.kafka for n in self.nodes.values())

    def run(self, *arguments: str, seconds: float = 60):
        """The verb, asked of the first node that runs."""
        asked = next(n for n in self.nodes.values() if n.process)
        return subprocess.run([self.weir, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
                              env={**os.environ, "WEIR_CLUSTER": asked.http})

    def call(self, *arguments: str, seconds: float = 60) -> str:
        done = self.run(*arguments, seconds=seconds)
        if done.returncode != 0:
            raise SystemExit(f"weir {' '.join(arguments)} exited with {done.returncode}: {done.stderr.decode()}"
                             f"{self.logs()}")
        return done.stdout.decode()

    def status(self) -> dict:
        return json.loads(self.call("cluster", "status", "-o", "json"))

    def numbers(self) -> dict:
        """Of the nodes, as Kafka's clients know them, by name."""
        return {n["id"]: n["node"] for n in self.status()["nodes"]}

    def create(self, topic: str, partitions: int, replication: int, **configs) -> None:
        sets = [a for k, v in configs.items() for a in ("--set", f"{k.replace('_', '.')}={v}")]
        self.call("topic", "create", topic, "--partitions", str(partitions), "--replication", str(replication), *sets)

    def metadata(self, topic=None):
        """As a Kafka client gets it: topics by name, each its partitions by number."""
        from confluent_kafka.admin import AdminClient
        found = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(topic, 20)
        return {name: t.partitions for name, t in found.topics.items()}

    def partition(self, topic: str, number: int = 0):
        return self.metadata(topic)[topic][number]

    def all_in_sync(self) -> bool:
        return all(p.leader >= 0 and sorted(p.isrs) == sorted(p.replicas) for t in self.metadata().values()
                   for p in t.values())

    def until(self, what: str, condition, seconds: float = UNTIL_SECONDS_MAX, tell=lambda: ""):
        until = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > until:
                raise SystemExit(f"in vain: {what} {tell()}{self.logs()}")
            time.sleep(0.05)
        return found
