#!/usr/bin/env python3
"""What librdkafka's users do, through confluent-kafka: whatever version the interpreter has.

Usage: librdkafka_checks.py WEIR [CHECK...]
"""
import os
import sys
import threading
import time

import confluent_kafka as ck
from confluent_kafka import admin as cka

from node import Node, run_checks, wait_for

# Records have to be younger than the retention.
BASE_MS = int(time.time()) * 1000 - 200_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SESSION_MS = 6000


def make_topic(address, name, partitions=1, **config):
    topic = cka.NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
    admin = cka.AdminClient({"bootstrap.servers": address})
    for done in admin.create_topics([topic]).values():
        done.result(30)
    return admin


def producer(address, **options):
    return ck.Producer({"bootstrap.servers": address} |
                       {k.replace("_", "."): v for k, v in options.items()})


def consumer(address, group, **options):
    return ck.Consumer({"bootstrap.servers": address, "group.id": group,
                        "auto.offset.reset": "earliest", "enable.auto.commit": False} |
                       {k.replace("_", "."): v for k, v in options.items()})


def read(c, count, seconds=30):
    """`count` messages, or all until the end of the time."""
    out = []
    until = time.monotonic() + seconds
    while len(out) < count and time.monotonic() < until:
        m = c.poll(0.5)
        if m is None:
            continue
        assert m.error() is None, m.error()
        out.append(m)
    return out


def read_all(address, topic, partitions, level):
    """The values of a topic, in the order of each partition, as a reader of this level sees it."""
    c = ck.Consumer({"bootstrap.servers": address, "group.id": "all", "isolation.level": level,
                     "enable.partition.eof": True, "enable.auto.commit": False})
    c.assign([ck.TopicPartition(topic, i, 0) for i in range(partitions)])
    out, ended = [], set()
    until = time.monotonic() + 30
    while len(ended) < partitions:
        assert time.monotonic() < until, f"{topic} has no end"
        m = c.poll(0.5)
        if m is None:
            continue
        if m.error() is None:
            out.append(m.value())
        else:
            assert m.error().code() == ck.KafkaError._PARTITION_EOF, m.error()
            ended.add(m.partition())
    c.close()
    return out


def delivered(errors):
    def call(error, _):
        if error:
            errors.append(error)
    return call


def codecs(address):
    for codec in CODECS:
        write_and_read(address, f"codec-{codec}", codec)


def codecs_of_topics(address):
    """The topic's own codec, whatever the producer's: uncompressed, and each in another one."""
    for i, kept in enumerate(["uncompressed", "gzip", "snappy", "lz4", "zstd"]):
        for codec in (CODECS[i - 1], CODECS[i - 2]):
            write_and_read(address, f"{codec}-in-{kept}", codec, **{"compression.type": kept})


def write_and_read(address, topic, codec, **config):
    make_topic(address, topic, **config)
    errors = []
    p = producer(address, compression_type=codec, linger_ms=20)
    for i in range(200):
        p.produce(topic, value=f"value {i} ".encode() * 20, key=f"key {i}".encode(),
                  headers=[("n", str(i).encode()), ("empty", b""), ("null", None)],
                  timestamp=BASE_MS + i, on_delivery=delivered(errors))
    p.produce(topic, value=None, key=b"gone", timestamp=BASE_MS + 999)
    p.produce(topic, value=b"", key=None, timestamp=BASE_MS + 1000)
    assert p.flush(30) == 0 and not errors, errors
    c = consumer(address, "codecs", check_crcs=True)
    c.assign([ck.TopicPartition(topic, 0, 0)])
    got = read(c, 202)
    c.close()
    assert [m.offset() for m in got] == list(range(202)), codec
    for i, m in enumerate(got[:200]):
        assert m.value() == f"value {i} ".encode() * 20, (codec, i)
        assert m.key() == f"key {i}".encode()
        assert m.headers() == [("n", str(i).encode()), ("empty", b""), ("null", None)]
        assert m.timestamp() == (ck.TIMESTAMP_CREATE_TIME, BASE_MS + i)
    assert (got[200].key(), got[200].value()) == (b"gone", None)
    assert (got[201].key(), got[201].value()) == (None, b"")


def log_append_time(address):
    make_topic(address, "append-time", **{"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    p = producer(address)
    p.produce("append-time", b"x", timestamp=1)
    assert p.flush(30) == 0
    c = consumer(address, "append-time")
    c.assign([ck.TopicPartition("append-time", 0, 0)])
    kind, at = read(c, 1)[0].timestamp()
    c.close()
    assert kind == ck.TIMESTAMP_LOG_APPEND_TIME
    assert before - 1000 <= at <= int(time.time() * 1000) + 1000


class Member:
    """A consumer of a group in its own thread; what it has and what it read."""

    def __init__(self, address, group, topic, **options):
        self.c = consumer(address, group, session_timeout_ms=SESSION_MS, heartbeat_interval_ms=300,
                          **options)
        self.have, self.values, self.error = set(), [], None
        self.stop = threading.Event()
        self.c.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked,
                         on_lost=self._revoked)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _assigned(self, _, partitions):
        self.have |= {p.partition for p in partitions}

    def _revoked(self, _, partitions):
        self.have -= {p.partition for p in partitions}

    def _run(self):
        try:
            while not self.stop.is_set():
                m = self.c.poll(0.05)
                if m is None:
                    continue
                assert m.error() is None, m.error()
                self.values.append(m.value())
                self.c.commit(message=m, asynchronous=True)
            self.c.close()
        except Exception as e:
            self.error = e

    def leave(self):
        self.stop.set()
        self.thread.join(30)
        assert self.error is None, self.error


def balanced(members, partitions):
    """Everything is taken, nothing twice, nobody has more than one above another."""
    have = [set(m.have) for m in members]
    assert all(m.error is None for m in members), [m.error for m in members]
    sizes = [len(h) for h in have]
    return (sum(sizes) == partitions and set().union(*have) == set(range(partitions)) and
            max(sizes) - min(sizes) <= 1)


def rebalance(address, name, **options):
    topic = f"rebalance-{name}"
    make_topic(address, topic, 6)
    p = producer(address)
    sent = []
    stop = threading.Event()

    def produce():
        while not stop.is_set():
            sent.append(str(len(sent)).encode())
            p.produce(topic, sent[-1], partition=len(sent) % 6)
            p.poll(0)
            time.sleep(0.005)

    feed = threading.Thread(target=produce)
    feed.start()
    members = []
    try:
        members = [Member(address, topic, topic, **options) for _ in range(2)]
        wait_for("two members", lambda: balanced(members, 6))
        members.append(Member(address, topic, topic, **options))
        wait_for("three members", lambda: balanced(members, 6))
        members[0].leave()
        members[1].leave()
        wait_for("one member", lambda: balanced(members[2:], 6))
        stop.set()
        feed.join()
        assert p.flush(30) == 0
        everything = set(sent)
        wait_for("every record", lambda: everything <= {v for m in members for v in m.values})
    finally:
        stop.set()
        for m in members:
            m.leave()


def group_eager(address):
    rebalance(address, "eager", partition_assignment_strategy="range")


def group_cooperative(address):
    rebalance(address, "cooperative", partition_assignment_strategy="cooperative-sticky")


def group_static(address):
    """KIP-345: a member that comes back under its name has its partitions without a rebalance."""
    make_topic(address, "static", 2)
    one = Member(address, "static", "static", group_instance_id="one")
    other = Member(address, "static", "static", group_instance_id="other")
    members = [one, other]
    try:
        wait_for("both", lambda: balanced(members, 2))
        before = set(one.have)
        one.leave()
        members[0] = one = Member(address, "static", "static", group_instance_id="one")
        wait_for("back", lambda: one.have == before)
    finally:
        for m in members:
            m.leave()


def commits(address):
    make_topic(address, "commits")
    p = producer(address)
    for i in range(10):
        p.produce("commits", str(i).encode())
    assert p.flush(30) == 0
    c = consumer(address, "committer")
    c.subscribe(["commits"])
    assert [m.value() for m in read(c, 4)] == [b"0", b"1", b"2", b"3"]
    at = ck.TopicPartition("commits", 0, 4)
    assert c.commit(offsets=[at], asynchronous=False)[0].offset == 4
    c.close()
    c = consumer(address, "committer")
    assert c.committed([ck.TopicPartition("commits", 0)], timeout=30)[0].offset == 4
    c.subscribe(["commits"])
    assert [m.value() for m in read(c, 6)] == [str(i).encode() for i in range(4, 10)]
    assert c.get_watermark_offsets(ck.TopicPartition("commits", 0), timeout=30) == (0, 10)
    c.close()


def idempotence(address):
    make_topic(address, "idempotent", 2)
    errors = []
    p = producer(address, enable_idempotence=True, linger_ms=1, batch_num_messages=10)
    for i in range(2000):
        p.produce("idempotent", str(i).encode(), partition=i % 2, on_delivery=delivered(errors))
        p.poll(0)
    assert p.flush(60) == 0 and not errors, errors
    for partition in range(2):
        c = consumer(address, "idempotent")
        c.assign([ck.TopicPartition("idempotent", partition, 0)])
        got = [int(m.value()) for m in read(c, 1000)]
        c.close()
        assert got == list(range(partition, 2000, 2))


def transactions(address):
    """Reads, doubles, writes; every third transaction is aborted and done again."""
    make_topic(address, "numbers", 1)
    make_topic(address, "doubles", 2)
    p = producer(address)
    for i in range(90):
        p.produce("numbers", str(i).encode())
    assert p.flush(30) == 0
    # Its hash is negative in Java: the partition of its offsets is the one that gets the markers.
    group = "doubling-with-a-longer-name"
    source = consumer(address, group, isolation_level="read_committed")
    source.subscribe(["numbers"])
    t = producer(address, transactional_id="doubler", transaction_timeout_ms=30000)
    t.init_transactions(30)
    done = tries = aborted = 0
    while done < 90:
        batch = read(source, 10)
        assert [int(m.value()) for m in batch] == list(range(done, done + 10))
        t.begin_transaction()
        for m in batch:
            t.produce("doubles", str(2 * int(m.value())).encode(), partition=int(m.value()) % 2)
        t.send_offsets_to_transaction(source.position(source.assignment()),
                                      source.consumer_group_metadata(), 30)
        tries += 1
        if tries % 3 == 0:
            t.flush(30)
            t.abort_transaction(30)
            aborted += 1
            source.seek(ck.TopicPartition("numbers", 0, done))
            continue
        t.commit_transaction(30)
        done += 10
    assert aborted == 4, aborted
    wait_for("its offset", lambda: source.committed([ck.TopicPartition("numbers", 0)],
                                                    timeout=30)[0].offset == 90)
    source.close()

    committed = sorted(map(int, read_all(address, "doubles", 2, "read_committed")))
    assert committed == [2 * i for i in range(90)]
    assert len(read_all(address, "doubles", 2, "read_uncommitted")) == 130


def fencing(address):
    """The second producer with a transactional id ends the first one's transaction."""
    make_topic(address, "fenced")
    first = producer(address, transactional_id="same")
    first.init_transactions(30)
    first.begin_transaction()
    first.produce("fenced", b"lost")
    first.flush(30)
    second = producer(address, transactional_id="same")
    second.init_transactions(30)
    second.begin_transaction()
    second.produce("fenced", b"kept")
    second.commit_transaction(30)
    try:
        first.commit_transaction(30)
        raise AssertionError("a fenced producer has committed")
    except ck.KafkaException as e:
        assert e.args[0].fatal() or e.args[0].code() == ck.KafkaError._FENCED, e
    wait_for("the commit", lambda: read_all(address, "fenced", 1, "read_committed") == [b"kept"])


def admin_topics(address):
    a = make_topic(address, "made", 2, **{"retention.ms": "3600000"})
    try:
        make_topic(address, "made", 2)
        raise AssertionError("a topic was made twice")
    except ck.KafkaException as e:
        assert e.args[0].code() == ck.KafkaError.TOPIC_ALREADY_EXISTS, e
    listed = a.list_topics(timeout=30)
    assert len(listed.topics["made"].partitions) == 2
    assert list(listed.brokers.values())[0].port == int(address.split(":")[1])
    resource = cka.ConfigResource(cka.ConfigResource.Type.TOPIC, "made")
    config = list(a.describe_configs([resource]).values())[0].result(30)
    assert config["retention.ms"].value == "3600000"
    assert config["cleanup.policy"].value == "delete" and config["cleanup.policy"].is_default
    change = cka.ConfigResource(cka.ConfigResource.Type.TOPIC, "made",
                                set_config={"cleanup.policy": "compact"})
    list(a.alter_configs([change]).values())[0].result(30)
    config = list(a.describe_configs([resource]).values())[0].result(30)
    assert config["cleanup.policy"].value == "compact"
    assert config["retention.ms"].value == "604800000"  # AlterConfigs sets all of them
    list(a.create_partitions([cka.NewPartitions("made", 5)]).values())[0].result(30)
    wait_for("five partitions", lambda: len(a.list_topics("made", 30).topics["made"].partitions) == 5)
    list(a.delete_topics(["made"]).values())[0].result(30)
    wait_for("its end", lambda: "made" not in a.list_topics(timeout=30).topics)


def offsets_by_time(address):
    make_topic(address, "times")
    p = producer(address)
    for i in range(100):
        p.produce("times", str(i).encode(), timestamp=BASE_MS + 1000 * i)
        if i % 10 == 9:
            assert p.flush(30) == 0  # several batches
    c = consumer(address, "times")

    def at(timestamp):
        found = c.offsets_for_times([ck.TopicPartition("times", 0, timestamp)], timeout=30)[0]
        assert found.error is None, found.error
        return found.offset

    assert at(BASE_MS) == 0
    assert at(BASE_MS + 41_500) == 42
    assert at(BASE_MS + 99_000) == 99
    assert at(BASE_MS + 99_001) == ck.OFFSET_END
    c.close()


def groups_listed(address):
    make_topic(address, "listed", 2)
    m = Member(address, "listed-group", "listed", client_id="it")
    try:
        wait_for("its partitions", lambda: m.have == {0, 1})
        a = cka.AdminClient({"bootstrap.servers": address})
        old = {g.id: g for g in a.list_groups(timeout=30)}
        assert old["listed-group"].state == "Stable"
        assert old["listed-group"].protocol_type == "consumer"
        assert [x.client_id for x in old["listed-group"].members] == ["it"]
        if hasattr(a, "describe_consumer_groups"):
            d = list(a.describe_consumer_groups(["listed-group"]).values())[0].result(30)
            assert d.state == ck.ConsumerGroupState.STABLE
            assert {tp.partition for tp in d.members[0].assignment.topic_partitions} == {0, 1}
    finally:
        m.leave()
    if hasattr(a, "delete_consumer_groups"):
        list(a.delete_consumer_groups(["listed-group"]).values())[0].result(30)
        assert "listed-group" not in {g.id for g in a.list_groups(timeout=30)}


CHECKS = [codecs, codecs_of_topics, log_append_time, group_eager, group_cooperative, group_static, commits,
          idempotence, transactions, fencing, admin_topics, offsets_by_time, groups_listed]


def newest(address):
    """What Debian's librdkafka cannot do yet."""
    a = make_topic(address, "newest", 3)
    p = producer(address)
    for i in range(30):
        p.produce("newest", str(i).encode(), partition=i % 3, timestamp=BASE_MS + i)
    assert p.flush(30) == 0
    low = a.delete_records([ck.TopicPartition("newest", 1, 4)])
    assert list(low.values())[0].result(30).low_watermark == 4
    c = consumer(address, "newest")
    assert c.get_watermark_offsets(ck.TopicPartition("newest", 1), timeout=30) == (4, 10)
    c.close()

    def offset(spec):
        found = a.list_offsets({ck.TopicPartition("newest", 1): spec})
        return list(found.values())[0].result(30).offset

    assert offset(cka.OffsetSpec.earliest()) == 4
    assert offset(cka.OffsetSpec.latest()) == 10
    assert offset(cka.OffsetSpec.max_timestamp()) == 9
    assert offset(cka.OffsetSpec.for_timestamp(BASE_MS + 17)) == 6
    resource = cka.ConfigResource(
        cka.ConfigResource.Type.TOPIC, "newest",
        incremental_configs=[cka.ConfigEntry("max.message.bytes", "20000",
                                             incremental_operation=cka.AlterConfigOpType.SET)])
    list(a.incremental_alter_configs([resource]).values())[0].result(30)
    found = list(a.describe_configs([resource]).values())[0].result(30)
    assert found["max.message.bytes"].value == "20000"
    d = list(a.describe_topics(ck.TopicCollection(["newest"])).values())[0].result(30)
    assert len(d.partitions) == 3 and str(d.topic_id)
    assert a.describe_cluster().result(30).controller.port == int(address.split(":")[1])


def group_consumer_protocol(address):
    """KIP-848: the broker assigns."""
    topic = "rebalance-kip848"
    make_topic(address, topic, 6)
    members = []

    def join():
        c = ck.Consumer({"bootstrap.servers": address, "group.id": topic,
                         "group.protocol": "consumer", "auto.offset.reset": "earliest"})
        m = Member.__new__(Member)
        m.c, m.have, m.values, m.error, m.stop = c, set(), [], None, threading.Event()
        c.subscribe([topic], on_assign=m._assigned, on_revoke=m._revoked, on_lost=m._revoked)
        m.thread = threading.Thread(target=m._run)
        m.thread.start()
        members.append(m)

    try:
        join()
        join()
        wait_for("two members", lambda: balanced(members, 6))
        join()
        wait_for("three members", lambda: balanced(members, 6))
        p = producer(address)
        for i in range(60):
            p.produce(topic, str(i).encode(), partition=i % 6)
        assert p.flush(30) == 0
        wait_for("all records", lambda: sum(len(m.values) for m in members) >= 60)
        members[0].leave()
        members[1].leave()
        wait_for("one member", lambda: balanced(members[2:], 6))
    finally:
        for m in members:
            m.leave()


if ck.libversion()[1] >= 0x020b0000:
    CHECKS += [newest, group_consumer_protocol]


if __name__ == "__main__":
    print(f"librdkafka {ck.libversion()[0]}, confluent-kafka {ck.version()[0]}")
    with Node(sys.argv[1]) as weir:
        code = run_checks(CHECKS, weir.address, sys.argv[2:])
    sys.stdout.flush()
    os._exit(code)  # Debian's confluent-kafka miscounts None: the interpreter aborts when it ends
