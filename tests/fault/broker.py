"""What the broker's fault tests share: a node that is started, killed and started again, clients
for it, and a checked folder of its own."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: E402

# A node that is not up after this long never will be; recovery of a test's data takes far less.
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60


class Broker:
    """`weir up` with a Kafka listener on a port that stays over its lives."""

    def __init__(self, weir: str, folder=None, config=None):
        self.weir = str(pathlib.Path(weir).resolve())
        self.own_folder = folder is None
        self.dir = pathlib.Path(folder or tempfile.mkdtemp(prefix="weir-broker-"))
        self.dir.mkdir(parents=True, exist_ok=True)
        self.data = self.dir / "data"
        self.log = self.dir / "weir.log"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        # The state topics of a test need few partitions; groups begin at once.
        self.config = {"offsets.topic.num.partitions": 4, "transaction.state.log.num.partitions": 4,
                       "group.initial.rebalance.delay.ms": 100, **(config or {})}
        self.env = dict(os.environ)
        self.process = None
        self.lives = 0

    def start(self, wait: bool = True) -> float:
        """Returns the seconds until it said that it is ready."""
        assert self.process is None
        command = [self.weir, "up", "--kafka", self.address, "--http", "127.0.0.1:0", "--data-dir",
                   str(self.data)]
        for name, value in self.config.items():
            command += ["--broker-config", f"{name}={value}"]
        self.lives += 1
        before = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log,
                                            cwd=self.dir, env=self.env)
        return self.wait_ready(before) if wait else 0.0

    def wait_ready(self, before: float) -> float:
        os.set_blocking(self.process.stdout.fileno(), False)
        out = b""
        while not out.endswith(b"\n"):
            if self.process.poll() is not None:
                raise SystemExit(f"life {self.lives} ended with {self.process.returncode} instead "
                                 f"of being ready:\n{self.said()[-3000:]}")
            if time.monotonic() - before > READY_SECONDS_MAX:
                raise SystemExit(f"life {self.lives} is not ready after {READY_SECONDS_MAX} s")
            out += self.process.stdout.read() or b""
            time.sleep(0.001)
        assert re.match(rb"ready kafka=\S+ http=\S+\n", out), out
        return time.monotonic() - before

    def kill(self) -> None:
        """As kill -9 does it; a node that had already ended by itself is a failure."""
        code = self.process.poll()
        if code is not None:
            raise SystemExit(f"the node ended by itself with {code}:\n{self.said()[-3000:]}")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def stop(self) -> None:
        """In good order."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS_MAX)
        self.process.stdout.close()
        self.process = None
        if code != 0:
            raise SystemExit(f"the node stopped with {code}:\n{self.said()[-3000:]}")

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None
        if self.own_folder:
            shutil.rmtree(self.dir, ignore_errors=True)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # ---- What the system says about it. ----

    def resident_mib(self) -> float:
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def segments(self, topic: str, partition: int = 0) -> list:
        """The segment files of a partition, in order."""
        return sorted(self.data.glob(f"streams/topics/{topic}.*/{partition}/*.log"))

    # ---- Clients. ----

    def create(self, topics: dict, partitions: int = 1) -> None:
        """`topics`: name to configuration."""
        from confluent_kafka.admin import AdminClient, NewTopic
        admin = AdminClient({"bootstrap.servers": self.address})
        made = admin.create_topics([NewTopic(name, partitions, 1, config=config)
                                    for name, config in topics.items()])
        for future in made.values():
            future.result(30)


def wait_until(what: str, condition, seconds: float = 30.0):
    """Waits for `condition()` to give something true and returns it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise SystemExit(f"not after {seconds} s: {what}")


def read_all(address: str, topic: str, partitions: int, isolation: str = "read_uncommitted",
             seconds: float = 120.0):
    """Every record from a topic's start to its end: (partition, offset, key, value)."""
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader-of-everything",
                         "enable.auto.commit": False, "auto.offset.reset": "error",
                         "isolation.level": isolation, "enable.partition.eof": True,
                         "check.crcs": True})
    places = []
    for p in range(partitions):
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)
        places.append(TopicPartition(topic, p, low))
    consumer.assign(places)
    left = set(range(partitions))
    until = time.monotonic() + seconds
    while left:
        if time.monotonic() > until:
            raise SystemExit(f"{topic} cannot be read to its end in {seconds} s: left {left}")
        for m in consumer.consume(10_000, 0.2):
            if m.error() is None:
                yield m.partition(), m.offset(), m.key(), m.value()
            elif m.error().code() == KafkaError._PARTITION_EOF:
                left.discard(m.partition())
            elif not m.error().retriable():
                raise SystemExit(f"reading {topic}-{m.partition()}: {m.error()}")
    consumer.close()
