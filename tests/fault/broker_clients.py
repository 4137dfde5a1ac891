"""Clients of the broker's kill test, one process each. Each writes what it saw into a journal of
its own, a line an event. Those that write end when the file STOP appears and all their records are
answered for; those that read when the file READ appears and they are at the ends of their
partitions; the observer looks once more when DONE is there.

Usage: broker_clients.py ROLE NUMBER ADDRESS FOLDER SEED
  producer  idempotent; journal: "a SEQUENCE PARTITION OFFSET" an acknowledged record
  writer    transactional; journal: "b N COUNT" begun, "c N", "x N" committed, aborted; "u N" not
            known (the client was fenced or lost); the first COUNT of N count; "w N TOPIC VALUE" a
            record that is sent, "s N TOPIC PARTITION OFFSET VALUE" where it was written
  mixer     transactional: polls and sends in each transaction; journal as a writer's and a member's
  member    of group NUMBER; journal: "p" a poll that gave the records that follow, "r TOPIC PARTITION
            OFFSET VALUE" a record that it read, "+ TOPIC PARTITION", "- TOPIC PARTITION" what it is
            assigned and what is taken away, "k START END TOPIC PARTITION OFFSET" an acknowledged
            commit with its times
  observer  asks for the groups' offsets; journal: "o START END GROUP TOPIC PARTITION OFFSET"
  copier    reads `load`, writes `copies`, both in one transaction with its offsets
  scribe    an idempotent producer of lines of text, for jobs; journal as a producer's, values are text_line()
Keys are "CLIENT-KEY", values "CLIENT SEQUENCE PADDING", of writers "CLIENT N SEQUENCE PADDING".
"""
import faulthandler
import functools
import os
import pathlib
import random
import signal
import sys
import time

from confluent_kafka import (Consumer, KafkaError, KafkaException, Producer, TopicPartition)

LOAD, TRANSACTIONS, COPIES, MIXES, LINES = "load", "transactions", "copies", "mixes", "lines"
PARTITIONS = 4
GROUPS = 3
KEYS = 20
# Per producer, so that what is written stays within what the verifier can hold in memory. A long campaign says less.
RECORDS_PER_SECOND = int(os.environ.get("RECORDS_PER_SECOND", 1500))
LINES_PER_SECOND = max(1, RECORDS_PER_SECOND // 15)
TEXT = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "examples" / "flights" / "data" / "logbook.txt"
OUTSTANDING_MAX = 1000
END_SECONDS_MAX = 120
# Whoever stands still for longer (a machine that is paused) rightly sees his transaction aborted and
# himself fenced. The longest that is allowed, so that a refusal is a mistake.
TRANSACTION_MS = 900_000


@functools.cache
def text() -> list:
    return [line for line in TEXT.read_text().splitlines() if line]


def text_line(client: str, sequence: int) -> str:
    """The value that a scribe writes: its number, then words."""
    lines = text()
    return f"{sequence} {client} {lines[sequence % len(lines)]}"


class Journal:
    def __init__(self, path: pathlib.Path):
        self.file = open(path, "a", buffering=1 << 16)

    def add(self, *fields) -> None:
        self.file.write(" ".join(str(f) for f in fields) + "\n")

    def close(self) -> None:
        self.file.close()


class Ends:
    """Whether a group's member has read all of its partitions: up to their ends as they are once
    nobody writes any more. An end that was seen before may be an old one."""

    def __init__(self):
        self.seen = {}   # the offset of the end behind the last record
        self.final = {}  # where partitions end

    def see(self, m) -> bool:
        """True for a record."""
        if m.error() is None:
            self.seen.pop((m.topic(), m.partition()), None)
            return True
        if m.error().code() == KafkaError._PARTITION_EOF:
            self.seen[m.topic(), m.partition()] = m.offset()
        return False

    def reached(self, client) -> bool:
        """Asked when those who write have ended."""
        mine = [(p.topic, p.partition) for p in client.assignment()]
        return bool(mine) and all(self.seen.get(p, -1) >= self.end_of(client, p) for p in mine)

    def end_of(self, client, place: tuple) -> float:
        if place not in self.final:
            try:
                self.final[place] = client.get_watermark_offsets(TopicPartition(*place), 10)[1]
            except KafkaException:
                return float("inf")  # the node is away: asked again
        return self.final[place]


class Client:
    def __init__(self, role: str, number: int, address: str, folder: str, seed: int):
        self.role, self.number, self.address = role, number, address
        self.name = f"{role}{number}"
        self.random = random.Random(seed * 1000 + number)
        self.folder = pathlib.Path(folder)
        self.journal = Journal(pathlib.Path(folder) / f"{self.name}.{os.getpid()}.journal")
        self.last_look, self.stopped = 0.0, False

    def stopping(self, name: str = "STOP") -> bool:
        now = time.monotonic()
        if now - self.last_look > 0.1:
            self.last_look, self.stopped = now, (self.folder / name).exists()
        return self.stopped

    def debug(self) -> dict:
        """What the library logs: of members what their groups do, which tells where one stands that does not come to its end."""
        what = os.environ.get("CLIENT_DEBUG", "cgrp" if self.role == "member" else "")
        return {"debug": what, "log_level": 7} if what else {}

    def config(self, **more) -> dict:
        # A node is away for moments only: come back fast.
        return {"bootstrap.servers": self.address, "client.id": self.name,
                "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
                "retry.backoff.ms": 50, "socket.timeout.ms": 10_000, "log_level": 2, **self.debug(),
                **{k if k == "error_cb" else k.replace("_", "."): v
                   for k, v in more.items()}}

    def fail(self, text) -> None:
        self.journal.close()
        sys.exit(f"{self.name}: {text}")

    def padding(self) -> str:
        return "x" * self.random.randrange(5, 300)

    def fatal(self, e: KafkaError) -> None:
        """The client's own errors: all but the lost connections end it."""
        if e.fatal():
            print(f"{self.name}: {e}", file=sys.stderr, flush=True)
            self.fatal_error = e

    # ---- Roles. ----

    def producer(self) -> None:
        self.write_until_stopped(LOAD, RECORDS_PER_SECOND,
                                 lambda n: f"{self.name} {n} {self.padding()}")

    def scribe(self) -> None:
        self.write_until_stopped(LINES, LINES_PER_SECOND, lambda n: text_line(self.name, n))

    def write_until_stopped(self, topic: str, rate: int, value_of) -> None:
        self.fatal_error = None
        client = Producer(self.config(enable_idempotence=True, acks="all", linger_ms=5,
                                      message_timeout_ms=0, error_cb=self.fatal,
                                      compression_type=("none", "lz4", "zstd", "gzip")[
                                          self.number % 4]))
        sequence, acknowledged, problems = 0, 0, []

        def delivered(number):
            def call(error, message):
                nonlocal acknowledged
                if error:
                    problems.append(error)
                    return
                acknowledged += 1
                self.journal.add("a", number, message.partition(), message.offset())
            return call

        began = time.monotonic()
        while not self.stopping() and not problems and not self.fatal_error:
            if (sequence - acknowledged >= OUTSTANDING_MAX or
                    sequence > (time.monotonic() - began) * rate):
                client.poll(0.01)
                continue
            client.produce(topic, value_of(sequence), f"{self.name}-{sequence % KEYS}",
                           on_delivery=delivered(sequence))
            sequence += 1
            if sequence % 50 == 0:
                client.poll(0)
        left = client.flush(END_SECONDS_MAX)
        if problems or self.fatal_error or left or acknowledged != sequence:
            self.fail(f"{acknowledged} of {sequence} acknowledged, {left} left: "
                      f"{problems[:3]} {self.fatal_error}")

    def transactional(self) -> Producer:
        self.fatal_error = None
        made = Producer(self.config(transactional_id=self.name, linger_ms=2,
                                    error_cb=self.fatal, message_timeout_ms=60_000,
                                    transaction_timeout_ms=TRANSACTION_MS))
        self.until_done(made.init_transactions)
        return made

    def transaction(self, client, number: int, commits: bool, body) -> None:
        try:
            client.begin_transaction()
            body()
            client.poll(0)
            if commits:
                self.until_done(client.commit_transaction)
                self.journal.add("c", number)
            else:
                # With a first record delivered: while the transaction before this one is being
                # completed this one has not begun at the coordinator, and librdkafka takes the
                # answer to an abort then (INVALID_TXN_STATE, of Kafka too) for the end.
                client.flush(END_SECONDS_MAX)
                self.until_done(client.abort_transaction)
                self.journal.add("x", number)
        except KafkaException as e:
            problem = e.args[0]
            if problem.txn_requires_abort():
                self.until_done(client.abort_transaction)
                self.journal.add("x", number)
                self.journal.add("e", number, str(problem).replace(" ", "_"))
            else:
                self.fail(f"transaction {number}: {problem}")

    def send(self, client, topic: str, number: int, sequence: int, **where) -> None:
        """A record of transaction `number`."""
        value = f"{self.name}:{number}:{sequence}"

        def delivered(error, message):
            if error is None and message.offset() is not None and message.offset() >= 0:
                self.journal.add("s", number, topic, message.partition(), message.offset(), value)

        self.journal.add("w", number, topic, value)
        client.produce(topic, f"{value.replace(':', ' ')} {self.padding()}",
                       f"{self.name}-{sequence % KEYS}", on_delivery=delivered, **where)

    def writer(self) -> None:
        client = self.transactional()
        number = sequence = 0

        def body():
            nonlocal sequence
            for i in range(count):
                self.send(client, TRANSACTIONS, number, sequence)
                sequence += 1
                if i == count // 2 and self.random.random() < 0.3:
                    client.flush(self.random.random() * 0.05)

        while not self.stopping():
            count = self.random.randrange(1, 30)
            self.journal.add("b", number, count)
            self.transaction(client, number, number % 2 == 0, body)
            number += 1
            time.sleep(0.01)

    def mixer(self) -> None:
        """Reads all partitions without a group, from their starts on, so that it never leaves one."""
        client = self.transactional()
        reader = Consumer(self.config(group_id=self.name, enable_auto_commit=False, auto_offset_reset="error",
                                      isolation_level="read_committed", check_crcs=True))
        reader.assign([TopicPartition(MIXES, p, 0) for p in range(PARTITIONS)])
        number = sequence = 0

        def body():
            nonlocal sequence
            # Never empty: what has not begun at the coordinator cannot be aborted there (see transaction()).
            for step in range(self.random.randrange(1, 5)):
                if step and self.random.random() < 0.5:
                    self.poll(reader, seconds=0.01)
                else:
                    self.send(client, MIXES, number, sequence, partition=self.random.randrange(PARTITIONS))
                    sequence += 1

        while not self.stopping():
            self.journal.add("b", number, 0)
            self.transaction(client, number, self.random.random() < 0.8, body)
            number += 1
            time.sleep(0.02)
        reader.close()

    def poll(self, client, ends=None, seconds: float = 0.1) -> int:
        """How many records came, which are in the journal."""
        count = 0
        for m in client.consume(500, seconds):
            if ends and not ends.see(m) or m.error():
                if m.error().code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
                    self.fail(m.error())
                continue
            if count == 0:
                self.journal.add("p")
            count += 1
            value = m.value().decode().rsplit(" ", 1)[0].replace(" ", ":")
            self.journal.add("r", m.topic(), m.partition(), m.offset(), value)
        return count

    def until_done(self, call, *arguments) -> None:
        """As librdkafka asks for: again while an error says that it may be tried again."""
        until = time.monotonic() + END_SECONDS_MAX
        while True:
            try:
                return call(*arguments, 10)
            except KafkaException as e:
                if not e.args[0].retriable() or time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def member(self) -> None:
        group = self.number % GROUPS
        topics = [LOAD, TRANSACTIONS]
        client = Consumer(self.config(
            group_id=f"group{group}", enable_auto_commit=False, auto_offset_reset="earliest",
            isolation_level="read_uncommitted" if group == 2 else "read_committed",
            session_timeout_ms=6000, heartbeat_interval_ms=500, check_crcs=True,
            enable_partition_eof=True,
            partition_assignment_strategy="cooperative-sticky" if group == 1 else "range"))
        def mark(kind):
            return lambda _, places: [self.journal.add(kind, p.topic, p.partition) for p in places]

        client.subscribe(topics, on_assign=mark("+"), on_revoke=mark("-"), on_lost=mark("-"))
        ends = Ends()
        since_commit, last_commit = 0, time.monotonic()
        while not (self.stopping("READ") and ends.reached(client)):
            since_commit += self.poll(client, ends)
            if since_commit and time.monotonic() - last_commit > 0.3:
                self.commit(client)
                since_commit, last_commit = 0, time.monotonic()
        self.commit(client)
        client.close()

    def commit(self, client) -> None:
        start = time.monotonic()
        try:
            done = client.commit(asynchronous=False)
        except KafkaException:
            return  # not acknowledged: nothing is claimed
        for place in done or []:
            if place.error is None and place.offset >= 0:
                self.journal.add("k", start, time.monotonic(), place.topic, place.partition,
                                 place.offset)

    def observer(self) -> None:
        places = [TopicPartition(t, p) for t in (LOAD, TRANSACTIONS) for p in range(PARTITIONS)]
        # One more look when all others are done.
        clients = [Consumer(self.config(group_id=f"group{g}", enable_auto_commit=False))
                   for g in range(GROUPS)]
        for c in clients:
            c.poll(0)
        while True:
            last = self.stopping("DONE")
            for g, client in enumerate(clients):
                start = time.monotonic()
                try:
                    found = client.committed(places, 30 if last else 5)
                except KafkaException as e:
                    if last:
                        self.fail(e)
                    continue
                for place in found:
                    if place.error is None:
                        self.journal.add("o", start, time.monotonic(), f"group{g}", place.topic,
                                         place.partition, place.offset)
            if last:
                break
            time.sleep(0.1)
        for c in clients:
            c.close()

    def copier(self) -> None:
        while not self.copy_until_lost():
            pass

    def copy_until_lost(self) -> bool:
        """True when everything is copied; False when this life of the client is over."""
        reader = Consumer(self.config(group_id="copier", enable_auto_commit=False,
                                      auto_offset_reset="earliest", session_timeout_ms=6000,
                                      heartbeat_interval_ms=500, enable_partition_eof=True,
                                      isolation_level="read_committed"))
        self.fatal_error = None
        writer = Producer(self.config(transactional_id="copier", linger_ms=2, error_cb=self.fatal,
                                      message_timeout_ms=60_000,
                                      transaction_timeout_ms=TRANSACTION_MS))
        try:
            self.until_done(writer.init_transactions)
            reader.subscribe([LOAD])
            ends = Ends()
            while not (self.stopping("READ") and ends.reached(reader)):
                batch = [m for m in reader.consume(1000, 0.1) if ends.see(m)]
                if not batch:
                    continue
                writer.begin_transaction()
                next_offsets = {}
                for m in batch:
                    writer.produce(COPIES, m.value(), m.key(), partition=m.partition())
                    next_offsets[m.partition()] = m.offset() + 1
                self.until_done(writer.send_offsets_to_transaction,
                                [TopicPartition(LOAD, p, o) for p, o in next_offsets.items()],
                                reader.consumer_group_metadata())
                self.until_done(writer.commit_transaction)
            return True
        except KafkaException as e:
            self.journal.add("e", str(e.args[0]).replace(" ", "_"))
            if e.args[0].txn_requires_abort():
                try:
                    self.until_done(writer.abort_transaction)
                except KafkaException as again:
                    self.journal.add("e", str(again.args[0]).replace(" ", "_"))
            return False  # the next life fences this one and reads from the committed offsets
        finally:
            reader.close()


def main() -> None:
    role, number, address, folder, seed = sys.argv[1:]
    faulthandler.register(signal.SIGUSR1)  # says where it is
    client = Client(role, int(number), address, folder, int(seed))
    getattr(client, role)()
    client.journal.close()


if __name__ == "__main__":
    main()
