#!/usr/bin/env python3
"""Bits flip in the files of a stopped node. In segments: a start that verifies them
(log.verify.on.start) reports the records of damaged batches with their offsets, everything else is
served, and offsets are not given out again. In indexes, the record of a clean stop, snapshots of
producers: nothing is lost, whatever the start. Prints the seed.

Usage: broker_damage_test.py WEIR [--runs N] [--seed S]
"""
import argparse
import pathlib
import random
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker import Broker, read_all  # noqa: E402

RECORDS = 6000
LOST = re.compile(r"t-0: damaged, offsets (\d+) to (\d+) are lost")


def flip(path: pathlib.Path, position: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


class Node:
    def __init__(self, weir: str, clean: bool):
        self.broker, self.clean = Broker(weir), clean
        self.next = 0

    def fill(self, count: int) -> None:
        from confluent_kafka import Producer
        producer = Producer({"bootstrap.servers": self.broker.address, "acks": "all",
                             "enable.idempotence": True, "linger.ms": 1,
                             "batch.num.messages": 50})
        problems = []
        for number in range(self.next, self.next + count):
            producer.produce("t", b"%d " % number + b"x" * 900, partition=0,
                             on_delivery=lambda e, m: problems.append(e) if e else None)
            if number % 100 == 0:
                producer.poll(0.001)
        if producer.flush(60) or problems:
            raise SystemExit(f"not delivered: {problems[:3]}")
        self.next += count

    def begin(self) -> None:
        self.broker.start()
        self.broker.create({"t": {"segment.bytes": str(1 << 20)}}, 1)
        self.fill(RECORDS)
        self.end()

    def end(self) -> None:
        if self.clean:
            self.broker.stop()
        else:
            self.broker.kill()

    def records(self) -> dict:
        return {o: int(v.split(b" ")[0])
                for _, o, _, v in read_all(self.broker.address, "t", 1, seconds=60)}

    def reported(self) -> set:
        return {o for first, last in LOST.findall(self.broker.said())
                for o in range(int(first), int(last) + 1)}


def segment_case(node: Node, chance: random.Random, flips: int) -> str:
    segments = node.broker.segments("t")
    assert len(segments) >= 4, segments
    where = []
    for _ in range(flips):
        path = chance.choice(segments)
        used = path.read_bytes().rstrip(b"\0")
        position = chance.randrange(len(used))
        flip(path, position, chance.randrange(8))
        where.append(f"{path.name}:{position}")
    node.broker.config["log.verify.on.start"] = "true"
    node.broker.start()
    found = node.records()
    lost = node.reported()
    missing = set(range(RECORDS)) - found.keys()
    wrong = {o for o, number in found.items() if o != number}
    if wrong:
        raise SystemExit(f"{where}: wrong records at {sorted(wrong)[:5]}")
    if not missing <= lost:
        raise SystemExit(f"{where}: offsets {sorted(missing - lost)[:5]} are not there and were "
                         f"not reported")
    if len(missing) > flips * 200:  # batches have 50 records; lengths lost cost a little more
        raise SystemExit(f"{where}: {len(missing)} records are lost")
    node.fill(100)
    after = node.records()
    if any(after.get(RECORDS + i) != RECORDS + i for i in range(100)):
        raise SystemExit(f"{where}: new records are not at the offsets behind the old ones")
    return f"{len(missing)} of {RECORDS} lost and reported"


def other_case(node: Node, chance: random.Random) -> str:
    files = [p for p in node.broker.data.glob("streams/topics/t.*/0/*") if p.suffix != ".log"]
    files += [p for p in (node.broker.data / "streams").glob("clean-stop")]
    path = chance.choice(files)
    size = path.stat().st_size
    if size == 0:
        return "an empty file"
    flip(path, chance.randrange(size), chance.randrange(8))
    node.broker.start()
    found = node.records()
    if found != {o: o for o in range(RECORDS)}:
        raise SystemExit(f"{path.name}: {RECORDS - len(found)} records are missing")
    node.fill(50)
    return f"nothing lost by damage in {path.suffix or path.name}"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("weir")
    arguments.add_argument("--runs", type=int, default=12)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    failed = 0
    for run in range(a.runs):
        chance = random.Random(a.seed + run)
        node = Node(a.weir, clean=run % 2 == 0)
        what = f"run {run}, {'clean stop' if node.clean else 'kill -9'}"
        try:
            node.begin()
            if run % 3 == 2:
                came = other_case(node, chance)
            else:
                came = segment_case(node, chance, 1 + run % 3 * 2)
            print(f"ok   {what}: {came}", flush=True)
        except (SystemExit, AssertionError) as e:
            failed += 1
            print(f"FAIL {what}: {e}\n{node.broker.said()[-1000:]}", flush=True)
        finally:
            node.broker.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
