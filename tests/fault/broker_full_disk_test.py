#!/usr/bin/env python3
"""A disk that fills up under a node: produces are refused with KAFKA_STORAGE_ERROR, reads and
everything else go on, and when there is room again records are accepted without a restart; nothing
acknowledged is lost. Needs root (a small tmpfs); else skipped.

Usage: broker_full_disk_test.py WEIR
"""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker import Broker, read_all, wait_until  # noqa: E402
from full_disk_test import small_disk  # noqa: E402

DISK = "size=64m"


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
        w = Writer(broker)
        for _ in range(40):
            assert w.send(), w.refused
        commits(broker, 5)

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
