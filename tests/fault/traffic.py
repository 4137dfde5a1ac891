"""Kafka clients that go on while a test does something to their cluster, in threads of its process: an idempotent
producer (acks=all) of each partition, a transactional one, a group of consumers, and readers of what a job makes of
it. They note how long each record took, so that the longest pause since a moment can be asked for, and in the end it
is compared: nothing lost, nothing twice, nothing out of order.
"""
import collections
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

LOAD, TRANSACTIONS, COPIES, COUNTS = "load", "transactions", "copies", "counts"
KEYS = 20
FAST = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50, "log_level": 0}
END_SECONDS_MAX = 60
CATCH_UP_SECONDS_MAX = 150  # of readers and the job, in the end: on a busy machine they are a minute behind
# How long clients wait at most, in seconds, when nothing is lost: whoever relies on a time-out of another node waits
# for longer than 2 s. And when a node dies, which is given up after 2.5 s of silence.
QUIET = {"acknowledged": 1.0, "committed": 2.0, "read": 1.5}
LOSS = {"acknowledged": 6.0, "committed": 8.0, "read": 6.0}
# On a machine that gives no time for longer, clients wait for several processes, one after the other, and nodes and
# members are given up that are only slow: how long is told then, and not judged.
CALM_SECONDS = 0.1
CONNECTION_ERRORS = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE)


class Client(threading.Thread):
    """One that works until it is ended. A thread that fails says why when it is ended."""

    def __init__(self, bootstrap: str):
        super().__init__(daemon=True)
        self.bootstrap = bootstrap
        self.ending, self.problems = False, []
        self.delays = []  # (when, seconds) of each record
        self.start()

    def config(self, **more) -> dict:
        return {"bootstrap.servers": self.bootstrap, "error_cb": self.error, **FAST,
                **{k.replace("_", "."): v for k, v in more.items()}}

    def error(self, e: KafkaError) -> None:
        """Lost connections are the client's own affair: it has others."""
        if e.fatal() or e.code() not in CONNECTION_ERRORS:
            self.problems.append(str(e))

    def run(self) -> None:
        try:
            self.work()
        except Exception as e:  # pylint: disable=broad-except
            self.problems.append(repr(e))

    def longest(self, since: float) -> float:
        """Of what was sent since then."""
        return max((seconds for when, seconds in list(self.delays) if when - seconds >= since), default=0.0)

    def end(self) -> None:
        self.ending = True
        self.join(END_SECONDS_MAX)
        if self.is_alive() or self.problems:
            raise SystemExit(f"{self.__class__.__name__}: {'does not end' if self.is_alive() else ''} {self.problems}")


class Machine(threading.Thread):
    """How late it is: where it gives no time to anybody for a while, clients wait too, and no cluster is to blame."""

    def __init__(self):
        super().__init__(daemon=True)
        self.late = []  # (when, seconds)
        self.start()

    def run(self) -> None:
        while True:
            before = time.monotonic()
            time.sleep(0.02)
            now = time.monotonic()
            self.late.append((now, now - before - 0.02))

    def latest(self, since: float) -> float:
        return max((late for when, late in list(self.late) if when >= since), default=0.0)


class Writer(Client):
    """Idempotent: `rate` records per second over `partitions`, which may become more. Values are "SEQUENCE TIME"."""

    def __init__(self, bootstrap: str, partitions: int, rate: int):
        self.partitions, self.rate = partitions, rate
        self.known = partitions  # by its client
        self.sent = 0
        self.acknowledged = {}  # (partition, offset) by sequence
        super().__init__(bootstrap)

    def delivered(self, sequence: int, began: float):
        def call(e, m):
            if e:
                self.problems.append(f"{sequence}: {e}")
                return
            now = time.monotonic()
            self.acknowledged[sequence] = (m.partition(), m.offset())
            self.delays.append((now, now - began))
        return call

    def work(self) -> None:
        client = Producer(self.config(enable_idempotence=True, acks="all", linger_ms=5))
        began = time.monotonic()
        while not self.ending:
            now = time.monotonic()
            if self.known != self.partitions:  # else it would look for itself every five minutes
                client.list_topics(LOAD, 10)
                self.known = self.partitions
            if self.sent > (now - began) * self.rate:
                client.poll(0.005)
                continue
            client.produce(LOAD, f"{self.sent} {now:.4f}", f"k{self.sent % KEYS}",
                           partition=self.sent % self.known, on_delivery=self.delivered(self.sent, now))
            self.sent += 1
        if left := client.flush(END_SECONDS_MAX):
            self.problems.append(f"{left} are not answered for")


class Transactions(Client):
    """Commits one after the other, each of three records; every fourth is aborted."""

    def __init__(self, bootstrap: str):
        self.committed, self.count = set(), 0
        super().__init__(bootstrap)

    @staticmethod
    def again(call, *arguments):
        """As librdkafka asks for: while an error says that it may be tried again."""
        until = time.monotonic() + END_SECONDS_MAX
        while True:
            try:
                return call(*arguments)
            except KafkaException as e:
                if not e.args[0].retriable() or time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def work(self) -> None:
        client = Producer(self.config(transactional_id="t", linger_ms=2))
        self.again(client.init_transactions, 10)
        while not self.ending:
            began = time.monotonic()
            client.begin_transaction()
            values = [f"{self.count} {i}" for i in range(3)]
            for v in values:
                client.produce(TRANSACTIONS, v, f"k{self.count}")
            if self.count % 4 == 3:
                client.flush(10)
                self.again(client.abort_transaction, 10)
            else:
                self.again(client.commit_transaction, 10)
                self.committed.update(values)
            self.count += 1
            now = time.monotonic()
            self.delays.append((now, now - began))
            time.sleep(0.02)


class Member(Client):
    """Of the group `readers` of the writer's topic."""

    def __init__(self, bootstrap: str):
        self.read = []  # (partition, offset, sequence)
        self.assigned, self.rebalances = set(), 0
        self.commits = []  # (when, seconds)
        super().__init__(bootstrap)

    def work(self) -> None:
        client = Consumer(self.config(group_id="readers", auto_offset_reset="earliest", enable_auto_commit=False,
                                      partition_assignment_strategy="cooperative-sticky", fetch_wait_max_ms=100,
                                      heartbeat_interval_ms=300, topic_metadata_refresh_interval_ms=500))
        client.subscribe([LOAD], on_assign=self.got, on_revoke=self.gave, on_lost=self.gave)
        committed = time.monotonic()
        while not self.ending:
            m = client.poll(0.02)  # not consume(): that of librdkafka 2.0 drops records while partitions move
            if m and m.error():
                if m.error().code() not in CONNECTION_ERRORS:
                    self.problems.append(str(m.error()))
            elif m:
                now = time.monotonic()
                sequence, sent = m.value().decode().split()
                self.delays.append((now, now - float(sent)))
                self.read.append((m.partition(), m.offset(), int(sequence)))
            if time.monotonic() > committed + 0.3 and self.read:
                committed = time.monotonic()
                self.commit(client)
        client.close()

    def got(self, client, partitions) -> None:
        self.rebalances += 1
        self.assigned |= {p.partition for p in partitions}

    def gave(self, client, partitions) -> None:
        self.assigned -= {p.partition for p in partitions}

    def commit(self, client) -> None:
        began = time.monotonic()
        try:
            client.commit(asynchronous=False)
            now = time.monotonic()
            self.commits.append((now, now - began))
        except KafkaException as e:
            # The next commit takes the place of one that may be tried again.
            if not e.args[0].retriable() and e.args[0].code() not in (
                    KafkaError._NO_OFFSET, KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION,
                    KafkaError._ASSIGNMENT_LOST, KafkaError.COORDINATOR_LOAD_IN_PROGRESS):
                self.problems.append(f"commit: {e}")


class Results(Client):
    """Reads what the job writes, committed only."""

    def __init__(self, bootstrap: str, topic: str, partitions: int):
        self.topic, self.partitions = topic, partitions
        self.values = []
        super().__init__(bootstrap)

    def work(self) -> None:
        client = Consumer(self.config(group_id="results", auto_offset_reset="earliest", enable_auto_commit=False,
                                      isolation_level="read_committed", fetch_wait_max_ms=100))
        client.assign([TopicPartition(self.topic, p, 0) for p in range(self.partitions)])
        while not self.ending:
            for m in client.consume(500, 0.02):
                if m.error():
                    if m.error().code() not in CONNECTION_ERRORS:
                        self.problems.append(str(m.error()))
                    continue
                now = time.monotonic()
                value = m.value().decode()
                self.delays.append((now, now - float(value.rsplit(" ", 1)[1].strip('"'))))
                self.values.append(value)
        client.close()


class Traffic:
    """All of them on a cluster (nodes.Nodes)."""

    def __init__(self, cluster, partitions: int, rate: int = 400, members: int = 2, results: int = 4):
        self.cluster = cluster
        self.machine = Machine()
        self.writer = Writer(cluster.bootstrap, partitions, rate)
        self.transactions = Transactions(cluster.bootstrap)
        self.members = [Member(cluster.bootstrap) for _ in range(members)]
        self.results = Results(cluster.bootstrap, COPIES, results)
        self.mark()

    def clients(self) -> list:
        return [self.writer, self.transactions, *self.members, self.results]

    def well(self) -> None:
        for c in self.clients():
            if c.problems:
                raise SystemExit(f"{c.__class__.__name__}: {c.problems[:5]}{self.cluster.logs()}")

    def flows(self) -> None:
        """Waits until every client has seen records that are new."""
        now = time.monotonic()
        self.cluster.until("all clients go on", lambda: all(
            any(when - seconds >= now for when, seconds in c.delays[-1000:])
            for c in (self.writer, self.transactions, self.results)) and any(
                any(when - seconds >= now for when, seconds in m.delays[-1000:]) for m in self.members),
            tell=lambda: [(c.__class__.__name__, c.problems, len(c.delays)) for c in self.clients()])
        self.well()

    def mark(self) -> None:
        self.since, self.rebalanced = time.monotonic(), self.rebalances()

    def rebalances(self) -> int:
        return sum(m.rebalances for m in self.members)

    def pauses(self) -> dict:
        """The longest since the last mark, in seconds."""
        return {"acknowledged": self.writer.longest(self.since), "committed": self.transactions.longest(self.since),
                "read": max(m.longest(self.since) for m in self.members), "results": self.results.longest(self.since)}

    def calm(self) -> bool:
        """The machine has been since the last mark."""
        return self.machine.latest(self.since) < CALM_SECONDS

    def report(self, what: str, bounds: dict) -> None:
        """How long clients waited at most; on a calm machine more than `bounds` (by who waits) fails, and so does a group
        that is rebalanced when nothing was lost."""
        self.flows()
        found = self.pauses()
        print(f"{what}: longest pause of a client, seconds: " + ", ".join(f"{k} {v:.2f}" for k, v in found.items())
              + f" (of the machine {self.machine.latest(self.since):.2f})", flush=True)
        if not self.calm():
            return
        if bounds is QUIET and self.rebalances() != self.rebalanced:
            raise SystemExit(f"{what}: the group was rebalanced{self.cluster.logs()}")
        if late := {k: v for k, v in found.items() if k in bounds and v > bounds[k]}:
            raise SystemExit(f"{what}: clients waited for {late}, more than {bounds}; records that were late, by partition:"
                             f"\n{self.slow()}{self.cluster.logs()}")

    def slow(self, seconds: float = 1) -> str:
        """Since the last mark: of each partition how many records were late, and when (since the mark) the first and the
        last one was written and acknowledged or read."""
        def told(late: dict) -> str:
            return ", ".join(f"{p}: {len(v)}, {v[0][0]:.1f}-{v[-1][0]:.1f} > {v[0][1]:.1f}-{v[-1][1]:.1f}"
                             for p, v in sorted(late.items()))

        def late(delays, partitions) -> dict:
            found = collections.defaultdict(list)
            for (when, took), p in zip(delays, partitions):
                if when - took >= self.since and took > seconds:
                    found[p].append((when - took - self.since, when - self.since))
            return found

        writer = list(zip(list(self.writer.delays), list(self.writer.acknowledged.values())))
        lines = [f"acknowledged {told(late([d for d, _ in writer], [p for _, (p, _) in writer]))}"]
        for m in self.members:
            lines.append(f"read {told(late(list(m.delays), [p for p, _, _ in list(m.read)]))}")
        return "\n".join(lines)

    def end(self) -> None:
        """Writers first; then all that was written has to have been read, once and in order."""
        self.writer.end()
        self.transactions.end()
        want = self.writer.acknowledged
        if len(want) != self.writer.sent:
            raise SystemExit(f"{len(want)} of {self.writer.sent} are acknowledged")
        self.cluster.until("the group has read all", lambda: len(
            {s for m in self.members for _, _, s in m.read}) >= len(want),
            tell=lambda: self.unread(want), seconds=CATCH_UP_SECONDS_MAX)
        self.cluster.until("the job has written all", lambda: len(self.results.values) >= len(want),
                           tell=lambda: self.unwritten(want), seconds=CATCH_UP_SECONDS_MAX)
        time.sleep(0.5)  # for what is there twice
        for c in (*self.members, self.results):
            c.end()
        self.check_log(want)
        self.check_group(want)
        self.check_job(want)

    def unread(self, want: dict) -> str:
        missing = want.keys() - {s for m in self.members for _, _, s in m.read}
        return (f"{len(missing)} of {len(want)} are not read, such as {[(s, want[s]) for s in sorted(missing)[:5]]}, by members "
                f"with {[m.assigned for m in self.members]}")

    def unwritten(self, want: dict) -> str:
        """What its reader has not seen, and what is not there for another one either."""
        from broker import read_all
        seen = {int(v.strip('"').split()[0]) for v in list(self.results.values)}
        there = {int(v.decode().strip('"').split()[0])
                 for _, _, _, v in read_all(self.cluster.bootstrap, COPIES, self.results.partitions, "read_committed")}
        return "; ".join(f"{len(want.keys() - found)} are not {how}, such as "
                         f"{[(s, want[s]) for s in sorted(want.keys() - found)[:8]]}"
                         for how, found in (("read", seen), ("there", there)))

    def check_log(self, want: dict) -> None:
        from broker import read_all
        partitions = self.writer.partitions
        found = {}
        by_partition = collections.defaultdict(list)
        for p, o, _, v in read_all(self.cluster.bootstrap, LOAD, partitions):
            sequence = int(v.split()[0])
            if sequence in found:
                raise SystemExit(f"{sequence} is in {LOAD} twice: {found[sequence]}, {(p, o)}")
            found[sequence] = (p, o)
            by_partition[p].append(sequence)
        if found != want:
            wrong = [(s, want.get(s), found.get(s)) for s in want.keys() | found.keys() if want.get(s) != found.get(s)]
            raise SystemExit(f"{LOAD}: {len(wrong)} records are not where they were acknowledged: {wrong[:5]}")
        for p, sequences in by_partition.items():
            if sequences != sorted(sequences):
                raise SystemExit(f"{LOAD}-{p} is out of order")
        committed = [v.decode() for _, _, _, v in read_all(self.cluster.bootstrap, TRANSACTIONS, 4, "read_committed")]
        if sorted(committed) != sorted(self.transactions.committed):
            raise SystemExit(f"{TRANSACTIONS}: {len(committed)} records, {len(self.transactions.committed)} committed")

    def check_group(self, want: dict) -> None:
        """No member was told other offsets; together they read everything, and nothing twice unless partitions moved."""
        seen = collections.Counter()
        for m in self.members:
            last = {}
            for p, o, s in m.read:
                if want[s] != (p, o):
                    raise SystemExit(f"the group read {s} at {(p, o)}, it was acknowledged at {want[s]}")
                seen[s] += 1
                last[p] = o
        if missing := want.keys() - seen.keys():
            raise SystemExit(f"the group has not read {len(missing)} records")
        self.again = sum(n - 1 for n in seen.values())

    def check_job(self, want: dict) -> None:
        """Each record went through the job once, and each key was counted as often as it is there."""
        from broker import read_all
        import json
        copies = collections.Counter(int(v.strip('"').split()[0]) for v in self.results.values)
        if copies != collections.Counter(want.keys()):
            twice = [s for s, n in copies.items() if n > 1]
            raise SystemExit(f"{COPIES}: {len(want.keys() - copies.keys())} records are missing, {len(twice)} are there "
                             f"twice {twice[:5]}")
        counts = {}
        for _, _, k, v in read_all(self.cluster.bootstrap, COUNTS, 4, "read_committed"):
            counts[k] = json.loads(v)["n"] if v else 0
        wanted = sorted(collections.Counter(s % KEYS for s in want).values())
        if sorted(counts.values()) != wanted:
            raise SystemExit(f"{COUNTS}: {sorted(counts.values())} instead of {wanted}")
