#!/usr/bin/env python3
"""What users of aiokafka do.

Usage: aiokafka_checks.py WEIR [CHECK...]
"""
import asyncio
import sys
import time

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from node import Node, run_checks

TP = aiokafka.TopicPartition
BASE_MS = int(time.time()) * 1000 - 200_000  # records have to be younger than the retention


async def make_topic(address, name, partitions=1):
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(name, partitions, 1)])
    return admin


async def read(address, topic, count, **options):
    c = aiokafka.AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, **options)
    await c.start()
    c.assign([TP(topic, 0)])
    await c.seek_to_beginning()
    got = [await asyncio.wait_for(c.getone(), 30) for _ in range(count)]
    await c.stop()
    return got


async def wait_until(what, condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not after {seconds} s: {what}"
        await asyncio.sleep(0.05)


async def codecs(address):
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        topic = f"codec-{codec}"
        await (await make_topic(address, topic)).close()
        p = aiokafka.AIOKafkaProducer(bootstrap_servers=address, compression_type=codec,
                                      enable_idempotence=True, linger_ms=20)
        await p.start()
        sent = [await p.send(topic, value=f"value {i} ".encode() * 20, key=f"key {i}".encode(),
                             headers=[("n", str(i).encode())], timestamp_ms=BASE_MS + i)
                for i in range(200)]
        assert (await sent[-1]).offset == 199
        await p.stop()
        for i, m in enumerate(await read(address, topic, 200)):
            assert (m.offset, m.key, m.value) == (i, f"key {i}".encode(), f"value {i} ".encode() * 20)
            assert (m.headers, m.timestamp) == ((("n", str(i).encode()),), BASE_MS + i)


async def group(address):
    await (await make_topic(address, "group", 6)).close()
    values = set()
    members = []

    async def join():
        c = aiokafka.AIOKafkaConsumer("group", bootstrap_servers=address, group_id="group",
                                      auto_offset_reset="earliest", session_timeout_ms=6000,
                                      heartbeat_interval_ms=300)
        await c.start()

        async def run():
            async for m in c:
                values.add(m.value)

        members.append((c, asyncio.create_task(run())))

    def balanced():
        have = [{p.partition for p in c.assignment()} for c, _ in members]
        return sorted(x for h in have for x in h) == list(range(6)) and \
            {len(h) for h in have} == {6 // len(have)}

    async def leave():
        c, task = members.pop(0)
        await c.stop()
        task.cancel()

    p = aiokafka.AIOKafkaProducer(bootstrap_servers=address)
    await p.start()
    sent = 0

    async def send():
        nonlocal sent
        for _ in range(60):
            await p.send_and_wait("group", str(sent).encode(), partition=sent % 6)
            sent += 1

    await join()
    await join()
    await wait_until("two members", balanced)
    await send()
    await join()
    await wait_until("three members", balanced)
    await send()
    await leave()
    await leave()
    await wait_until("one member", balanced)
    await send()
    await wait_until("every record", lambda: len(values) == sent)
    await leave()
    await p.stop()


async def transactions(address):
    await (await make_topic(address, "doubles")).close()
    p = aiokafka.AIOKafkaProducer(bootstrap_servers=address, transactional_id="doubler")
    await p.start()
    for number in range(4):
        await p.begin_transaction()
        for i in range(10):
            await p.send("doubles", str(number * 10 + i).encode())
        await p.send_offsets_to_transaction({TP("doubles", 0): number}, "doubling")
        await (p.abort_transaction() if number == 1 else p.commit_transaction())
    await p.stop()
    got = await read(address, "doubles", 30, isolation_level="read_committed")
    assert [int(m.value) for m in got] == [*range(10), *range(20, 40)]
    assert [int(m.value) for m in await read(address, "doubles", 40)] == list(range(40))
    c = aiokafka.AIOKafkaConsumer(bootstrap_servers=address, group_id="doubling")
    await c.start()
    c.assign([TP("doubles", 0)])
    assert await c.committed(TP("doubles", 0)) == 3
    await c.stop()


async def admin(address):
    a = await make_topic(address, "admin", 2)
    await a.create_partitions({"admin": NewPartitions(3)})
    described = (await a.describe_topics(["admin"]))[0]
    assert len(described["partitions"]) == 3
    await a.delete_topics(["admin"])
    assert "admin" not in await a.list_topics()
    await a.close()


def run_async(check):
    def call(address):
        asyncio.run(asyncio.wait_for(check(address), 120))
    call.__name__ = check.__name__
    return call


if __name__ == "__main__":
    print(f"aiokafka {aiokafka.__version__}")
    with Node(sys.argv[1]) as weir:
        code = run_checks([run_async(c) for c in (codecs, group, transactions, admin)],
                          weir.address, sys.argv[2:])
    sys.exit(code)
