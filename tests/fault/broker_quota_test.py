#!/usr/bin/env python3
"""Quotas: a client that may produce or fetch so many bytes a second gets that many and is told to
wait (throttle_time_ms); others are not slowed down; quotas are set by AlterClientQuotas while the
node runs and hold after a restart.

Usage: broker_quota_test.py WEIR
"""
import pathlib
import struct
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker import Broker  # noqa: E402

SECONDS = 4.0
RATE = 50_000
# One second's worth is there at the beginning; a request is let in before it is charged.
TOLERANCE = 1.2


def text(s) -> bytes:
    return struct.pack(">h", -1) if s is None else struct.pack(">h", len(s)) + s.encode()


class Raw:
    """Requests in their oldest layouts, by hand."""

    def __init__(self, broker: Broker):
        self.socket = socket.create_connection(("127.0.0.1", broker.port), 10)
        self.socket.settimeout(30)

    def ask(self, key: int, version: int, body: bytes) -> bytes:
        request = struct.pack(">hhi", key, version, 7) + text("admin") + body
        self.socket.sendall(struct.pack(">i", len(request)) + request)
        size = struct.unpack(">i", self.socket.recv(4, socket.MSG_WAITALL))[0]
        answer = self.socket.recv(size, socket.MSG_WAITALL)
        assert answer[:4] == struct.pack(">i", 7)
        return answer[4:]

    def alter(self, kind: str, name, key: str, value: float, remove: bool = False) -> int:
        """Of one entity; returns the error code."""
        answer = self.ask(49, 0, struct.pack(">i", 1) + struct.pack(">i", 1) + text(kind) +
                          text(name) + struct.pack(">i", 1) + text(key) +
                          struct.pack(">d?", value, remove) + b"\0")
        return struct.unpack(">h", answer[8:10])[0]

    def describe(self) -> bytes:
        return self.ask(48, 0, struct.pack(">i", 0) + b"\0")


def produced(broker: Broker, client: str) -> tuple:
    """Bytes per second over some seconds, and the longest throttle that was told."""
    import json
    from confluent_kafka import Producer
    told = [0.0]

    def stats(s):
        for b in json.loads(s)["brokers"].values():
            told[0] = max(told[0], b.get("throttle", {}).get("max", 0))
    done = [0]
    p = Producer({"bootstrap.servers": broker.address, "client.id": client, "acks": "all",
                  "linger.ms": 5, "batch.size": 10_000, "statistics.interval.ms": 200,
                  "stats_cb": stats, "queue.buffering.max.messages": 10_000})

    def delivered(error, message):
        if error:  # what was waiting at the end
            assert error.name() in ("_PURGE_INFLIGHT", "_PURGE_QUEUE"), error
            return
        done[0] += len(message.value())
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        if len(p) < 100:
            p.produce("t", bytes(2_000), partition=0, on_delivery=delivered)
        p.poll(0 if len(p) < 100 else 0.01)
    rate = done[0] / (time.monotonic() - began)
    p.purge()
    p.flush(30)
    return rate, told[0]


def fetched(broker: Broker, client: str) -> float:
    from confluent_kafka import Consumer, TopicPartition
    c = Consumer({"bootstrap.servers": broker.address, "group.id": client, "client.id": client,
                  "enable.auto.commit": False, "fetch.message.max.bytes": 10_000,
                  "queued.min.messages": 10, "queued.max.messages.kbytes": 20})
    c.assign([TopicPartition("t", 0, 0)])
    began, got = time.monotonic(), 0
    while time.monotonic() - began < SECONDS or got == 0 and time.monotonic() - began < 60:
        got += sum(len(m.value()) for m in c.consume(100, 0.05) if not m.error())
    rate = got / (time.monotonic() - began)
    c.close()
    return rate


def holds(what: str, rate: float) -> None:
    most = RATE * TOLERANCE * (SECONDS + 1) / SECONDS
    # A busy machine may be slower than any quota.
    assert 0 < rate < most, f"{what}: {rate:.0f} B/s instead of {RATE}"
    print(f"ok   {what}: {rate:.0f} B/s of {RATE}")


def main() -> None:
    broker = Broker(sys.argv[1])
    try:
        broker.start()
        # Without syncs: a slow disk is a bound too.
        broker.create({"t": {"durability": "os"}}, 1)
        free, _ = produced(broker, "free")
        print(f"     without a quota: {free:.0f} B/s", flush=True)
        admin = Raw(broker)
        assert admin.alter("client-id", "slow", "producer_byte_rate", RATE) == 0
        assert admin.alter("client-id", "reader", "consumer_byte_rate", RATE) == 0
        assert admin.alter("client-id", "slow", "nonsense", 1) != 0
        assert b"slow" in admin.describe() and b"reader" in admin.describe()
        rate, told = produced(broker, "slow")
        holds("a producer with a quota", rate)
        assert told > 0, "the producer was not told to wait"
        holds("a consumer with a quota", fetched(broker, "reader"))
        rate, told = produced(broker, "free")
        assert told == 0, "another client is told to wait"
        print(f"ok   another client: {rate:.0f} B/s")
        broker.kill()
        broker.start()
        holds("after kill -9", produced(broker, "slow")[0])
        admin = Raw(broker)
        assert admin.alter("client-id", "slow", "producer_byte_rate", 0, remove=True) == 0
        assert admin.alter("user", None, "producer_byte_rate", RATE) == 0
        holds("a user's quota for all his clients", produced(broker, "any")[0])
        assert admin.alter("user", None, "producer_byte_rate", 0, remove=True) == 0
        broker.stop()
        broker.config["quota.producer.default"] = RATE
        broker.start()
        holds("the node's default", produced(broker, "free")[0])
        broker.stop()
    finally:
        broker.close()


if __name__ == "__main__":
    main()
