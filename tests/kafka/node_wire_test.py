#!/usr/bin/env python3
"""A real node, asked in the protocol's own bytes: what clients' libraries do not show.

Usage: node_wire_test.py WEIR [TEST...]
"""
import json
import pathlib
import re
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from weir_cli import main  # noqa: E402

UNKNOWN_PARTITION, SESSION_NOT_FOUND, SESSION_EPOCH, REBOOTSTRAP = 3, 70, 71, 129
NOT_ENOUGH_REPLICAS = 19
OUT_OF_ORDER_SEQUENCE, INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING = 45, 48, 49
CODECS = ["uncompressed", "gzip", "snappy", "lz4", "zstd"]


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, form: str):
        (value,) = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def bytes(self, n: int) -> bytes:
        self.at += max(n, 0)
        return self.data[self.at - max(n, 0):self.at]

    def string(self) -> str:
        return self.bytes(self.take("h")).decode()

    def list(self, item) -> list:
        return [item() for _ in range(self.take("i"))]


def string(s: str) -> bytes:
    return struct.pack(">h", len(s)) + s.encode()


def array(items: list) -> bytes:
    return struct.pack(">i", len(items)) + b"".join(items)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def record_batch(value: bytes, producer: int, epoch: int, sequence: int, transactional: bool) -> bytes:
    """One record without a key, shorter than 64 bytes."""
    record = bytes([0, 0, 0, 1, len(value) * 2]) + value + b"\0"
    record = bytes([len(record) * 2]) + record
    now = int(time.time() * 1000)
    checked = struct.pack(">hiqqqhii", 16 * transactional, 0, now, now, producer, epoch, sequence, 1) + record
    rest = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(rest)) + rest


class Node:
    def __init__(self, case, *settings, data="node"):
        self.case = case
        options = [o for s in settings for o in ("--broker-config", s)]
        process = case.start("up", "--data-dir", data, "--kafka", "127.0.0.1:0", "--http",
                             "127.0.0.1:0", *options)
        line = process.stdout.readline().decode()
        match = re.fullmatch(r"ready kafka=(\S+) http=(\S+)\n", line)
        assert match, line + process.stderr.read().decode()
        self.kafka, self.http = match.groups()

    def verb(self, *arguments, stdin=b""):
        return self.case.expect(0, *arguments, "--cluster", self.http, stdin=stdin).out

    def produce(self, topic, *values, partition=0, options=()):
        self.verb("topic", "produce", topic, "--partition", str(partition), "--quiet", *options,
                  stdin="".join(v + "\n" for v in values).encode())


class Client:
    def __init__(self, node):
        host, port = node.kafka.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.number = 0

    def ask(self, key, version, body, flexible=False) -> Reader:
        self.number += 1
        header = struct.pack(">hhi", key, version, self.number) + string("wire") + (
            b"\0" if flexible else b"")
        request = header + body
        self.socket.sendall(struct.pack(">i", len(request)) + request)
        size = struct.unpack(">i", self.exactly(4))[0]
        answer = Reader(self.exactly(size))
        assert answer.take("i") == self.number
        return answer

    def send(self, key, version, body) -> None:
        self.number += 1
        request = struct.pack(">hhi", key, version, self.number) + string("wire") + body
        self.socket.sendall(struct.pack(">i", len(request)) + request)

    def receive(self) -> Reader:
        """The next answer, of those that were sent without waiting."""
        answer = Reader(self.exactly(struct.unpack(">i", self.exactly(4))[0]))
        answer.take("i")
        return answer

    def exactly(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            assert more, "the node has hung up"
            data += more
        return data

    def fetch(self, session, epoch, partitions, forgotten=(), wait=0):
        """Version 11. `partitions`: {number: offset} of topic t. (error, session, {number: (error,
        high watermark, records)})."""
        wanted = [struct.pack(">iiqqi", p, -1, o, -1, 1 << 20) for p, o in partitions.items()]
        body = struct.pack(">iiiibii", -1, wait, 1, 1 << 20, 0, session, epoch)
        body += array([string("t") + array(wanted)] if wanted else [])
        gone = [struct.pack(">i", p) for p in forgotten]
        body += array([string("t") + array(gone)] if gone else []) + string("")
        r = self.ask(1, 11, body)
        r.take("i")  # throttle
        error, session = r.take("h"), r.take("i")
        found = {}

        def partition():
            number, problem, high = r.take("i"), r.take("h"), r.take("q")
            r.take("q"), r.take("q")
            for _ in range(max(r.take("i"), 0)):  # aborted transactions
                r.take("q"), r.take("q")
            r.take("i")  # preferred replica
            found[number] = (problem, high, r.bytes(r.take("i")))

        r.list(lambda: (r.string(), r.list(partition)))
        return error, session, found


def test_fetch_sessions(c):
    n = Node(c, "max.incremental.fetch.session.cache.slots=2")
    n.verb("topic", "create", "t", "--partitions", "3")
    n.produce("t", "a", partition=0)
    k = Client(n)
    error, session, found = k.fetch(0, 0, {0: 0, 1: 0, 2: 0})
    assert error == 0 and session > 0 and sorted(found) == [0, 1, 2], found
    assert b"a" in found[0][2] and found[1][2] == b"" and found[0][1] == 1, found
    # What was read moves on; nothing is new.
    assert k.fetch(session, 1, {0: 1}) == (0, session, {})
    n.produce("t", "b", partition=1)
    error, _, found = k.fetch(session, 2, {})
    assert error == 0 and list(found) == [1] and b"b" in found[1][2], found
    # Not read further: it comes again. A request that waits is woken by what comes.
    assert list(k.fetch(session, 3, {}, wait=5000)[2]) == [1]
    n.produce("t", "c", partition=2)
    error, _, found = k.fetch(session, 4, {1: 1}, forgotten=[0])
    assert list(found) == [2], found
    n.produce("t", "d", partition=0)
    assert k.fetch(session, 5, {2: 1}) == (0, session, {})  # it has forgotten partition 0
    # A partition that is not there is told each time.
    assert k.fetch(session, 6, {7: 0})[2][7][0] == UNKNOWN_PARTITION
    assert k.fetch(session, 7, {})[2][7][0] == UNKNOWN_PARTITION
    assert k.fetch(session, 7, {}) == (SESSION_EPOCH, 0, {})
    assert k.fetch(session + 1, 1, {}) == (SESSION_NOT_FOUND, 0, {})
    other = Client(n)
    assert other.fetch(0, 0, {0: 0})[1] > 0
    full, none, found = other.fetch(0, 0, {0: 0})
    assert (full, none, list(found)) == (0, 0, [0])  # no room for a third: served without
    # A whole request ends the session that it names.
    error, again, found = k.fetch(session, 0, {0: 0})
    assert error == 0 and again not in (0, session) and list(found) == [0]
    assert k.fetch(session, 8, {})[0] == SESSION_NOT_FOUND
    assert k.fetch(again, -1, {0: 0})[1] == 0
    assert k.fetch(again, 1, {})[0] == SESSION_NOT_FOUND


def test_codecs_of_topics(c):
    """Whatever a producer uses, a topic's batches are in the topic's codec."""
    n = Node(c)
    values = [f"value {i} " + "x" * 50 for i in range(50)]
    for codec in ["producer", *CODECS]:
        n.verb("topic", "create", "t", "--set", f"compression.type={codec}")
        for sent in ["none", *CODECS[1:]]:
            n.produce("t", *values, options=("--compression", sent))
        k, offset, stored = Client(n), 0, []
        while offset < 250:
            records = k.fetch(0, -1, {0: offset})[2][0][2]
            at = 0
            while at + 61 <= len(records):
                base, length = struct.unpack_from(">qi", records, at)
                (attributes,) = struct.unpack_from(">h", records, at + 21)
                (last,) = struct.unpack_from(">i", records, at + 23)
                stored.append(CODECS[attributes & 7])
                offset = base + last + 1
                at += 12 + length
        want = CODECS if codec == "producer" else [codec]
        assert set(stored) == set(want), (codec, stored)
        out = n.verb("topic", "consume", "t", "-o", "raw", "--quiet").splitlines()
        assert out == values * 5, (codec, out[:3])
        # A setting that changes holds for what comes.
        n.verb("topic", "alter", "t", "--set", "compression.type=lz4")
        n.produce("t", "last", options=("--compression", "zstd"))
        records = k.fetch(0, -1, {0: 250})[2][0][2]
        assert struct.unpack_from(">h", records, 21)[0] & 7 == CODECS.index("lz4")
        n.verb("topic", "delete", "t")


def test_offsets_of_partitions_that_are_not_there(c):
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "2")
    k = Client(n)

    def errors(answer):
        return {t: dict(p) for t, p in answer.list(
            lambda: (answer.string(), answer.list(lambda: (answer.take("i"), answer.take("h")))))}

    parts = [struct.pack(">iqi", p, 1, -1) + string("") for p in (0, 1, 2, 7, -1)]
    r = k.ask(8, 7, string("g") + struct.pack(">i", -1) + string("") + struct.pack(">h", -1) +
              array([string("t") + array(parts), string("no") + array(parts[:1])]))
    r.take("i")  # throttle
    wrong = UNKNOWN_PARTITION
    assert errors(r) == {"t": {0: 0, 1: 0, 2: wrong, 7: wrong, -1: wrong}, "no": {0: wrong}}
    # In a transaction: InitProducerId, AddOffsetsToTxn, TxnOffsetCommit.
    r = k.ask(22, 0, string("tx") + struct.pack(">i", 60000))
    r.take("i")
    assert r.take("h") == 0
    producer = struct.pack(">qh", r.take("q"), r.take("h"))
    r = k.ask(25, 0, string("tx") + producer + string("g"))
    r.take("i")
    assert r.take("h") == 0
    parts = [struct.pack(">iq", p, 1) + string("") for p in (1, 2)]
    r = k.ask(28, 0, string("tx") + string("g") + producer + array([string("t") + array(parts)]))
    r.take("i")
    assert errors(r) == {"t": {1: 0, 2: wrong}}


def transactional(k, partition, *batches, transaction="tx"):
    """Batches of one record, (sequence, producer), sent one behind the other without waiting: what each is answered."""
    for sequence, producer in batches:
        records = record_batch(str(sequence).encode(), *producer, sequence, transactional=True)
        k.send(0, 8, string(transaction) + struct.pack(">hi", -1, 30000) + array([string("t") + array(
            [struct.pack(">ii", partition, len(records)) + records])]))
    answers = []
    for _ in batches:
        r = k.receive()
        assert (r.take("i"), r.string(), r.take("i"), r.take("i")) == (1, "t", 1, partition)
        answers.append(r.take("h"))
    return answers


def begin(k, *partitions):
    """InitProducerId, AddPartitionsToTxn; the producer."""
    r = k.ask(22, 0, string("tx") + struct.pack(">i", 60000))
    r.take("i")
    assert r.take("h") == 0
    producer = r.take("q"), r.take("h")
    add_partitions(k, producer, *partitions)
    return producer


def add_partitions(k, producer, *partitions):
    if not partitions:
        return
    r = k.ask(24, 0, string("tx") + struct.pack(">qh", *producer) +
              array([string("t") + array([struct.pack(">i", p) for p in partitions])]))
    r.take("i")
    assert r.list(lambda: (r.string(), r.list(lambda: (r.take("i"), r.take("h"))))) == [
        ("t", [(p, 0) for p in partitions])]


def commit(k, producer):
    r = k.ask(26, 0, string("tx") + struct.pack(">qh?", *producer, True))
    r.take("i")
    assert r.take("h") == 0


def test_a_batch_opens_no_transaction_by_itself(c):
    """What comes before its transaction has the partition, or after it has ended, would hold readers up for ever."""
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "2")
    k = Client(n)
    producer = begin(k)
    assert transactional(k, 0, (0, producer)) == [INVALID_TXN_STATE]
    add_partitions(k, producer, 0)
    assert transactional(k, 1, (0, producer)) == [INVALID_TXN_STATE]
    assert transactional(k, 0, (0, producer), transaction="another") == [INVALID_PRODUCER_ID_MAPPING]
    # Those behind the first one wait for what the coordinator says of it, and keep their order.
    assert transactional(k, 0, *((i, producer) for i in range(5))) == [0] * 5
    commit(k, producer)
    # Both are to be sent again while the end of the transaction is being written.
    while (found := transactional(k, 0, (5, producer), (6, producer))) == [NOT_ENOUGH_REPLICAS] * 2:
        time.sleep(0.01)
    assert found == [INVALID_TXN_STATE, OUT_OF_ORDER_SEQUENCE], found
    described = json.loads(n.verb("topic", "describe", "t", "-o", "json"))["partitions"]
    assert [(p["end"], p["stable"], p["open_transactions"]) for p in described] == [(6, 6, 0), (0, 0, 0)]
    assert n.verb("topic", "consume", "t", "-o", "raw", "--quiet").split() == [str(i) for i in range(5)]
    # The next one goes on with its sequence.
    add_partitions(k, producer, 0, 1)
    assert transactional(k, 0, (5, producer)) == transactional(k, 1, (0, producer)) == [0]
    commit(k, producer)
    assert len(n.verb("topic", "consume", "t", "-o", "raw", "--quiet").split()) == 7


def test_batches_may_open_transactions_where_it_is_wanted(c):
    n = Node(c, "transaction.partition.verification.enable=false")
    n.verb("topic", "create", "t")
    k = Client(n)
    assert transactional(k, 0, (0, begin(k))) == [0]


def test_log_dirs_are_absolute(c):
    n = Node(c)  # --data-dir node: relative
    n.verb("topic", "create", "t")
    r = Client(n).ask(35, 1, struct.pack(">i", -1))
    r.take("i")
    assert r.take("i") == 1 and r.take("h") == 0
    folder = pathlib.Path(r.string())
    assert folder.is_absolute() and folder.is_dir() and (c.dir / "node") in [folder, *folder.parents]


def test_api_versions_5(c):
    n = Node(c)

    def compact(s):
        return b"\0" if s is None else bytes([len(s) + 1]) + s.encode()

    def error_of(cluster, node):
        body = compact("wire") + compact("1") + compact(cluster) + struct.pack(">i", node) + b"\0"
        r = Client(n).ask(18, 5, body, flexible=True)
        return r.take("h"), len(r.data)

    assert error_of(None, -1)[0] == 0 and error_of(None, -1)[1] > 100
    assert error_of("another", -1)[0] == REBOOTSTRAP
    assert error_of(None, 12345)[0] == REBOOTSTRAP


def kept(node, topic):
    (p,) = json.loads(node.verb("topic", "describe", topic, "-o", "json"))["partitions"]
    return p["end"] - p["start"]


def produce_old(node, topic):
    hour_ago = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 3600))
    node.verb("topic", "produce", topic, "--format", "records", "--quiet",
              stdin=json.dumps({"value": "x", "timestamp": hour_ago}).encode())


def removed(node, topic, seconds):
    """Whether the topic's records go within this time."""
    began = time.monotonic()
    while kept(node, topic):
        if time.monotonic() - began > seconds:
            return False
        time.sleep(0.05)
    return True


def test_retention_is_checked_often(c):
    n = Node(c, "log.retention.check.interval.ms=500")
    n.verb("topic", "create", "t", "--set", "retention.ms=60000")
    for _ in range(5):  # each by a look of its own; the default's are minutes apart
        produce_old(n, "t")
        assert removed(n, "t", 30)


def test_retention_is_checked_seldom(c):
    n = Node(c, "log.retention.check.interval.ms=3600000")
    for topic in ("t", "u"):
        n.verb("topic", "create", topic, "--set", "retention.ms=60000")
    retention = iter(range(59999, 0, -1))

    def look_at(topic):
        """Who changes the configuration does not wait an hour for the next look."""
        n.verb("topic", "alter", topic, "--set", f"retention.ms={next(retention)}")
        assert removed(n, topic, 60)

    def go_round():
        """Partitions are looked after in turn: between two looks at u there is t's turn."""
        for _ in range(3):
            produce_old(n, "u")
            look_at("u")

    go_round()  # the first look at t is over
    produce_old(n, "t")
    go_round()
    assert kept(n, "t") == 1
    look_at("t")


if __name__ == "__main__":
    main(globals())
