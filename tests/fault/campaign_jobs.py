"""The jobs of the cluster's fault campaign, and what their outputs must be:

  words    counts the words of a topic that is written meanwhile, into a topic by updates, and writes every single word
           into another: what has to be there follows from the journal of the topic's producer;
  windows  jobs/examples/flights/windows.sql, flights in windows that overlap, grow and follow what happens, into files:
           as in tests/golden;
  storms   two windowed streams, their join, and an operator of our own, into a topic: as `weir run` writes it before
           the first fault.

The last two have an end; when they are there they are looked at and submitted again ("laps"), so that they run
through the whole campaign, and end amid faults. All run with exactly-once.
"""
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from broker import read_all  # noqa: E402
from broker_clients import LINES, text_line  # noqa: E402
from weir_jobs import GOLDEN, JOBS, SINKS, published  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent / "campaign"
DATA = JOBS / "data"
COUNTS, OCCURRENCES, STORMS = "counts", "occurrences", "storms"
TOPICS = (LINES, COUNTS, OCCURRENCES, STORMS)
SNAPSHOT_INTERVAL = "300ms"
# Rows per second of a task: a lap takes some 15 s when nothing disturbs it.
WINDOWS_RATE, STORMS_RATE, WEATHER_RATE = 2000, 4000, 400
STORMS_ROWS = 269
# A loss is noticed within 3 s and mended within 5 more on a quiet machine; verify() prints what it took.
PROGRESS_SECONDS_MAX = 60
SUBMIT_SECONDS_MAX = 60
LAP_SECONDS_MAX = 120
CATCH_UP_SECONDS_MAX = 120


class Job:
    def __init__(self, name: str, file: pathlib.Path, bounded: bool):
        self.name, self.file, self.bounded = name, file, bounded
        self.lap, self.id, self.restarts = 0, None, 0


class Jobs:
    def __init__(self, cluster, partitions: int):
        self.cluster, self.partitions = cluster, partitions
        self.out = cluster.dir / "out"  # a file system of its own: that of a node fills up
        self.words = Job("words", HERE / "words.sql", False)
        self.windows = Job("windows", JOBS / "windows.sql", True)
        self.storms = Job("storms", HERE / "storms.yaml", True)
        self.all = (self.words, self.windows, self.storms)
        self.back = []  # seconds until all jobs went on after a fault was healed

    # ---- Questions and orders. ----

    def http(self, method: str, path: str):
        """(status, answer) of the first node that answers with anything but that it cannot now; else (0, refusals)."""
        refusals = []
        for node in self.cluster.nodes.values():
            done = self.cluster.network.run(
                "client", ["curl", "-sS", "-X", method, "-m", "8", "-w", "\n%{http_code}",
                           f"http://{node.ip}:8080{path}"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            text, _, status = done.stdout.decode().rpartition("\n")
            if done.returncode == 0 and status != "503":
                return int(status), json.loads(text)
            refusals.append(f"{node.name}: {text}{done.stderr.decode()}")
        return 0, refusals

    def describe(self, job: Job, seconds: float):
        until = time.monotonic() + seconds
        while True:
            status, answer = self.http("GET", f"/jobs/{job.id}")
            if status == 200:
                return answer
            if time.monotonic() > until:
                self.fail(job, f"cannot be described: {status} {answer}")
            time.sleep(0.1)

    def fail(self, job: Job, what: str) -> None:
        _, logs = self.http("GET", f"/jobs/{job.id}/logs")
        lines = logs["lines"][-60:] if isinstance(logs, dict) and "lines" in logs else logs
        raise SystemExit(f"job {job.name} (lap {job.lap}): {what}\n" + "\n".join(map(str, lines)))

    def submit(self, job: Job) -> None:
        """Asks until a node takes it. An order whose answer was lost may have been carried out."""
        job.lap += 1
        options = {"words": {},
                   "windows": {"OUT": self.out / f"windows{job.lap}", "RATE": WINDOWS_RATE},
                   "storms": {"DATA": DATA, "LAP": job.lap, "RATE": STORMS_RATE,
                              "WEATHER_RATE": WEATHER_RATE}}[job.name]
        sets = [a for k, v in options.items() for a in ("--set", f"{k}={v}")]
        until = time.monotonic() + SUBMIT_SECONDS_MAX
        before = job.id
        while True:
            said = b""
            for node in self.cluster.nodes.values():
                done = self.cluster.network.run(
                    "client", [self.cluster.weir, "job", "submit", str(job.file), *sets,
                               "--snapshot-interval", SNAPSHOT_INTERVAL, "-o", "json",
                               "--cluster", f"{node.ip}:8080"],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                if done.returncode == 0:
                    job.id = json.loads(done.stdout)["id"]
                    return
                said = done.stderr
            status, answer = self.http("GET", f"/jobs/{job.name}")
            if status == 200 and answer["id"] != before:
                job.id = answer["id"]
                return
            if time.monotonic() > until:
                raise SystemExit(f"job {job.name} cannot be submitted: {said.decode()}")
            time.sleep(0.2)

    # ---- The campaign. ----

    def start(self) -> None:
        self.undisturbed()
        for job in self.all:
            self.submit(job)

    def undisturbed(self) -> None:
        """What storms writes when nothing goes wrong, as lap 0."""
        done = self.cluster.network.run(
            "client", [self.cluster.weir, "run", str(self.storms.file), "--set", f"DATA={DATA}",
                       "--set", "LAP=0", "--quiet"],
            env={"WEIR_CLUSTER": f"{self.cluster.nodes['n1'].ip}:8080"}, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise SystemExit(f"storms before the campaign: {done.stderr.decode()}")

    def look(self, job: Job, seconds: float) -> dict:
        d = self.describe(job, seconds)
        if d["state"] in ("failed", "stopped"):
            self.fail(job, f"is {d['state']}: {d['error']}")
        if d["state"] == "finished":
            if not job.bounded:
                self.fail(job, "has finished, but its input goes on")
            self.check_lap(job)
        return d

    def check_lap(self, job: Job) -> None:
        if job is not self.windows:
            return  # at the end, all laps at once
        out = self.out / f"windows{job.lap}"
        for sink in SINKS["windows.sql"]:
            got, want = published(out / sink), (GOLDEN / f"{sink}.csv").read_bytes()
            if got != want:
                self.fail(job, f"{sink} differs: " + differ(got.splitlines(), want.splitlines()))
        shutil.rmtree(out)

    def wait_progress(self) -> float:
        """Until every job has completed an epoch that began to be waited for now, or has ended."""
        began = time.monotonic()
        waiting = {job: None for job in self.all}
        while waiting:
            for job, epoch in list(waiting.items()):
                d = self.look(job, PROGRESS_SECONDS_MAX)
                job.restarts = max(job.restarts, d["restarts"])
                if d["state"] == "finished":
                    self.submit(job)
                    del waiting[job]
                elif epoch is None:
                    waiting[job] = d["epoch"]
                elif d["epoch"] > epoch:
                    del waiting[job]
                elif time.monotonic() - began > PROGRESS_SECONDS_MAX:
                    self.fail(job, f"stands still for {PROGRESS_SECONDS_MAX} s after the last fault was "
                                   f"healed: {d['state']}, epoch {d['epoch']}, waits for "
                                   f"{d['waits_for']}, {d['error']}")
            time.sleep(0.05)
        self.back.append(time.monotonic() - began)
        return self.back[-1]

    def finish(self) -> None:
        """Nothing is disturbed and nothing written any more: bounded jobs end, the other one catches up."""
        for job in self.all:
            until = time.monotonic() + LAP_SECONDS_MAX
            while job.bounded and self.look(job, PROGRESS_SECONDS_MAX)["state"] != "finished":
                if time.monotonic() > until:
                    self.fail(job, f"does not end: {self.describe(job, PROGRESS_SECONDS_MAX)}")
                time.sleep(0.2)
        want = sum(len(words_of(line)) for line in self.written())
        until = time.monotonic() + CATCH_UP_SECONDS_MAX
        while (got := len(self.read(OCCURRENCES))) < want:
            self.look(self.words, PROGRESS_SECONDS_MAX)
            if time.monotonic() > until:
                self.fail(self.words, f"does not catch up: {got} of {want} words are written; "
                                      f"{self.missing_lines()}; {self.look(self.words, PROGRESS_SECONDS_MAX)}")
            time.sleep(0.5)
        while True:
            self.http("POST", f"/jobs/{self.words.id}/stop")
            d = self.describe(self.words, PROGRESS_SECONDS_MAX)
            if d["state"] == "stopped":
                return
            if d["state"] == "failed" or time.monotonic() > until:
                self.fail(self.words, f"does not stop: {d['state']}, {d['error']}")
            time.sleep(0.2)

    # ---- The outputs. ----

    def read(self, topic: str) -> list:
        """(partition, key, value) of a topic as readers with read_committed see it, in order of offsets."""
        with self.cluster.network.inside("client"):
            return [(p, k and k.decode(), v and v.decode()) for p, _, k, v in
                    read_all(self.cluster.address, topic, self.partitions, "read_committed")]

    def written(self) -> list:
        """The lines that the producer has had acknowledged, which is all that it wrote."""
        journals = sorted((self.cluster.dir / "journals").glob("scribe*.journal"))
        return [text_line(p.name.split(".")[0], int(line.split()[1]))
                for p in journals for line in p.read_text().splitlines()]

    def missing_lines(self) -> str:
        """Where in their topic the lines are whose words were not written."""
        done = {int(v.split(",", 1)[0]) for _, _, v in self.read(OCCURRENCES)}
        lines = self.lines()
        ends = {p: max(o for q, o, _ in lines if q == p) for p, _, _ in lines}
        missing = sorted((p, o) for p, o, v in lines if int(v.split(" ", 1)[0]) not in done)
        return f"last offsets {ends}, missing lines at {missing[:50]}; {list(self.wrong_lines())}"

    def verify(self) -> bool:
        problems = [*self.wrong_lines(), *self.wrong_words(), *self.wrong_storms()]
        for p in problems:
            print(f"WRONG {p}")
        back = sorted(self.back) or [0.0]
        print(f"jobs: {sum(len(words_of(line)) for line in self.written())} words, "
              f"{self.windows.lap} laps of windows, {self.storms.lap} of storms; all went on "
              f"{back[len(back) // 2]:.1f} s after the cluster was healthy in the median, {back[-1]:.1f} s "
              f"at most", flush=True)
        return not problems

    def lines(self) -> list:
        """(partition, offset, value) of what the producer wrote, as the topic has it."""
        with self.cluster.network.inside("client"):
            return [(p, o, v.decode()) for p, o, _, v in
                    read_all(self.cluster.address, LINES, self.partitions, "read_committed")]

    def wrong_lines(self):
        """The jobs can be no better than what they read."""
        got, want = [v for _, _, v in self.lines()], self.written()
        if collections.Counter(got) != collections.Counter(want):
            yield f"the topic of lines: {differ(got, want)}"

    def wrong_words(self):
        counts, places = collections.Counter(), collections.Counter()
        for line in self.written():
            words = words_of(line)
            counts.update(words)
            number = int(line.split(" ", 1)[0])
            places.update((number, i + 1, w) for i, w in enumerate(words))
        got, last, read = collections.Counter(), {}, {}
        for partition, key, value in self.read(OCCURRENCES):
            number, place, word, part, offset = value.split(",")
            at = int(number), int(place)
            got[(*at, word)] += 1
            read.setdefault(int(number), set()).add((int(part), int(offset)))
            if at <= last.get(key, (-1, 0)):
                yield f"words: the order of key {key} is broken in partition {partition}: " \
                      f"{at} behind {last[key]}"
            last[key] = at
        if got != places:
            wrong = {n for n, *_ in (got - places) + (places - got)}
            yield f"words: occurrences: {differ(got, places)}; lines {sorted(wrong)[:20]} were read at " \
                  f"{[sorted(read.get(n, ())) for n in sorted(wrong)[:20]]} and are at " \
                  f"{sorted((int(v.split(' ', 1)[0]), p, o) for p, o, v in self.lines() if int(v.split(' ', 1)[0]) in wrong)[:20]}"
        table, seen = {}, {}
        for partition, key, value in self.read(COUNTS):
            word = json.loads(key)["word"]
            if value is None:
                yield f"words: the count of {word} is taken away"
                continue
            table[word] = json.loads(value)["n"]
            if table[word] <= seen.get(word, 0):
                yield f"words: the count of {word} goes from {seen[word]} to {table[word]}"
            seen[word] = table[word]
        if table != dict(counts):
            yield f"words: counts: {differ(table.items(), counts.items())}"

    def wrong_storms(self):
        laps = collections.defaultdict(collections.Counter)
        for _, _, value in self.read(STORMS):
            row = json.loads(value)
            laps[row.pop("lap")][json.dumps(row, sort_keys=True)] += 1
        if sum(laps[0].values()) != STORMS_ROWS:
            yield f"storms: undisturbed it writes {sum(laps[0].values())} rows"
        for lap in range(1, self.storms.lap + 1):
            if laps[lap] != laps[0]:
                yield f"storms: lap {lap}: {differ(laps[lap], laps[0])}"
        if len(laps) != self.storms.lap + 1:
            yield f"storms: rows of laps {sorted(laps)}, but there were {self.storms.lap}"


def words_of(line: str) -> list:
    return re.findall("[a-z]+", line.lower())


def differ(got, want) -> str:
    got, want = collections.Counter(got), collections.Counter(want)
    missing, surplus = want - got, got - want
    return (f"{got.total()} instead of {want.total()}; missing {missing.total()}: "
            f"{list(missing)[:5]}, surplus {surplus.total()}: {list(surplus)[:5]}")
