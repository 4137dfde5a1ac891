#!/usr/bin/env python3
"""What users of kafka-python do, with whatever version the interpreter has (2.0 and 3).

Usage: kafka_python_checks.py WEIR [CHECK...]
"""
import sys
import threading
import time

import kafka
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError

from node import Node, run_checks, wait_for

TP = kafka.TopicPartition
BASE_MS = int(time.time()) * 1000 - 200_000  # records have to be younger than the retention
NEW = int(kafka.__version__.split(".")[0]) >= 3


def has(codec):
    return getattr(kafka.codec, f"has_{codec}")()


CODECS = [None, "gzip"] + [c for c in ("snappy", "lz4", "zstd") if has(c)]


def make_topic(address, name, partitions=1):
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic(name, partitions, 1)])
    return admin


def consumer(address, group=None, **options):
    return kafka.KafkaConsumer(bootstrap_servers=address, group_id=group,
                               auto_offset_reset="earliest", enable_auto_commit=False,
                               **options)


def read(c, count, seconds=30):
    out = []
    until = time.monotonic() + seconds
    while len(out) < count and time.monotonic() < until:
        for records in c.poll(timeout_ms=200).values():
            out += records
    return out


def codecs(address):
    for codec in CODECS:
        topic = f"codec-{codec}"
        make_topic(address, topic).close()
        p = kafka.KafkaProducer(bootstrap_servers=address, compression_type=codec, linger_ms=20)
        for i in range(200):
            p.send(topic, value=f"value {i} ".encode() * 20, key=f"key {i}".encode(),
                   headers=[("n", str(i).encode())], timestamp_ms=BASE_MS + i)
        last = p.send(topic, value=None, key=b"gone")
        p.flush()
        assert last.get(30).offset == 200
        p.close()
        c = consumer(address)
        c.assign([TP(topic, 0)])
        got = read(c, 201)
        c.close()
        assert [m.offset for m in got] == list(range(201)), codec
        for i, m in enumerate(got[:200]):
            assert (m.key, m.value) == (f"key {i}".encode(), f"value {i} ".encode() * 20)
            assert list(m.headers) == [("n", str(i).encode())]
            assert (m.timestamp, m.timestamp_type) == (BASE_MS + i, 0)
        assert (got[200].key, got[200].value) == (b"gone", None)


class Member(threading.Thread):
    def __init__(self, address, group, topic):
        super().__init__()
        self.c = consumer(address, group, session_timeout_ms=6000, heartbeat_interval_ms=300)
        self.c.subscribe([topic])
        self.have, self.values, self.error = set(), set(), None
        self.stop = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.stop.is_set():
                for records in self.c.poll(timeout_ms=50).values():
                    self.values |= {r.value for r in records}
                self.have = {p.partition for p in self.c.assignment()}
                self.c.commit_async()
            self.c.close()
        except Exception as e:
            self.error = e

    def leave(self):
        self.stop.set()
        self.join(30)
        assert self.error is None, self.error


def group(address):
    make_topic(address, "group", 6).close()
    p = kafka.KafkaProducer(bootstrap_servers=address)
    members = []

    def balanced(of):
        have = [set(m.have) for m in of]
        assert all(m.error is None for m in of), [m.error for m in of]
        return sorted(x for h in have for x in h) == list(range(6)) and \
            {len(h) for h in have} == {6 // len(of)}

    sent = 0

    def send():
        nonlocal sent
        for _ in range(60):
            p.send("group", str(sent).encode(), partition=sent % 6)
            sent += 1
        p.flush()

    try:
        members = [Member(address, "group", "group") for _ in range(2)]
        wait_for("two members", lambda: balanced(members))
        send()
        members.append(Member(address, "group", "group"))
        wait_for("three members", lambda: balanced(members))
        send()
        members[0].leave()
        members[1].leave()
        wait_for("one member", lambda: balanced(members[2:]))
        send()
        all_values = {str(i).encode() for i in range(sent)}
        wait_for("all records", lambda: set().union(*(m.values for m in members)) == all_values)
    finally:
        for m in members:
            m.leave()
        p.close()
    a = KafkaAdminClient(bootstrap_servers=address)
    offsets = a.list_group_offsets("group")["group"] if NEW else \
        a.list_consumer_group_offsets("group")
    assert sum(o.offset for o in offsets.values()) == sent, offsets
    a.close()


def offsets(address):
    make_topic(address, "offsets").close()
    p = kafka.KafkaProducer(bootstrap_servers=address)
    for i in range(100):
        p.send("offsets", str(i).encode(), timestamp_ms=BASE_MS + 1000 * i)
        if i % 10 == 9:
            p.flush()
    p.close()
    c = consumer(address, "offsets")
    tp = TP("offsets", 0)
    c.assign([tp])
    assert c.beginning_offsets([tp]) == {tp: 0} and c.end_offsets([tp]) == {tp: 100}
    found = c.offsets_for_times({tp: BASE_MS + 41_500})[tp]
    assert (found.offset, found.timestamp) == (42, BASE_MS + 42_000)
    assert c.offsets_for_times({tp: BASE_MS + 99_001})[tp] is None
    c.seek(tp, 95)
    assert [m.value for m in read(c, 5)] == [b"95", b"96", b"97", b"98", b"99"]
    c.commit()
    assert c.committed(tp) == 100
    c.close()


def admin(address):
    a = make_topic(address, "admin", 2)
    try:
        a.create_topics([NewTopic("admin", 2, 1)])
        raise AssertionError("a topic was made twice")
    except TopicAlreadyExistsError:
        pass
    t = a.describe_topics(["admin"])[0]
    assert len(t["partitions"]) == 2
    resource = ConfigResource(ConfigResourceType.TOPIC, "admin",
                              {"retention.ms": "3600000"} if NEW else None)

    def retention():
        if NEW:
            entries = a.describe_configs([resource], config_filter="all")["topic"]["admin"]
            return entries["retention.ms"]["value"]
        entries = a.describe_configs([resource])[0].resources[0][4]
        return {e[0]: e[1] for e in entries}["retention.ms"]

    assert retention() == "604800000"
    a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "admin",
                                    {"retention.ms": "3600000"})])
    assert retention() == "3600000"
    a.create_partitions({"admin": NewPartitions(5)})
    wait_for("five", lambda: len(a.describe_topics(["admin"])[0]["partitions"]) == 5)
    a.delete_topics(["admin"])
    wait_for("its end", lambda: "admin" not in a.list_topics())
    a.close()


CHECKS = [codecs, group, offsets, admin]


def idempotence(address):
    make_topic(address, "idempotent").close()
    p = kafka.KafkaProducer(bootstrap_servers=address, enable_idempotence=True, linger_ms=1,
                            batch_size=500)
    for i in range(1000):
        p.send("idempotent", str(i).encode())
    p.close()
    c = consumer(address)
    c.assign([TP("idempotent", 0)])
    assert [int(m.value) for m in read(c, 1000)] == list(range(1000))
    c.close()


def transactions(address):
    make_topic(address, "numbers").close()
    make_topic(address, "doubles").close()
    p = kafka.KafkaProducer(bootstrap_servers=address)
    for i in range(30):
        p.send("numbers", str(i).encode())
    p.close()
    source = consumer(address, "doubling", isolation_level="read_committed", max_poll_records=10)
    source.subscribe(["numbers"])
    t = kafka.KafkaProducer(bootstrap_servers=address, transactional_id="doubler")
    t.init_transactions()
    tp = TP("numbers", 0)
    done = tries = 0
    while done < 30:
        batch = read(source, 10)
        assert [int(m.value) for m in batch] == list(range(done, done + 10))
        t.begin_transaction()
        for m in batch:
            t.send("doubles", str(2 * int(m.value)).encode())
        t.send_offsets_to_transaction({tp: kafka.OffsetAndMetadata(done + 10, "", -1)}, "doubling")
        tries += 1
        if tries == 2:
            t.flush()
            t.abort_transaction()
            source.seek(tp, done)
            continue
        t.commit_transaction()
        done += 10
    t.close()
    wait_for("its offset", lambda: source.committed(tp) == 30)
    source.close()
    for level, count in (("read_committed", 30), ("read_uncommitted", 40)):
        c = consumer(address, isolation_level=level)
        c.assign([TP("doubles", 0)])
        end = c.end_offsets([TP("doubles", 0)])[TP("doubles", 0)]
        got = []
        while c.position(TP("doubles", 0)) < end:
            got += [int(m.value) for m in read(c, 1, seconds=1)]
        c.close()
        assert len(got) == count, (level, got)
        if level == "read_committed":
            assert got == [2 * i for i in range(30)]


if NEW:
    CHECKS += [idempotence, transactions]


if __name__ == "__main__":
    print(f"kafka-python {kafka.__version__}")
    with Node(sys.argv[1]) as weir:
        code = run_checks(CHECKS, weir.address, sys.argv[2:])
    sys.exit(code)
