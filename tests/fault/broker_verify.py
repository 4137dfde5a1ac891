"""The verifier of the broker's kill test: compares what the clients' journals say with a full read
of the topics after the last life. Knows nothing of the clients' code but the journals' form.
"""
import collections
import pathlib

from broker import read_all
from log_anomalies import ALLOWED, anomalies, operations_of, reads_of_all

LOAD, TRANSACTIONS, COPIES, MIXES = "load", "transactions", "copies", "mixes"
UNCOMMITTED_GROUP = 2


class Journals:
    def __init__(self, folder: pathlib.Path):
        self.files = {p.name.split(".")[0]: [] for p in sorted(folder.glob("*.journal"))}
        for p in sorted(folder.glob("*.journal"), key=lambda p: p.stat().st_mtime):
            with open(p) as lines:
                self.files[p.name.split(".")[0]] += [line.split() for line in lines]

    def of(self, role: str):
        return {name: lines for name, lines in self.files.items() if name.startswith(role)}


class Verifier:
    def __init__(self, address: str, folder: pathlib.Path, partitions: int):
        self.journals = Journals(folder)
        self.address, self.partitions = address, partitions
        self.problems = collections.defaultdict(list)
        self.counts = collections.Counter()

    def wrong(self, what: str, *where) -> None:
        self.problems[what].append(where)

    def read(self, topic: str, isolation: str) -> dict:
        """(partition, offset) to (key, value without padding), in order of offsets."""
        found = {}
        last = {}
        for partition, offset, key, value in read_all(self.address, topic, self.partitions,
                                                      isolation):
            if offset <= last.get(partition, -1):
                self.wrong(f"{topic}: offsets do not grow", partition, offset)
            last[partition] = offset
            found[partition, offset] = (key.decode(),
                                        ":".join(value.decode().split(" ")[:-1]))
        return found

    def run(self) -> bool:
        self.load = self.read(LOAD, "read_uncommitted")
        self.all_of_transactions = self.read(TRANSACTIONS, "read_uncommitted")
        self.committed = self.read(TRANSACTIONS, "read_committed")
        self.producers()
        self.writers()
        self.members()
        self.group_offsets()
        if self.journals.of("copier"):
            self.copies()
        self.anomalies()
        for what, where in self.problems.items():
            print(f"WRONG {what}: {len(where)} times, such as {where[:5]}")
        print("verified:", ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items())))
        return not self.problems

    def order_and_duplicates(self, topic: str, records: dict) -> None:
        seen = set()
        last_of_key = {}
        for (partition, offset), (key, value) in records.items():
            if value in seen:
                self.wrong(f"{topic}: a record is there twice", partition, offset, value)
            seen.add(value)
            sequence = int(value.split(":")[-1])
            if sequence <= last_of_key.get((partition, key), -1):
                self.wrong(f"{topic}: a key's order is broken", partition, offset, key, value)
            last_of_key[partition, key] = sequence

    def producers(self) -> None:
        self.order_and_duplicates(LOAD, self.load)
        next_offset = collections.Counter()
        for partition, offset in self.load:
            if offset != next_offset[partition]:
                self.wrong("load: offsets have a gap", partition, offset, next_offset[partition])
            next_offset[partition] = offset + 1
        values = {value for _, value in self.load.values()}
        for name, lines in self.journals.of("producer").items():
            for _, sequence, partition, offset in lines:
                self.counts["acknowledged records"] += 1
                # A repetition of an old batch is known as such, but not where it is any more
                # (DUPLICATE_SEQUENCE_NUMBER): the client takes that for success.
                if offset == "None":
                    self.counts["of them without an offset"] += 1
                    if f"{name}:{sequence}" not in values:
                        self.wrong("load: an acknowledged record is lost", name, sequence, partition)
                    continue
                at = int(partition), int(offset)
                if at not in self.load:
                    self.wrong("load: an acknowledged record is lost", name, sequence, *at)
                elif self.load[at][1] != f"{name}:{sequence}":
                    self.wrong("load: another record is at an acknowledged one's offset", name,
                               sequence, *at, self.load[at])

    def writers(self) -> None:
        self.order_and_duplicates(TRANSACTIONS, self.all_of_transactions)
        per_transaction = collections.Counter()
        for _, value in self.committed.values():
            per_transaction[value.rsplit(":", 1)[0]] += 1
        for at, record in self.committed.items():
            if self.all_of_transactions.get(at) != record:
                self.wrong("transactions: the two isolation levels differ", at)
        for name, lines in self.journals.of("writer").items():
            counts = {fields[1]: int(fields[2]) for fields in lines if fields[0] == "b"}
            outcome = {fields[1]: fields[0] for fields in lines if fields[0] in "cxu"}
            for number, count in counts.items():
                seen = per_transaction.pop(f"{name}:{number}", 0)
                is_what = outcome.get(number, "u")
                self.counts[{"c": "committed", "x": "aborted", "u": "undecided"}[is_what] +
                            " transactions"] += 1
                if is_what == "c" and seen != count:
                    self.wrong("a committed transaction is not whole", name, number, seen, count)
                if is_what == "x" and seen != 0:
                    self.wrong("an aborted transaction is visible", name, number, seen, count)
                if is_what == "u" and seen not in (0, count):
                    self.wrong("a part of a transaction is visible", name, number, seen, count)
        for name, seen in per_transaction.items():
            self.wrong("a transaction that nobody began is visible", name, seen)

    def members(self) -> None:
        """What each group read is what the log has; all of it was read."""
        seen = collections.defaultdict(set)
        for name, lines in self.journals.of("member").items():
            group = int(name.removeprefix("member")) % 3
            transactions = self.all_of_transactions if group == 2 else self.committed
            for fields in lines:
                if fields[0] != "r":
                    continue
                _, topic, partition, offset, value = fields
                at = int(partition), int(offset)
                log = self.load if topic == LOAD else transactions
                self.counts["records read by groups"] += 1
                if at not in log:
                    self.wrong("a group read a record that is not (visibly) there", name, topic, *at,
                               value)
                elif log[at][1] != value:
                    self.wrong("a group read another record than the log has", name, topic, *at,
                               value, log[at])
                seen[group, topic].add(at)
        for group in range(3):
            transactions = self.all_of_transactions if group == 2 else self.committed
            for topic, log in ((LOAD, self.load), (TRANSACTIONS, transactions)):
                missed = log.keys() - seen[group, topic]
                if missed:
                    self.wrong("a group did not read a record", group, topic, len(missed),
                               sorted(missed)[:3])

    def group_offsets(self) -> None:
        """Each look at a group's offsets finds at least what was committed or seen before it."""
        events = collections.defaultdict(list)  # (group, topic, partition): (time, kind, offset)
        for name, lines in self.journals.of("member").items():
            group = f"group{int(name.removeprefix('member')) % 3}"
            for fields in lines:
                if fields[0] == "k":
                    _, _, end, topic, partition, offset = fields
                    self.counts["acknowledged group commits"] += 1
                    events[group, topic, partition].append((float(end), 1, int(offset)))
        for lines in self.journals.of("observer").values():
            for _, start, end, group, topic, partition, offset in lines:
                self.counts["looks at group offsets"] += 1
                events[group, topic, partition].append((float(start), 0, int(offset)))
                events[group, topic, partition].append((float(end), 1, int(offset)))
        for place, of_place in events.items():
            floor = -1_000_000
            for when, kind, offset in sorted(of_place):
                if kind == 1:
                    floor = max(floor, offset)
                elif offset < floor:
                    self.wrong("a group's offset ran backwards", *place, when, offset, floor)

    def anomalies(self) -> None:
        """Those of Jepsen's Kafka workload, as readers of what is committed see the logs, and as others do."""
        mixed = self.read(MIXES, "read_committed") if self.journals.of("mixer") else {}
        for committed, transactions in ((True, self.committed), (False, self.all_of_transactions)):
            history = []
            for name, lines in self.journals.files.items():
                role, number = name.rstrip("0123456789"), int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
                if role in ("producer", "writer") or (role == "mixer" and committed) or \
                        (role == "member" and (number % 3 != UNCOMMITTED_GROUP) == committed):
                    history += operations_of(name, lines, LOAD)
            for topic, log in ((LOAD, self.load), (TRANSACTIONS, transactions), (MIXES, mixed if committed else {})):
                history.append(reads_of_all("everything", [((topic, partition), offset, value)
                                                           for (partition, offset), (_, value) in log.items()]))
            self.counts["operations looked at"] += len(history)
            for name, cases in anomalies(history, committed).items():
                if name in ALLOWED:
                    self.counts[f"{name} (allowed)"] += len(cases)
                    continue
                for case in cases:
                    self.wrong(f"{name}, {'' if committed else 'un'}committed", *case)

    def copies(self) -> None:
        copies = self.read(COPIES, "read_committed")
        per_partition = collections.defaultdict(list)
        for (partition, _), (_, value) in copies.items():
            per_partition[partition].append(value)
        originals = collections.defaultdict(list)
        for (partition, _), (_, value) in self.load.items():
            originals[partition].append(value)
        for partition in range(self.partitions):
            self.counts["records copied exactly once"] += len(per_partition[partition])
            if per_partition[partition] != originals[partition]:
                self.wrong("the copy in transactions differs from its original", partition,
                           len(per_partition[partition]), len(originals[partition]))
