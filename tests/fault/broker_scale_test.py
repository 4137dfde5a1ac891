#!/usr/bin/env python3
"""10,000 partitions in one process: they are made, written to and read, the node is stopped and
killed; memory, file descriptors and the time until it is ready stay within their bounds. Prints one
line a step.

Usage: broker_scale_test.py WEIR [--partitions N] [--measure]
--measure prints and does not judge (sanitizers, busy machines).
"""
import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker import Broker, read_all  # noqa: E402

PER_TOPIC = 100
ROUNDS = 3
# The soft limit of descriptors that systems give is 1,024.
DESCRIPTORS_MAX = 1000
IDLE_MIB_MAX, LOADED_MIB_MAX = 32, 256
READY_SECONDS = 0.1


class Scale:
    def __init__(self, a):
        self.measure = a.measure
        self.topics = [f"topic{i:03}" for i in range(max(1, a.partitions // PER_TOPIC))]
        self.failed = []

    def step(self, broker: Broker, what: str, took: float, **bounds) -> None:
        found = {"seconds": took, "mib": broker.resident_mib(),
                 "descriptors": broker.descriptors()}
        print(f"{what:<34} {took:8.3f} s  {found['mib']:6.1f} MiB  "
              f"{found['descriptors']:5} descriptors", flush=True)
        bounds.setdefault("descriptors", DESCRIPTORS_MAX)
        for name, most in bounds.items():
            if found[name] > most:
                self.failed.append(f"{what}: {found[name]:.3f} {name}, more than {most}")

    def produce(self, broker: Broker, number: int) -> float:
        from confluent_kafka import Producer
        problems = []
        producer = Producer({"bootstrap.servers": broker.address, "acks": "all", "linger.ms": 20,
                             "enable.idempotence": True, "message.timeout.ms": 120_000,
                             "queue.buffering.max.messages": 1_000_000})

        def delivered(error, _):
            if error:
                problems.append(error)
        before = time.monotonic()
        for topic in self.topics:
            for partition in range(PER_TOPIC):
                producer.produce(topic, b"%d" % number + b"x" * 200, partition=partition,
                                 on_delivery=delivered)
            producer.poll(0)
        if producer.flush(120) or problems:
            raise SystemExit(f"not delivered: {problems[:3]}")
        return time.monotonic() - before

    def check(self, broker: Broker, rounds: int) -> float:
        before = time.monotonic()
        for topic in self.topics[::max(1, len(self.topics) // 10)]:
            found = [(p, o, v[:1]) for p, o, _, v in read_all(broker.address, topic, PER_TOPIC)]
            want = [(p, o, b"%d" % o) for p in range(PER_TOPIC) for o in range(rounds)]
            if sorted(found) != want:
                raise SystemExit(f"{topic} has {len(found)} records instead of {len(want)}, "
                                 f"or others")
        return time.monotonic() - before

    def run(self, broker: Broker) -> None:
        idle = {"mib": IDLE_MIB_MAX}
        loaded = {"mib": LOADED_MIB_MAX}
        self.step(broker, "ready, empty", broker.start(), seconds=READY_SECONDS, **idle)
        before = time.monotonic()
        broker.create({t: {} for t in self.topics}, PER_TOPIC)
        self.step(broker, "partitions made", time.monotonic() - before, **loaded)
        broker.stop()
        self.step(broker, "ready after a stop, no records", broker.start(), **loaded)
        for number in range(ROUNDS):
            self.step(broker, f"a record to each, round {number + 1}",
                      self.produce(broker, number), **loaded)
        self.step(broker, "a tenth read", self.check(broker, ROUNDS), **loaded)
        broker.stop()
        self.step(broker, "ready after a stop", broker.start(), **loaded)
        self.step(broker, "a tenth read", self.check(broker, ROUNDS), **loaded)
        broker.kill()
        self.step(broker, "ready after kill -9", broker.start(), **loaded)
        self.step(broker, "a tenth read", self.check(broker, ROUNDS), **loaded)
        self.step(broker, "a record to each after kill -9", self.produce(broker, ROUNDS), **loaded)
        broker.kill()
        self.step(broker, "ready after kill -9 again", broker.start(), **loaded)
        self.step(broker, "a tenth read", self.check(broker, ROUNDS + 1), **loaded)
        time.sleep(12)  # the upkeep of all partitions, once
        self.step(broker, "all looked after", 0.0, **loaded)
        broker.stop()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("weir")
    arguments.add_argument("--partitions", type=int, default=10_000)
    arguments.add_argument("--measure", action="store_true")
    a = arguments.parse_args()
    broker = Broker(a.weir)
    try:
        scale = Scale(a)
        scale.run(broker)
    finally:
        broker.close()
    for f in scale.failed:
        print("WRONG", f)
    sys.exit(1 if scale.failed and not a.measure else 0)


if __name__ == "__main__":
    main()
