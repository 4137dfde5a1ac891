#!/usr/bin/env python3
"""A fault in a file call of a node under load: EIO, ENOSPC, a short write, a failed sync that loses
what was written; once, for a while, or for good. What was acknowledged before, during and after it
is there after a restart, once and at its offset: nothing is acknowledged on faith. A node that goes
on accepts records again when the fault is over. Prints the seed.

Usage: broker_file_fault_test.py WEIR SHIM [--runs N] [--seed S] [--only KIND:STAY:CALL]
"""
import argparse
import collections
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker import Broker, read_all  # noqa: E402

TOPICS, PARTITIONS = ("one", "two"), 2
LOAD_ROUNDS = 80
ALWAYS = 1_000_000
FAULTS = [("eio", 0), ("eio", 20), ("eio", ALWAYS), ("enospc", 0), ("enospc", 40), ("short", 0),
          ("short", ALWAYS), ("lost", 0), ("lost", 3), ("lost", ALWAYS)]
# Errors that a producer may see of a node with broken files.
EXPECTED = {"KAFKA_STORAGE_ERROR", "_MSG_TIMED_OUT"}
# Each attempt uses up some of the calls that fail.
RECOVERS_ATTEMPTS_MAX = 100


class Case:
    def __init__(self, broker: Broker, kind: str, stay: int, call: int, shim: str):
        self.broker, self.kind, self.stay, self.call = broker, kind, stay, call
        self.acknowledged, self.refused = {}, collections.Counter()
        self.sent = 0
        self.calls = broker.dir / "calls"
        broker.env.update(LD_PRELOAD=shim, WEIR_FAULT_ROOT=str(broker.data),
                          WEIR_FAULT_LOG=str(self.calls), WEIR_FAULT_KIND=kind,
                          WEIR_FAULT_STAY=str(stay), WEIR_FAULT_AT=str(call))

    def no_faults(self) -> None:
        for name in [n for n in self.broker.env if n.startswith("WEIR_FAULT_")]:
            del self.broker.env[name]
        self.broker.env.pop("LD_PRELOAD", None)

    def met(self) -> list:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [l for l in lines if l.endswith((" EIO", " ENOSPC", " short", " lost"))]

    def producer(self):
        from confluent_kafka import Producer
        return Producer({"bootstrap.servers": self.broker.address, "acks": "all", "linger.ms": 1,
                         "retries": 0, "message.timeout.ms": 5000, "log_level": 0,
                         "reconnect.backoff.max.ms": 100})

    def send(self, producer) -> None:
        number = self.sent
        self.sent += 1
        topic, partition = TOPICS[number % 2], number // 2 % PARTITIONS

        def delivered(error, message):
            if error:
                self.refused[error.name()] += 1
            else:
                self.acknowledged[message.topic(), message.partition(),
                                  message.offset()] = b"%d" % number
        producer.produce(topic, b"%d " % number + b"x" * (number % 700), partition=partition,
                         on_delivery=delivered)

    def load(self) -> None:
        producer = self.producer()
        for round_number in range(LOAD_ROUNDS):
            for _ in range(10):
                self.send(producer)
            producer.poll(0.005)
            if round_number % 4 == 0:
                producer.flush(15)
        producer.flush(15)

    def recovers(self) -> None:
        """The fault is over: records are accepted again without a restart."""
        producer = self.producer()
        for _ in range(RECOVERS_ATTEMPTS_MAX):
            before = len(self.acknowledged)
            for _ in range(2 * PARTITIONS):
                self.send(producer)
            producer.flush(10)
            if len(self.acknowledged) == before + 2 * PARTITIONS:
                return
            time.sleep(0.1)
        raise SystemExit(f"records are refused for ever: {self.refused}")

    def check(self) -> None:
        for topic in TOPICS:
            found = {}
            numbers = collections.Counter()
            for partition, offset, _, value in read_all(self.broker.address, topic, PARTITIONS,
                                                        seconds=30):
                found[topic, partition, offset] = value.split(b" ")[0]
                numbers[value.split(b" ")[0]] += 1
            for place, number in self.acknowledged.items():
                if place[0] == topic and found.get(place) != number:
                    raise SystemExit(f"{place} was acknowledged with {number} and has "
                                     f"{found.get(place)}")
            twice = [n for n, count in numbers.items() if count > 1]
            if twice:
                raise SystemExit(f"{topic} has records twice: {twice[:5]}")

    def run(self) -> str:
        b = self.broker
        b.start()
        b.create({t: {"segment.bytes": str(1 << 20)} for t in TOPICS}, PARTITIONS)
        self.load()
        unexpected = set(self.refused) - EXPECTED
        if unexpected:
            raise SystemExit(f"refused with {unexpected}")
        alive = b.process.poll() is None
        if not alive:
            raise SystemExit(f"the node ended with {b.process.returncode}: {b.said()[-1500:]}")
        met = self.met()
        if self.stay < ALWAYS or self.kind == "short":
            self.recovers()
            self.check()
        b.kill()
        self.no_faults()
        b.start()
        if "are lost" in b.said():
            raise SystemExit(f"acknowledged records are reported lost: {b.said()[-800:]}")
        self.check()
        self.recovers()
        return ("not reached" if not met else "refused some" if self.refused else
                "refused none")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("weir")
    arguments.add_argument("shim")
    arguments.add_argument("--runs", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--only", help="one case again")
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    chance = random.Random(a.seed)
    shim = str(pathlib.Path(a.shim).resolve())
    # How many calls a life has, and how many belong to its start.
    broker = Broker(a.weir)
    try:
        dry = Case(broker, "eio", 0, 0, shim)
        broker.start()
        begin = len(dry.calls.read_text().splitlines())
        broker.create({t: {} for t in TOPICS}, PARTITIONS)
        made = len(dry.calls.read_text().splitlines())
        dry.load()
        lines = dry.calls.read_text().splitlines()
        kinds = collections.Counter(line.split(" ")[1] for line in lines)
        syncs = sum(n for kind, n in kinds.items() if "sync" in kind)
        syncs_before = sum("sync" in line.split(" ")[1] for line in lines[:made])
    finally:
        broker.close()
    print(f"{len(lines)} calls, {begin} of them to start, {made - begin} for the topics: "
          f"{dict(kinds)}", flush=True)
    assert kinds["pwritev"] > 50 and syncs > 20, "the shim does not see the node's files"
    cases = []
    for run in range(a.runs):
        kind, stay = FAULTS[run % len(FAULTS)]
        # Of another run the number of calls differs a little.
        low, high = (syncs_before, syncs) if kind == "lost" else (made, len(lines))
        cases.append((kind, stay, chance.randrange(low + 2, max(low + 3, high * 3 // 4))))
    if a.only:
        kind, stay, call = a.only.split(":")
        cases = [(kind, int(stay), int(call))]
    outcomes, failed = collections.Counter(), 0
    for kind, stay, call in cases:
        broker = Broker(a.weir)
        try:
            case = Case(broker, kind, stay, call, shim)
            outcomes[case.run()] += 1
        except (SystemExit, Exception) as e:
            failed += 1
            print(f"FAIL {kind}:{stay}:{call} {case.met()[:2]}: {e}\n"
                  f"{broker.said()[-600:]}", flush=True)
        finally:
            broker.close()
    print(f"{len(cases)} cases: {dict(outcomes)}, {failed} wrong")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
