#!/usr/bin/env python3
"""A cluster of three nodes of which one's disk is full: another one leads what that one led, records with acks=all go
on being acknowledged, nothing acknowledged is lost, and when there is space again the node is in sync by itself.

Usage: cluster_full_disk_test.py WEIR
"""
import collections
import functools
import sys
import time

try:
    from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
import cluster_campaign_test as campaign
import net

TOPIC = "readings"
SECONDS_MAX = 60
CALM_SECONDS = 8  # nodes look every five seconds whether leaders are balanced
campaign.SETTINGS["replica.lag.time.max.ms"] = 2000  # what the full node follows waits for it so long


class Load:
    """Records of all partitions, one after the other; what was acknowledged, and when it was sent."""

    def __init__(self, address: str):
        self.client = Producer({"bootstrap.servers": address, "enable.idempotence": True, "acks": "all", "linger.ms": 0,
                                "retry.backoff.ms": 50, "delivery.timeout.ms": 120_000, "log_level": 0})
        self.acknowledged = collections.defaultdict(list)  # by partition: numbers
        self.newest = collections.defaultdict(float)       # by partition: when the newest acknowledged one was sent
        self.problems, self.next = [], 0

    def told(self, number: int, sent: float, error, message) -> None:
        if error:
            self.problems.append(str(error))
            return
        self.acknowledged[message.partition()].append(number)
        self.newest[message.partition()] = max(sent, self.newest[message.partition()])

    def work(self, seconds: float = 0.1) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.client.produce(TOPIC, str(self.next), partition=self.next % campaign.PARTITIONS,
                                on_delivery=functools.partial(self.told, self.next, time.monotonic()))
            self.next += 1
            self.client.poll(0.005)

    def until(self, what: str, found, cluster) -> float:
        began = time.monotonic()
        while not found():
            if time.monotonic() - began > SECONDS_MAX or self.problems:
                logs = "".join(f"\n{n.name}:\n{n.said()}" for n in cluster.nodes.values())
                raise SystemExit(f"after {SECONDS_MAX} s not {what}; {self.problems}{logs}")
            self.work()
        return time.monotonic() - began


def leaders(address: str) -> list:
    """By partition, as the cluster has them now. A client of its own: it may only reach who answers."""
    try:
        topic = AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(TOPIC, 5).topics[TOPIC]
        return [topic.partitions[p].leader for p in sorted(topic.partitions)]
    except KafkaException:
        return []


def read_all(address: str) -> dict:
    client = Consumer({"bootstrap.servers": address, "group.id": "all", "enable.auto.commit": False})
    client.assign([TopicPartition(TOPIC, p, 0) for p in range(campaign.PARTITIONS)])
    ends = {p: client.get_watermark_offsets(TopicPartition(TOPIC, p), 10)[1] for p in range(campaign.PARTITIONS)}
    rows, until = collections.defaultdict(list), time.monotonic() + SECONDS_MAX
    while sum(map(len, rows.values())) < sum(ends.values()) and time.monotonic() < until:
        for m in client.consume(500, 0.5):
            if not m.error():
                rows[m.partition()].append(int(m.value()))
    client.close()
    return rows


def main() -> None:
    net.skip_unless_permitted()
    campaign.own_mounts()
    cluster = campaign.Cluster(sys.argv[1], 3, 0, None)
    try:
        cluster.start()
        cluster.create({TOPIC: {"min.insync.replicas": "2"}})
        cluster.wait_healthy()
        with cluster.network.inside("client"):
            load = Load(cluster.address)
            load.until("acknowledged", lambda: len(load.newest) == campaign.PARTITIONS, cluster)
            number = leaders(cluster.address)[0]
            full = cluster.nodes[next(n["id"] for n in cluster.state()["nodes"] if n["node"] == number)]
            print(f"{full.name}, node {number}, leads {leaders(cluster.address).count(number)} of {campaign.PARTITIONS}", flush=True)
            full.fill(True)

            def led_by_others() -> bool:
                now = leaders(cluster.address)
                return len(now) == campaign.PARTITIONS and number not in now and -1 not in now

            moved = load.until("led by the others", led_by_others, cluster)
            since = time.monotonic()
            acknowledged = load.until("acknowledged while the disk is full", lambda: all(
                load.newest[p] > since for p in range(campaign.PARTITIONS)), cluster)
            # And it stays so: nobody gives them back to a node that cannot write.
            calm, longest = time.monotonic() + CALM_SECONDS, 0.0
            while time.monotonic() < calm:
                load.work(0.5)
                if number in leaders(cluster.address):
                    raise SystemExit(f"node {number} leads again with a full disk:{full.said()}")
                longest = max(longest, *(time.monotonic() - load.newest[p] for p in range(campaign.PARTITIONS)))
            full.fill(False)
            print(f"led by others after {moved:.1f} s, acknowledged after {acknowledged:.1f} s more, then within {longest:.1f} s",
                  flush=True)
            cluster.wait_healthy()
            load.until("led by all nodes again", lambda: number in leaders(cluster.address), cluster)
            left = load.client.flush(SECONDS_MAX)
            if left or load.problems or sum(map(len, load.acknowledged.values())) != load.next:
                raise SystemExit(f"{left} records of {load.next} are not acknowledged: {load.problems}")
            rows = read_all(cluster.address)
        for p in range(campaign.PARTITIONS):
            wanted = list(range(p, load.next, campaign.PARTITIONS))
            if rows[p] != wanted:
                raise SystemExit(f"partition {p}: {len(rows[p])} records instead of {len(wanted)}, all of them in order")
        print(f"{load.next} records, each once and in order")
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
