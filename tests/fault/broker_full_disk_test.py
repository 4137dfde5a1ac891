#!/usr/bin/env python3
"""A disk that fills up under a node: produces are refused with KAFKA_STORAGE_ERROR, reads and
everything else go on, and when there is room again records are accepted without a restart; nothing
acknowledged is lost. An idempotent producer that has several batches under way all the time writes
each record once, in order, under one epoch. Needs root (a small tmpfs); else skipped.

Usage: broker_full_disk_test.py WEIR
"""
import logging
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker import Broker, read_all, wait_until  # noqa: E402
from full_disk_test import small_disk  # noqa: E402

DISK = "size=64m"
PADDING = b"x" * 1000


class Writer:
    def __init__(self, broker: Broker):
        from confluent_kafka import Producer
        self.producer = Producer({"bootstrap.servers": broker.address, "acks": "all", "retries": 0,
                                  "message.timeout.ms": 10_000, "linger.ms": 0})
        self.acknowledged, self.refused, self.sent = {}, [], 0

    def send(self, topic: str = "t", bytes_each: int = 100_000) -> bool:
        """One record; whether it was acknowledged."""
        number, before = self.sent, len(self.acknowledged)
        self.sent += 1

        def delivered(error, message):
            if error:
                self.refused.append(error.name())
            else:
                self.acknowledged[topic, message.offset()] = b"%d" % number
        self.producer.produce(topic, b"%d " % number + b"x" * bytes_each, partition=0,
                              on_delivery=delivered)
        self.producer.flush(20)
        return len(self.acknowledged) > before

    def check(self, broker: Broker) -> int:
        found = {(t, o): v.split(b" ")[0] for t in ("t", "other")
                 for _, o, _, v in read_all(broker.address, t, 1, seconds=30)}
        for place, number in self.acknowledged.items():
            if found.get(place) != number:
                raise SystemExit(f"{place} was acknowledged with {number} and has "
                                 f"{found.get(place)}")
        return len(found)


class Idempotent:
    """Writes small records to `ordered` without waiting for answers, until it is told to end."""

    def __init__(self, broker: Broker):
        from confluent_kafka import Producer
        self.bumps, self.refusals = [], 0
        logger = logging.Logger("idempotent")
        logger.addFilter(self.look)
        self.producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True, "linger.ms": 1,
                                  "message.timeout.ms": 0, "batch.num.messages": 5, "retry.backoff.ms": 20,
                                  "debug": "eos,msg"}, logger=logger)
        self.sent, self.problems, self.ends = 0, [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def look(self, record) -> bool:
        self.refusals += "Disk error" in record.getMessage()
        if "epoch bump" in record.getMessage():
            self.bumps.append(record.getMessage())
        return False

    def run(self) -> None:
        while not self.ends:
            if len(self.producer) < 2000:
                for _ in range(60):
                    self.producer.produce("ordered", b"%d " % self.sent + PADDING, partition=self.sent % 2,
                                          on_delivery=lambda e, m: e and self.problems.append(str(e)))
                    self.sent += 1
            self.producer.poll(0)
            time.sleep(0.06)  # so that all of it stays small beside the disk

    def end(self, broker: Broker) -> int:
        """How many it has written, each once and in order."""
        self.ends = True
        self.thread.join()
        left = self.producer.flush(30)
        assert left == 0 and not self.problems, (left, self.problems[:3])
        # It gives itself a new epoch when a batch is out of order behind one that was refused: what other partitions
        # have and have not acknowledged is then written twice.
        assert not self.bumps and self.refusals, (self.refusals, self.bumps[:3])
        found = [[], []]
        for p, _, _, v in read_all(broker.address, "ordered", 2, seconds=30):
            found[p].append(int(v.split(b" ")[0]))
        for p in range(2):
            assert found[p] == list(range(p, self.sent, 2)), f"partition {p}: {len(found[p])} of {self.sent // 2}"
        return self.sent


def fill(disk: pathlib.Path) -> pathlib.Path:
    """What is left, byte by byte."""
    ballast = disk / "ballast"
    with open(ballast, "ab", buffering=0) as f:
        for piece in (1 << 20, 4096, 1):
            try:
                while True:
                    f.write(bytes(piece))
            except OSError:
                pass
    return ballast


def refused_for_good(w: Writer, disk: pathlib.Path) -> None:
    """A refused write gives back what was reserved for it: that is filled too."""
    refused = 0
    while refused < 10:
        ok = w.send()
        refused = 0 if ok else refused + 1
        if refused < 5:
            fill(disk)


def commits(broker: Broker, offset: int) -> None:
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "g"})
    place = TopicPartition("t", 0, offset)
    consumer.commit(offsets=[place], asynchronous=False)
    assert consumer.committed([place], 10)[0].offset == offset
    consumer.close()


def main() -> None:
    from confluent_kafka.admin import AdminClient, NewTopic
    broker = Broker(sys.argv[1])
    disk = broker.dir / "disk"
    mounted = small_disk(disk)
    try:
        if not mounted:
            print("skipped: no tmpfs can be mounted here")
            sys.exit(77)
        subprocess.run(["mount", "-o", f"remount,{DISK}", str(disk)], check=True)
        broker.data = disk / "data"
        broker.start()
        broker.create({"t": {"segment.bytes": str(1 << 20)}, "other": {}}, 1)
        broker.create({"ordered": {"segment.bytes": str(1 << 20)}}, 2)
        w = Writer(broker)
        for _ in range(40):
            assert w.send(), w.refused
        commits(broker, 5)

        ordered = Idempotent(broker)
        time.sleep(0.5)
        ballast = fill(disk)
        refused_for_good(w, disk)
        for _ in range(5):
            w.send("other", 10)
        assert set(w.refused) == {"KAFKA_STORAGE_ERROR"}, w.refused
        # Everything else goes on: reads, metadata; what would have to be kept is refused.
        count = w.check(broker)
        admin = AdminClient({"bootstrap.servers": broker.address})
        assert set(admin.list_topics(timeout=10).topics) >= {"t", "other"}
        made = admin.create_topics([NewTopic("more", 50, 1)])["more"]
        try:
            made.result(20)
        except Exception as e:  # refused, for its own reason, or small enough to fit
            print("     a topic is refused:", e)
        print(f"ok   full: {len(w.refused)} refused, {count} records are read")

        ballast.unlink()
        before = time.monotonic()
        wait_until("records are accepted again", w.send, 20)
        took = time.monotonic() - before
        for _ in range(20):
            assert w.send()
        commits(broker, 7)
        w.check(broker)
        print(f"ok   room again: accepted after {took:.2f} s, {w.check(broker)} records are read")
        for _ in range(10):
            ballast = fill(disk)
            time.sleep(0.1)
            ballast.unlink()
            time.sleep(0.05)
        print(f"ok   an idempotent producer wrote {ordered.end(broker)} records once and in order")

        broker.kill()
        broker.start()
        print(f"ok   after kill -9: {w.check(broker)} records are read")
        assert w.send()
        refused_for_good(w, disk)
        broker.kill()
        broker.start()
        print(f"ok   started on a full disk: {w.check(broker)} records are read")
        (disk / "ballast").unlink()
        wait_until("records are accepted again", w.send, 20)
        broker.stop()
        broker.start()
        print(f"ok   after a clean stop: {w.check(broker)} records are read")
        assert "are lost" not in broker.said(), broker.said()[-2000:]
    finally:
        if broker.process is not None:
            broker.process.kill()
            broker.process.wait()
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=False)
        broker.close()


if __name__ == "__main__":
    main()
