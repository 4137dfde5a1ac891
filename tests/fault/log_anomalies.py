"""Anomalies of logs, after the published definitions of Jepsen's Kafka workload (jepsen.tests.kafka), which names them so:

  inconsistent-offsets    two values at one offset
  duplicate               one value at several offsets of a partition
  unknown-record          a value was read that nobody sent
  G1a                     a value of an aborted transaction was read
  precommitted-read       a transaction read what it sent itself
  lost-write              something behind an acknowledged value was read, but nobody ever read the value
  unseen                  an acknowledged value behind all that was read, at the end of all reading
  int-nonmonotonic-poll   within one operation: a value at or before the last one of the partition
  int-poll-skip           within one operation: values between two that follow each other were left out
  nonmonotonic-poll, poll-skip  the same between two operations of one process that kept the partition meanwhile
  int-nonmonotonic-send   within one operation: sent later, but earlier in the log
  nonmonotonic-send       the same between two operations of one process
  int-send-skip           within one transaction: values of others between two that it sent
  G0                      a cycle of transactions by the order of what they sent (ww)
  G1c                     a cycle by who read whose values (wr)
  G1c-ww                  a cycle of both

Those in ALLOWED are no mistakes, there as here: the log isolates no transaction that is under way from others. G1b, a read of
a value that its own transaction overwrote, cannot occur: nothing in a log is overwritten.

A history is a list of operations, each process's in its order: what a client did in one transaction, one poll or one
send. operations_of() makes them of a journal of broker_clients.py.
"""
import bisect
import collections
import dataclasses

ALLOWED = frozenset({"int-send-skip", "G0", "G1c-ww"})


@dataclasses.dataclass
class Send:
    """`offset` is None where it is not known, `place` (topic, partition) then, too, or the topic alone."""
    topic: str
    value: str
    partition: int | None = None
    offset: int | None = None

    @property
    def place(self):
        return self.topic, self.partition


@dataclasses.dataclass
class Poll:
    """(place, offset, value) as they came."""
    records: list


@dataclasses.dataclass
class Reassigned:
    """The process begins anew at these places: where, is told by committed offsets."""
    places: set


@dataclasses.dataclass
class Operation:
    process: str
    outcome: str  # "ok", "fail": known to have had no effect, "info": not known
    steps: list
    name: str = ""

    def sends(self):
        return [s for s in self.steps if isinstance(s, Send)]

    def polled(self):
        return [r for s in self.steps if isinstance(s, Poll) for r in s.records]


# ---- Journals. ----

OUTCOMES = {"c": "ok", "x": "fail", "u": "info"}


def operations_of(process: str, lines: list, topic: str = "load") -> list:
    """Of the lines of one journal, split into fields; `topic` is what acknowledgements without a topic are of."""
    found, transactions, current = [], {}, None

    def step(kind):
        """The poll or send goes to the transaction under way, else it is an operation of its own."""
        if current:
            current.steps.append(kind)
        else:
            found.append(Operation(process, "ok", [kind]))
        return kind

    poll = None
    sends = {}
    for kind, *fields in lines:
        if kind == "a":
            sequence, partition, offset = fields
            known = offset != "None"
            found.append(Operation(process, "ok", [Send(
                topic, f"{process}:{sequence}", int(partition), int(offset) if known else None)]))
        elif kind == "b":
            current = transactions[fields[0]] = Operation(process, "info", [], f"{process}:{fields[0]}")
            found.append(current)
        elif kind in OUTCOMES:
            transactions[fields[0]].outcome = OUTCOMES[kind]
            current = None
        elif kind == "w":
            number, its_topic, value = fields
            sends[value] = Send(its_topic, value)
            transactions[number].steps.append(sends[value])
        elif kind == "s":
            _, _, partition, offset, value = fields
            sends[value].partition, sends[value].offset = int(partition), int(offset)
        elif kind == "p":
            poll = step(Poll([]))
        elif kind == "r":
            its_topic, partition, offset, value = fields
            poll = poll or step(Poll([]))
            poll.records.append(((its_topic, int(partition)), int(offset), value))
        elif kind in "+-":
            place = fields[0], int(fields[1])
            found.append(Operation(process, "ok", [Reassigned({place})]))
            poll = None
    return found


def reads_of_all(process: str, records) -> Operation:
    """`records`: (place, offset, value), a read of topics from their starts to their ends."""
    return Operation(process, "ok", [Poll(list(records))])


# ---- The analysis. ----

class Analysis:
    """`committed`: the readers see what is committed only. Else values of aborted transactions are in the log, too."""

    def __init__(self, operations: list, committed: bool = True):
        self.operations, self.committed = operations, committed
        self.found = collections.defaultdict(list)
        self.writer = {}   # (topic, value): (operation, send)
        self.readers = collections.defaultdict(list)  # (topic, value): operations
        for op in operations:
            for s in op.sends():
                self.writer[s.topic, s.value] = op, s
            for (topic, _), _, value in op.polled():
                readers = self.readers[topic, value]
                if not readers or readers[-1] is not op:
                    readers.append(op)
        self.seen = {id(self.writer[v][0]) for v in self.readers if v in self.writer}
        self.order()

    def run(self) -> dict:
        """Cases by the names of the anomalies."""
        self.logs_agree()
        self.writers_of_reads()
        self.lost_writes()
        self.polls()
        self.sends()
        self.cycles()
        return dict(self.found)

    def note(self, name: str, *case) -> None:
        self.found[name].append(case)

    def is_in_log(self, op: Operation) -> bool:
        """A transaction of which anything was read has been committed, or its reader has read what was aborted."""
        return op.outcome == "ok" or not self.committed or (op.outcome == "info" and id(op) in self.seen)

    def order(self) -> None:
        """What is known of each log: values by offset, and which places they have among the known ones."""
        logs = collections.defaultdict(lambda: collections.defaultdict(set))
        for op in self.operations:
            if self.is_in_log(op):
                for s in op.sends():
                    if s.offset is not None:
                        logs[s.place][s.offset].add(s.value)
            for place, offset, value in op.polled():
                logs[place][offset].add(value)
        self.logs = {p: dict(sorted(log.items())) for p, log in logs.items()}
        self.offsets = {p: list(log) for p, log in self.logs.items()}
        self.index = {p: {o: i for i, o in enumerate(log)} for p, log in self.logs.items()}
        self.places_of = collections.defaultdict(set)  # (topic, value): (place, offset)
        for place, log in self.logs.items():
            for offset, values in log.items():
                for v in values:
                    self.places_of[place[0], v].add((place, offset))

    def between(self, place, first: int, last: int) -> list:
        """Values behind offset `first` and before `last`."""
        offsets = self.offsets[place]
        begin, end = bisect.bisect_right(offsets, first), bisect.bisect_left(offsets, last)
        return [sorted(self.logs[place][o]) for o in offsets[begin:min(end, begin + 5)]]

    def logs_agree(self) -> None:
        for place, log in self.logs.items():
            for offset, values in log.items():
                if len(values) > 1:
                    self.note("inconsistent-offsets", place, offset, sorted(values))
        for (_, value), places in self.places_of.items():
            if len(places) > 1:
                self.note("duplicate", value, sorted(places))

    def writers_of_reads(self) -> None:
        for key, readers in self.readers.items():
            writer = self.writer.get(key)
            if writer is None:
                self.note("unknown-record", *key, readers[0].process)
                continue
            if not self.committed:
                continue
            if writer[0].outcome == "fail":
                self.note("G1a", *key, [r.process for r in readers])
            if any(r is writer[0] for r in readers):
                self.note("precommitted-read", *key, writer[0].name or writer[0].process)

    def lost_writes(self) -> None:
        last_read = {}
        for op in self.operations:
            for place, offset, _ in op.polled():
                last_read[place] = max(offset, last_read.get(place, -1))
        for (topic, value), (op, send) in self.writer.items():
            if (topic, value) in self.readers or not self.is_in_log(op):
                continue
            if send.offset is not None and send.offset <= last_read.get(send.place, -1):
                self.note("lost-write", send.place, send.offset, value)
            elif op.outcome == "ok":
                self.note("unseen", topic, value)

    def polls(self) -> None:
        last = {}  # (process, place): the offset of the last value, the operation
        for op in self.operations:
            for step in op.steps:
                if isinstance(step, Reassigned):
                    for place in step.places:
                        last.pop((op.process, place), None)
                if not isinstance(step, Poll):
                    continue
                for place, offset, value in step.records:
                    before = last.get((op.process, place))
                    last[op.process, place] = offset, op
                    if before:
                        self.two_polled(op, place, before, offset, value)

    def two_polled(self, op, place, before, offset, value) -> None:
        internal = "int-" if before[1] is op else ""
        if offset <= before[0]:
            self.note(f"{internal}nonmonotonic-poll", op.process, place, before[0], offset, value)
        elif self.index[place][offset] > self.index[place][before[0]] + 1:
            self.note(f"{internal}poll-skip", op.process, place, before[0], offset,
                      self.between(place, before[0], offset))

    def sends(self) -> None:
        last = {}  # (process, place): the offset of the last value, the operation
        for op in self.operations:
            if not self.is_in_log(op):
                continue
            for s in op.sends():
                at = self.where(s)
                if at is None:
                    continue
                place, offset = at
                before = last.get((op.process, place))
                last[op.process, place] = offset, op
                if before is None:
                    continue
                if offset <= before[0]:
                    self.note("int-nonmonotonic-send" if before[1] is op else "nonmonotonic-send",
                              op.process, place, before[0], offset, s.value)
                elif before[1] is op and self.index[place][offset] > self.index[place][before[0]] + 1:
                    self.note("int-send-skip", op.process, place, before[0], offset,
                              self.between(place, before[0], offset))

    def where(self, s: Send):
        """As it was acknowledged, else as it was read."""
        if s.offset is not None:
            return s.place, s.offset
        return min(self.places_of.get((s.topic, s.value), ()), default=None)

    # ---- Cycles of transactions. ----

    def cycles(self) -> None:
        if not self.committed:
            return  # who reads what is not committed has no order of transactions
        # One that sends a single value and reads nothing closes no cycle that is none without it.
        nodes = [op for op in self.operations if len(op.steps) > 1 and self.is_in_log(op) and op.sends()]
        ids = {id(op) for op in nodes}
        ww, wr = collections.defaultdict(set), collections.defaultdict(set)
        for (topic, value), readers in self.readers.items():
            writer = self.writer.get((topic, value))
            if writer and id(writer[0]) in ids:
                wr[id(writer[0])] |= {id(r) for r in readers if r is not writer[0] and id(r) in ids}
        of_place = collections.defaultdict(list)
        for op in nodes:
            for s in op.sends():
                if at := self.where(s):
                    of_place[at[0]].append((at[1], id(op)))
        for sent in of_place.values():
            sent.sort()
            for (_, a), (_, b) in zip(sent, sent[1:]):
                if a != b:
                    ww[a].add(b)
        names = {id(op): op.name or op.process for op in nodes}
        both = {n: ww[n] | wr[n] for n in ids}
        for name, edges in (("G0", ww), ("G1c", wr), ("G1c-ww", both)):
            for component in components(list(ids), edges):
                # Of both kinds: with an edge of each inside, else it is one of the others.
                inside = set(component)
                if name != "G1c-ww" or all(any(e[n] & inside for n in component) for e in (ww, wr)):
                    self.note(name, sorted(names[n] for n in component)[:10])


def components(nodes: list, edges) -> list:
    """The strongly connected ones of more than one node (Tarjan, without recursion)."""
    number, low, on_stack, stack, found = {}, {}, set(), [], []
    for root in nodes:
        if root in number:
            continue
        work = [(root, iter(edges.get(root, ())))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for to in rest:
                if to not in number:
                    number[to] = low[to] = len(number)
                    stack.append(to)
                    on_stack.add(to)
                    work.append((to, iter(edges.get(to, ()))))
                    break
                if to in on_stack:
                    low[node] = min(low[node], number[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    component = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack.discard(component[-1])
                    if len(component) > 1:
                        found.append(component)
    return found


def anomalies(operations: list, committed: bool = True) -> dict:
    return Analysis(operations, committed).run()
