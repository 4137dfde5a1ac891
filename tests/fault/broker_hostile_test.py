#!/usr/bin/env python3
"""Clients that misbehave: lengths that are lies, bytes that are no requests, requests that never
end, readers that never read, crowds of connections. Each costs its own connection only: meanwhile a
well-behaved client is served in the usual time, and the node's memory stays within its bound.

Usage: broker_hostile_test.py WEIR [CASE]
"""
import pathlib
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker import Broker, wait_until  # noqa: E402

# How long a well-behaved client waits at most: so much more than one of another node, on which nobody
# misbehaves, in the same time. (Memory is given back after 3 s, see the listener.)
LATENCY_SECONDS_MORE, LATENCY_FACTOR = 5.0, 3.0
RESIDENT_MIB_MAX = 512
API_VERSIONS, METADATA, PRODUCE, FETCH = 18, 3, 0, 1


def header(key: int, version: int, correlation: int = 1, client: str = "test") -> bytes:
    return struct.pack(">hhih", key, version, correlation, len(client)) + client.encode()


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def metadata_request(topic: str) -> bytes:
    return framed(header(METADATA, 1) + struct.pack(">ih", 1, len(topic)) + topic.encode())


def fetch_request(topic: str, offset: int, most: int = 50 << 20) -> bytes:
    return framed(header(FETCH, 4) + struct.pack(">iiiib", -1, 0, 1, most, 0) +
                  struct.pack(">ih", 1, len(topic)) + topic.encode() +
                  struct.pack(">iiqi", 1, 0, offset, most))


class Neighbour(threading.Thread):
    """A client that behaves: produces a record with acks=all and asks for metadata, on and on."""

    def __init__(self, broker: Broker):
        super().__init__(daemon=True)
        from confluent_kafka import Producer
        self.producer = Producer({"bootstrap.servers": broker.address, "acks": "all", "linger.ms": 0,
                                  "enable.idempotence": True})
        self.worst, self.count, self.problem, self.ends = 0.0, 0, None, threading.Event()
        # As large as usual batches are: what needs memory waits when there is none.
        self.value = bytes(200_000)

    def run(self) -> None:
        while not self.ends.is_set():
            before = time.monotonic()
            done = []
            self.producer.produce("good", self.value, on_delivery=lambda e, m: done.append(e))
            self.producer.flush(30)
            if done != [None]:
                self.problem = done or "no answer in 30 s"
            self.worst = max(self.worst, time.monotonic() - before)
            self.count += 1
            self.ends.wait(0.01)

    def finish(self) -> None:
        self.ends.set()
        self.join(60)

    def check(self, control) -> str:
        assert self.problem is None, f"the neighbour was not served: {self.problem}"
        told = (f"neighbour: {self.count} times, {self.worst * 1000:.0f} ms at most, of a quiet node "
                f"{control.count} times, {control.worst * 1000:.0f} ms")
        assert self.worst < LATENCY_SECONDS_MORE + LATENCY_FACTOR * control.worst, told
        return told


class Hostile:
    def __init__(self, broker: Broker):
        self.broker = broker
        self.random = random.Random(7)

    def connect(self) -> socket.socket:
        s = socket.create_connection(("127.0.0.1", self.broker.port), 10)
        s.settimeout(20)
        return s

    def is_closed(self, s: socket.socket) -> bool:
        try:
            return s.recv(1) == b""
        except ConnectionError:
            return True

    def answer(self, s: socket.socket) -> bytes:
        size = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))[0]
        return s.recv(size, socket.MSG_WAITALL)

    # ---- Cases. ----

    def lying_lengths(self) -> str:
        for length in (-1, -2 ** 31, 2 ** 31 - 1, (100 << 20) + 1, 0, 7):
            s = self.connect()
            s.sendall(struct.pack(">i", length) + b"abc")
            assert self.is_closed(s), f"a length of {length} is taken"
        return "all refused"

    def claims_without_bytes(self) -> str:
        """The largest length that is allowed, and then nothing: 5 GiB are claimed."""
        self.kept = [self.connect() for _ in range(50)]
        for s in self.kept:
            s.sendall(struct.pack(">i", 100 << 20) + header(PRODUCE, 3))
        time.sleep(3)
        return f"{len(self.kept)} connections"

    def halves(self) -> str:
        """Requests of 20 MiB that stop in the middle: more than there is memory for."""
        self.kept = [self.connect() for _ in range(40)]
        piece = header(PRODUCE, 3) + bytes(1 << 20)
        for s in self.kept:
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            left = struct.pack(">i", 20 << 20) + piece
            self.send_some(s, left)
        until = time.monotonic() + 8
        alive = self.kept
        while time.monotonic() < until:
            alive = [s for s in alive if self.send_some(s, bytes(256 << 10))]
            time.sleep(0.2)
        return f"{len(alive)} of {len(self.kept)} connections left"

    def send_some(self, s: socket.socket, data: bytes) -> bool:
        try:
            s.send(data)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def slow_loris(self) -> str:
        """A byte now and then, on many connections."""
        request = metadata_request("good")
        self.kept = [self.connect() for _ in range(500)]
        for i in range(len(request) - 1):
            for s in self.kept:
                s.sendall(request[i:i + 1])
        for s in self.kept:
            s.sendall(request[-1:])
        for s in self.kept:
            assert b"good" in self.answer(s)
        return "answered in the end"

    def garbage(self) -> str:
        for _ in range(300):
            s = self.connect()
            self.send_some(s, self.random.randbytes(self.random.randrange(1, 5000)))
            s.close()
        # Well framed, with keys and versions that exist, and nonsense behind them.
        for i in range(3000):
            s = self.connect()
            body = self.random.randbytes(self.random.randrange(0, 200))
            if i % 3 == 0:  # counts of arrays that are lies
                body = struct.pack(">i", self.random.choice((2 ** 31 - 1, 10 ** 6, -2))) + body
            key = self.random.randrange(0, 90)
            s.sendall(framed(header(key, self.random.randrange(0, 14)) + body))
            if i % 50 == 0:
                s.settimeout(0.05)
                try:
                    s.recv(100)
                except OSError:
                    pass
            s.close()
        return "3300 connections"

    def truncated(self) -> str:
        request = fetch_request("good", 0)
        for n in range(len(request)):
            s = self.connect()
            s.sendall(request[:n])
            s.close()
        return f"{len(request)} connections"

    def never_reads(self) -> str:
        """Asks for much and reads nothing."""
        self.kept = [self.connect() for _ in range(30)]
        for s in self.kept:
            s.setblocking(False)
        until = time.monotonic() + 3
        sent = 0
        while time.monotonic() < until:
            for s in self.kept:
                for request in (fetch_request("good", 0), metadata_request("good")):
                    try:
                        sent += s.send(request)
                    except BlockingIOError:
                        pass
            time.sleep(0.001)
        return f"{sent >> 10} KiB of requests taken or in buffers"

    def crowd(self) -> str:
        """More connections than a process has descriptors by default."""
        self.kept = []
        for _ in range(3000):
            s = self.connect()
            self.kept.append(s)
        time.sleep(1)
        return f"{len(self.kept)} connections, {self.broker.descriptors()} descriptors"

    def many_names(self) -> str:
        """A small request that would become a large one when decoded, and a large answer."""
        count = 2_000_000
        body = header(METADATA, 4) + struct.pack(">i", count) + b"\0\1a" * count + b"\0"
        self.kept = [self.connect() for _ in range(20)]
        for s in self.kept:
            s.setblocking(False)
            data = memoryview(framed(body))
            until = time.monotonic() + 2
            while data and time.monotonic() < until:
                try:
                    data = data[s.send(data):]
                except BlockingIOError:
                    time.sleep(0.001)
                except OSError:
                    break
        time.sleep(1)
        return "sent"


CASES = ["lying_lengths", "claims_without_bytes", "halves", "slow_loris", "garbage", "truncated",
         "never_reads", "crowd", "many_names"]


def main() -> None:
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    broker = Broker(sys.argv[1])
    quiet = Broker(sys.argv[1])
    failed = False
    try:
        for b in (broker, quiet):
            b.start()
            b.create({"good": {}}, 1)
        for name in sys.argv[2:] or CASES:
            hostile = Hostile(broker)
            neighbours = [Neighbour(broker), Neighbour(quiet)]
            for n in neighbours:
                n.start()
            for n in neighbours:
                wait_until("the neighbours are served", lambda: n.count > 5, 120)
            for n in neighbours:
                n.worst = 0.0
            try:
                came = getattr(hostile, name)()
                wait_until("the neighbour is served again",
                           lambda n=neighbours[0].count: neighbours[0].count > n + 5, 120)
                resident = broker.resident_mib()
                for n in neighbours:
                    n.finish()
                told = neighbours[0].check(neighbours[1])
                print(f"ok   {name}: {came}; {told}; {resident:.0f} MiB", flush=True)
                assert resident < RESIDENT_MIB_MAX, f"{resident:.0f} MiB"
            except (AssertionError, SystemExit) as e:
                failed = True
                print(f"FAIL {name}: {e}; {broker.resident_mib():.0f} MiB", flush=True)
                for n in neighbours:
                    n.ends.set()
            for s in getattr(hostile, "kept", []):
                s.close()
        broker.stop()
    finally:
        broker.close()
        quiet.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
