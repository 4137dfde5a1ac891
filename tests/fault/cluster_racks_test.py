#!/usr/bin/env python3
"""Five nodes in three racks, and Kafka's clients:

  replicas    those of a partition lie in different racks, also after a node was lost for good and its replicas were
              made anew, no faster than follower.replication.throttled.rate
  near        a consumer reads from the replica in its rack (KIP-392), nothing above the high watermark, and at the
              leader when that node is dead
  unclean     a partition whose in-sync replicas are all down has no leader and says so, does not come back with a
              replica that lags, and comes back whole with one that does not

Usage: cluster_racks_test.py WEIR
"""
import collections
import json
import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
try:
    from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
    from kafka.admin import KafkaAdminClient
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
from kafka_nodes import KafkaNodes, expect  # noqa: E402

RACKS = ("a", "a", "b", "b", "c")
THROTTLE_BYTES = 2 << 20
VALUE_BYTES = 1000
GIVEN_UP_SECONDS_MIN = 1.5  # a node is silent for 2.5 s before it is, and spoke every half second


class Reader:
    """A consumer of one partition from `offset` on, in a rack, in a thread of its own."""

    def __init__(self, cluster: KafkaNodes, topic: str, rack: str, offset: int = 0):
        self.rx = {}     # bytes that came from each node, by its address: the client may not know its number yet
        self.read = []   # (offset, value, when)
        self.errors = []
        self.ended = False
        self.client = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "near", "client.rack": rack,
                                "enable.auto.commit": False, "auto.offset.reset": "error",
                                "statistics.interval.ms": 100, "stats_cb": self.statistics, "log_level": 0,
                                "fetch.wait.max.ms": 100, "reconnect.backoff.ms": 20,
                                "reconnect.backoff.max.ms": 200})
        self.client.assign([TopicPartition(topic, 0, offset)])
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    def statistics(self, text: str) -> None:
        rx = collections.Counter()
        for b in json.loads(text)["brokers"].values():
            rx[b["nodename"]] += b["rxbytes"]
        self.rx = rx

    def loop(self) -> None:
        while not self.ended:
            for m in self.client.consume(1000, 0.05):
                if m.error():
                    self.errors.append(m.error())
                else:
                    self.read.append((m.offset(), m.value(), time.monotonic()))
        self.client.close()

    def end(self) -> None:
        self.ended = True
        self.thread.join()


def produce(cluster: KafkaNodes, topic: str, values, acks="all", partition: int = 0) -> None:
    problems = []
    client = Producer({"bootstrap.servers": cluster.bootstrap, "acks": acks, "linger.ms": 5, "log_level": 0,
                       "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
                       "queue.buffering.max.messages": 1_000_000})
    for v in values:
        client.produce(topic, v, partition=partition, on_delivery=lambda e, m: e and problems.append(e))
    left = client.flush(30)
    if problems or left:
        raise SystemExit(f"{topic}: {left} not delivered, {problems[:3]}{cluster.logs()}")


def padded(numbers) -> list:
    return [f"{i} ".encode().ljust(VALUE_BYTES, b"x") for i in numbers]


def racks_of_clients(cluster: KafkaNodes) -> dict:
    """Racks by the nodes' numbers, as a client is told."""
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap.split(","))
    brokers = admin.describe_cluster()["brokers"]
    admin.close()
    return {b["node_id"]: b["rack"] for b in brokers}


def spread(cluster: KafkaNodes, topics: dict) -> None:
    """`topics`: replicas by name."""
    racks = racks_of_clients(cluster)
    found = cluster.metadata()
    for topic, replicas in topics.items():
        for n, p in found[topic].items():
            expect(f"racks of {topic}-{n} on {p.replicas}", (len(p.replicas), len({racks[r] for r in p.replicas})),
                   (replicas, replicas))


# ---- Replicas over racks. ----

def replicas(cluster: KafkaNodes) -> dict:
    topics = {"two": 2, "three": 3}
    for topic, count in topics.items():
        cluster.create(topic, 6, count, min_insync_replicas=1)
    topics.update({"near": 3, "__consumer_offsets": 3})
    numbers = cluster.numbers()
    expect("racks as clients are told", racks_of_clients(cluster),
           {numbers[n.name]: n.rack for n in cluster.all.values()})
    spread(cluster, topics)
    return topics


def lost(cluster: KafkaNodes, topics: dict) -> None:
    """A node is lost for good. One of its partitions is large enough to see how fast copies are made."""
    node = cluster.all["n4"]
    number = cluster.numbers()["n4"]
    place = next(n for n, p in cluster.metadata("two")["two"].items() if number in p.replicas)
    produce(cluster, "two", padded(range(8000)), partition=place)
    node.end(signal.SIGKILL)
    began = time.monotonic()
    cluster.order("cluster", "drain", "n4")
    took = time.monotonic() - began
    cluster.order("cluster", "forget", "n4")
    del cluster.all["n4"]
    cluster.until("copies are made anew", cluster.all_in_sync)
    spread(cluster, topics)
    # A second's worth goes at once, and the last answer may overdraw by replica.fetch.max.bytes.
    least = (8000 * VALUE_BYTES - THROTTLE_BYTES - (1 << 20)) / THROTTLE_BYTES
    print(f"a lost node's replicas are made anew after {took:.1f} s, at the throttle's rate not before {least:.1f} s",
          flush=True)
    if took < least:
        raise SystemExit(f"8 MB were copied in {took:.1f} s in spite of a throttle of {THROTTLE_BYTES} bytes/s")
    copy = [n for n in cluster.metadata("two")["two"][place].replicas if n != number]
    expect("replicas of the large partition", len(copy), 2)


# ---- Reading near. ----

def roles(cluster: KafkaNodes, topic: str) -> tuple:
    """Leader, the replica in rack b, the other one, by name."""
    names = {number: name for name, number in cluster.numbers().items()}
    p = cluster.partition(topic)
    near = next(names[r] for r in p.replicas if cluster.all[names[r]].rack == "b")
    leader = names[p.leader]
    return leader, near, next(names[r] for r in p.replicas if names[r] not in (leader, near))


def near(cluster: KafkaNodes) -> None:
    numbers = cluster.numbers()
    # A topic that is led in another rack than b.
    for i in range(20):
        topic = f"near{i}"
        cluster.create(topic, 1, 3, min_insync_replicas=1)
        cluster.until(f"{topic} is led", lambda: cluster.partition(topic).leader >= 0)
        leader, follower, other = roles(cluster, topic)
        if leader != follower:
            break
    produce(cluster, topic, padded(range(3000)))
    reader = Reader(cluster, topic, "b")
    try:
        cluster.until("the records are read", lambda: len(reader.read) >= 3000, tell=lambda: reader.errors)
        total = 3000 * VALUE_BYTES
        cluster.until("what was read is counted", lambda: sum(reader.rx.values()) > total)
        from_follower, from_leader = (reader.rx[cluster.all[n].kafka] for n in (follower, leader))
        print(f"read in rack b: {from_follower} bytes from the follower there, {from_leader} from the leader",
              flush=True)
        if from_follower < total or from_leader > total / 10:
            raise SystemExit(f"a consumer in rack b reads {reader.rx}, led by {cluster.all[leader].kafka}, "
                             f"near is {cluster.all[follower].kafka}")
        below_the_high_watermark(cluster, topic, follower, other, reader)
        expect("what was read", [(o, int(v.split()[0])) for o, v, _ in reader.read], [(i, i) for i in range(3010)])
    finally:
        reader.end()
    # Its node dies. (librdkafka itself stays with such a node for up to five minutes, whatever it is told meanwhile.)
    cluster.all[follower].end(signal.SIGKILL)
    cluster.until("it is not in sync", lambda: numbers[follower] not in cluster.partition(topic).isrs)
    produce(cluster, topic, padded(range(3010, 6000)))
    reader = Reader(cluster, topic, "b")
    try:
        cluster.until("all is read at the leader", lambda: len(reader.read) >= 6000, tell=lambda: reader.errors)
        expect("what was read", [(o, int(v.split()[0])) for o, v, _ in reader.read], [(i, i) for i in range(6000)])
    finally:
        reader.end()
    cluster.all[follower].begin().ready()
    cluster.until("in sync again", cluster.all_in_sync)


def below_the_high_watermark(cluster: KafkaNodes, topic: str, follower: str, other: str, reader: Reader) -> None:
    """A replica stands still: what it does not have is not read, also where it has been copied to."""
    def copied() -> bool:
        return any(b"3009 xxx" in f.read_bytes()
                   for f in cluster.all[follower].data.glob(f"streams/topics/{topic}.*/0/*.log"))

    number = cluster.numbers()[other]
    cluster.all[other].process.send_signal(signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        produce(cluster, topic, padded(range(3000, 3010)), acks=1)
        cluster.until("the records are copied", copied)
        had = time.monotonic()
        expect("records above the high watermark", len(reader.read), 3000)
        cluster.until("they are read when the replica is given up", lambda: len(reader.read) >= 3010)
        first = reader.read[3000][2]
        cluster.until("it is not in sync", lambda: number not in cluster.partition(topic).isrs)
        print(f"copied after {had - stopped:.2f} s, read after {first - stopped:.2f} s", flush=True)
        if first < had or first < stopped + GIVEN_UP_SECONDS_MIN:
            raise SystemExit("read while a replica in sync did not have it")
    finally:
        cluster.all[other].process.send_signal(signal.SIGCONT)
    cluster.until("in sync again", cluster.all_in_sync)


# ---- No unclean election. ----

def no_leader(p, in_sync: int) -> bool:
    return (p.leader, p.error and p.error.code(), p.isrs) == (-1, KafkaError.LEADER_NOT_AVAILABLE, [in_sync])


def unclean(cluster: KafkaNodes) -> None:
    names = {number: name for name, number in cluster.numbers().items()}
    cluster.settled()
    cluster.create("clean", 1, 2, min_insync_replicas=1)
    cluster.settled()
    cluster.until("it is led", lambda: cluster.partition("clean").leader >= 0)
    p = cluster.partition("clean")
    at = p.leader
    leader, lags = names[at], next(names[r] for r in p.replicas if r != p.leader)
    produce(cluster, "clean", padded(range(10)))
    cluster.all[lags].end(signal.SIGKILL)
    cluster.until("one is in sync", lambda: len(cluster.partition("clean").isrs) == 1)
    produce(cluster, "clean", padded(range(10, 20)))
    cluster.all[leader].end(signal.SIGKILL)
    cluster.until("nobody leads", lambda: cluster.partition("clean").leader == -1,
                  tell=lambda: f"{vars(cluster.partition('clean'))}")
    for back in (None, lags):
        if back:
            cluster.all[back].begin().ready()
            time.sleep(1)
        # Nodes are told of it one after the other.
        cluster.until("clients are told", lambda: no_leader(cluster.partition("clean"), at))
        told = []
        client = Producer({"bootstrap.servers": cluster.bootstrap, "message.timeout.ms": 1000, "log_level": 0})
        client.produce("clean", b"no", partition=0, on_delivery=lambda e, m: told.append(e and e.code()))
        client.flush(10)
        expect("a producer is told", told, [KafkaError._MSG_TIMED_OUT])
    cluster.all[leader].begin().ready()
    cluster.until("it is led again, by the one that was in sync",
                  lambda: names.get(cluster.partition("clean").leader) == leader)
    produce(cluster, "clean", padded(range(20, 30)))
    reader = Reader(cluster, "clean", "")
    try:
        cluster.until("all is read", lambda: len(reader.read) >= 30, tell=lambda: reader.errors)
        expect("what is read", [(o, int(v.split()[0])) for o, v, _ in reader.read], [(i, i) for i in range(30)])
    finally:
        reader.end()
    cluster.until("both are in sync", cluster.all_in_sync)


def main() -> None:
    began = time.monotonic()

    def lap(what: str) -> None:
        print(f"{what}: {time.monotonic() - began:.1f} s", flush=True)

    with KafkaNodes(sys.argv[1], RACKS, {"follower.replication.throttled.rate": THROTTLE_BYTES}) as cluster:
        cluster.begin()
        lap("started")
        cluster.create("near", 1, 3)
        produce(cluster, "near", [b"x"])
        cluster.order("topic", "consume", "near", "--group", "g", "--from", "earliest", "--max", "1", "--quiet")
        topics = replicas(cluster)
        lap("replicas")
        near(cluster)
        lap("near")
        unclean(cluster)
        lap("unclean")
        lost(cluster, topics)
        lap("lost")


if __name__ == "__main__":
    main()
