#!/usr/bin/env python3
"""Late rows: windows, joins bounded in time and window functions over event time against PostgreSQL's answer over the rows not late.

Usage: late_test.py WEIR [--scripts N] [--seed S] [--jobs N] [--scripts-of SEED...]

Rows come through standard input, a batch at a time. The first rows of a batch are as old as they like, the others newer than
the watermark that they lead to; the next batch waits until that watermark is everywhere (epochs began and were
complete meanwhile). So the watermark that each row meets is known: the newest event time of the batches before, less the
delay and the lateness that is allowed (docs/time.md). By it PostgreSQL's rows are chosen: `seen` is its
column. The number of late rows that the run reports, and the late table, must be those that were left out.
"""
import collections
import csv
import datetime
import io
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from scripts import arguments, run_scripts

EPOCH = datetime.datetime(2024, 3, 1)
SECOND = datetime.timedelta(seconds=1)
WAIT_S_MAX = 60  # for epochs, which come every 100 ms
EPOCHS_A_BATCH = 3  # one may have begun before the batch was read, and the watermark goes every 20 ms


class Row:
    def __init__(self, n: int, side: int, k, v, t, seen):
        self.n, self.side, self.k, self.v, self.t, self.seen = n, side, k, v, t, seen

    def csv(self) -> str:
        return f"{self.n},{self.side},{self.k},{self.v},{self.t.isoformat(sep=' ')}\n"

    def sql(self) -> str:
        null = lambda x: "NULL" if x in ("", None) else f"'{x}'"
        return f"({self.n}, {self.side}, {null(self.k)}, {null(self.v)}, '{self.t}', {null(self.seen)})"


def random_batches(r: random.Random, keep_s: float) -> list:
    """Batches of rows; keep_s: the delay and what is allowed on top."""
    newest, batches, keys = None, [], r.choice([2, 5])
    used = set()  # times of one key are different: which of equals is first is nobody's to say
    n = 0
    for _ in range(r.randrange(4, 8)):
        # A row as old as the newest less the delay may still come: the watermark is the microsecond before.
        seen = newest - keep_s * SECOND - datetime.timedelta(microseconds=1) if newest else None
        base = newest or EPOCH
        ahead = base + r.choice([3, 10, 40, 200]) * SECOND
        batch = []
        for late in (True, False):
            low, high = (base - r.choice([5, 30, 300]) * SECOND, base) if late else (max(base, ahead - keep_s * SECOND), ahead)
            for _ in range(r.randrange(0, 12) if late and newest else 0 if late else r.randrange(1, 16)):
                t = low + datetime.timedelta(milliseconds=100 * r.randrange(1, max(2, int((high - low) / SECOND * 10))))
                if t in used:
                    continue
                used.add(t)
                batch.append(Row(n, r.randrange(2), r.choice(["", *range(keys)]), r.choice(["", *range(-3, 9)]), t, seen))
                n += 1
        used.add(ahead)
        batch.append(Row(n, r.randrange(2), 0, 1, ahead, seen))
        n += 1
        newest = ahead
        batches.append(batch)
    return batches


def late_for_sessions(rows: list, gap: datetime.timedelta) -> set:
    """Numbers of the rows that sessions leave out: those that would join one which has closed, and those whose own
    session would have closed, unless one that is open began before them."""
    out, sessions = set(), collections.defaultdict(list)  # by key: [first, last]
    for row in rows:
        joined = [s for s in sessions[row.k] if row.t - s[1] < gap and s[0] - row.t < gap]
        closed = lambda end: row.seen is not None and end <= row.seen
        inside = any(s[0] <= row.t for s in joined)
        if any(closed(s[1] + gap) for s in joined) or (not inside and closed(row.t + gap)):
            out.add(row.n)
            continue
        whole = [min([row.t, *(s[0] for s in joined)]), max([row.t, *(s[1] for s in joined)])]
        sessions[row.k] = [s for s in sessions[row.k] if s not in joined] + [whole]
    return out


class Asked:
    """A query: Weir's text and PostgreSQL's, the rows that are late for it (numbers, as often as they are), and whether the late
    table has them."""

    def __init__(self, weir: str, postgres: str, late: list, in_table: bool):
        self.weir, self.postgres, self.late, self.in_table = weir, postgres, late, in_table


def queries(r: random.Random, rows: list, with_table: bool) -> list:
    s = "interval '{} seconds'".format
    size, slide, step, gap = r.choice([2, 7, 10, 60]), r.choice([1, 3, 10]), r.choice([1, 5, 20]), r.choice([1, 5, 30])
    hop, grown = slide * r.randrange(1, 6), step * r.randrange(1, 6)
    bin_of = "date_bin({}, t, timestamp '1970-01-01')".format
    calls = "count(*) AS n, sum(v) AS s, max(v) AS high, min(v) FILTER (WHERE v > 0) AS low, count(DISTINCT v) AS d"
    names, groups = f"SELECT k, window_start, window_end, {calls}", "GROUP BY k, window_start, window_end"
    begin_s = lambda t, width: (t - datetime.datetime(1970, 1, 1)) // (width * SECOND) * width
    at = lambda seconds: datetime.datetime(1970, 1, 1) + seconds * SECOND
    passed = lambda row, end: row.seen is not None and end <= row.seen
    by_window = lambda width: [x.n for x in rows if passed(x, at(begin_s(x.t, width) + width))]
    open_only = "(seen IS NULL OR window_end > seen)"
    by_sessions = late_for_sessions(rows, gap * SECOND)
    left = ", ".join(map(str, by_sessions)) or "-1"
    out = [
        Asked(f"{names} FROM TUMBLE(e, t, {s(size)}) {groups}",
              f"{names} FROM (SELECT *, {bin_of(s(size))} AS window_start, {bin_of(s(size))} + {s(size)} AS window_end FROM e) x "
              f"WHERE {open_only} {groups}", by_window(size), True),
        Asked(f"{names} FROM HOP(e, t, {s(slide)}, {s(hop)}) {groups}",
              f"{names} FROM (SELECT *, {bin_of(s(slide))} - i * {s(slide)} AS window_start, {bin_of(s(slide))} - i * {s(slide)} + {s(hop)} "
              f"AS window_end FROM e, generate_series(0, {hop // slide}) AS i) x WHERE window_end > t AND {open_only} {groups}",
              [x.n for x in rows if passed(x, at(begin_s(x.t, slide) + hop))], True),
        Asked(f"{names} FROM CUMULATE(e, t, {s(step)}, {s(grown)}) {groups}",
              f"{names} FROM (SELECT *, {bin_of(s(grown))} AS window_start, {bin_of(s(grown))} + i * {s(step)} AS window_end "
              f"FROM e, generate_series(1, {grown // step}) AS i) x WHERE window_end > t AND {open_only} {groups}", by_window(grown), True),
        Asked(f"{names} FROM SESSION(e, t, {s(gap)}, k) {groups}",
              f"SELECT k, min(t) AS window_start, max(t) + {s(gap)} AS window_end, {calls} FROM "
              f"(SELECT *, count(*) FILTER (WHERE first) OVER (PARTITION BY k ORDER BY t) AS number FROM "
              f"(SELECT *, t - lag(t) OVER (PARTITION BY k ORDER BY t) >= {s(gap)} IS NOT FALSE AS first FROM e WHERE n NOT IN ({left})) x) y "
              f"GROUP BY k, number", list(by_sessions), True),
    ]
    if with_table:
        return out
    behind = [x.n for x in rows if passed(x, x.t)]
    kind, more = r.choice(["JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"]), r.choice(["", " AND a.v < b.v"])
    before, after = r.choice([0, 2, 30]), r.choice([0, 5, 60])
    listed = "SELECT a.k, a.v, a.t, b.v AS w, b.t AS u FROM "
    side = lambda k: f"(SELECT * FROM e WHERE side = {k} AND (seen IS NULL OR t > seen)) "
    on = f"ON a.k = b.k AND a.t BETWEEN b.t - {s(before)} AND b.t + {s(after)}{more}"
    window_side = lambda k: (f"(SELECT * FROM (SELECT *, {bin_of(s(size))} AS window_start, {bin_of(s(size))} + {s(size)} AS window_end "
                             f"FROM e WHERE side = {k}) x WHERE {open_only}) ")
    same = f"ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end{more}"
    over = ("SELECT k, v, t, lag(v) OVER w AS l, count(*) OVER w AS n, "
            f"sum(v) OVER (PARTITION BY k ORDER BY t RANGE BETWEEN {s(gap)} PRECEDING AND CURRENT ROW) AS s "
            "FROM {} WINDOW w AS (PARTITION BY k ORDER BY t ROWS BETWEEN " + str(r.randrange(1, 4)) + " PRECEDING AND CURRENT ROW)")
    as_of = (listed + "{} a " + r.choice(["LEFT JOIN", "JOIN"]) + " LATERAL (SELECT * FROM {} AS f WHERE side = 1 AND f.k = a.k AND f.t "
             + r.choice(["<=", "<"]) + " a.t ORDER BY f.t DESC LIMIT 1) b ON true")
    return out + [
        Asked(f"{listed} x a {kind} y b {on}", f"{listed} {side(0)} a {kind} {side(1)} b {on}", behind, False),
        Asked(f"{listed} TUMBLE(x, t, {s(size)}) a {kind} TUMBLE(y, t, {s(size)}) b {same}",
              f"{listed} {window_side(0)} a {kind} {window_side(1)} b {same}", by_window(size), False),
        Asked(as_of.format("x", "e"), as_of.format(side(0), side(1)), behind, False),
        Asked(over.format("e"), over.format("(SELECT * FROM e WHERE seen IS NULL OR t > seen) e"), behind, False),
    ]


class Script:
    def __init__(self, weir: str, db, seed: int):
        self.weir, self.db = weir, db
        self.r = r = random.Random(seed)
        # No row and no end of a window is a watermark: that a twentieth of a second decides is not what is asked here.
        self.delay, self.allowed = r.choice([0, 2, 10]) + 0.05, r.choice([0, 0, 4])
        self.parallelism, self.with_table = r.randrange(1, 4), r.random() < 0.5
        self.batches = random_batches(r, self.delay + self.allowed)
        self.rows = [row for batch in self.batches for row in batch]
        self.queries = queries(r, self.rows, self.with_table)
        self.compared = self.late = 0
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-late-"))

    def text(self) -> str:
        options = f", allowed_lateness = '{self.allowed} seconds'" if self.allowed else ""
        options += ", late_table = 'missed'" if self.with_table else ""
        out = (f"CREATE TABLE e (n int, side int, k int, v int, t timestamp, PRIMARY KEY (t)) WITH (connector = 'stdin', format = 'csv', event_time = 't', "
               f"watermark_delay = '{self.delay} seconds'{options});\n")
        if self.with_table:
            out += "CREATE TABLE missed (n int) WITH (connector = 'file', path = 'out/missed', format = 'csv');\n"
        else:
            out += "CREATE VIEW x AS SELECT * FROM e WHERE side = 0;\nCREATE VIEW y AS SELECT * FROM e WHERE side = 1;\n"
        for i, q in enumerate(self.queries):
            out += f"CREATE TABLE q{i} WITH (connector = 'file', path = 'out/q{i}', format = 'csv') AS\n  {q.weir};\n"
        return out

    def epoch(self) -> int:
        done = subprocess.run([self.weir, "snapshot", "ls", "data", "-o", "csv"], cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        return max((int(l.split(",")[1]) for l in done.stdout.decode().splitlines()[1:]), default=0)

    def feed(self) -> str:
        """Runs the script over the batches; what the run says at its end."""
        with open(self.folder / "log", "wb") as log:
            run = subprocess.Popen([self.weir, "run", "job.sql", "-p", str(self.parallelism), "--data-dir", "data", "--snapshot-interval", "100ms"],
                                   cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)
        said = lambda: (self.folder / "log").read_text()
        try:
            for batch in self.batches:
                run.stdin.write("".join(row.csv() for row in batch).encode())
                run.stdin.flush()
                first, until = self.epoch(), time.time() + WAIT_S_MAX
                while self.epoch() < first + EPOCHS_A_BATCH:
                    if run.poll() is not None or time.time() > until:
                        raise AssertionError(f"no {EPOCHS_A_BATCH} epochs after epoch {first}: {said()[-2000:]}")
                    time.sleep(0.05)
            run.stdin.close()
            if run.wait(60):
                raise AssertionError(f"exited with {run.returncode}: {said()[-2000:]}")
            return said()
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()

    def output(self, name: str) -> list:
        text = "".join(p.read_text() for p in (self.folder / "out" / name).glob("*.csv"))
        return sorted(tuple(row) for row in csv.reader(io.StringIO(text)))

    def run(self) -> list:
        """What is wrong."""
        (self.folder / "job.sql").write_text(self.text())
        self.db.run("DROP TABLE IF EXISTS e; CREATE TEMP TABLE e (n int, side int, k int, v int, t timestamp, seen timestamp); INSERT INTO e VALUES "
                    + ", ".join(row.sql() for row in self.rows))
        said, wrong = self.feed(), []
        for i, q in enumerate(self.queries):
            got = self.output(f"q{i}")
            want = sorted(tuple(row) for row in csv.reader(io.StringIO(self.db.query(q.postgres))))
            self.compared += len(want)
            if got != want:
                missing, surplus = collections.Counter(want) - collections.Counter(got), collections.Counter(got) - collections.Counter(want)
                wrong.append(f"{q.weir}\n  has {len(got)} rows, PostgreSQL {len(want)}; missing {list(missing)[:3]}, surplus {list(surplus)[:3]}")
        self.late = sum(len(q.late) for q in self.queries)
        counted = re.search(r"([\d,]+) late", said.splitlines()[-1])
        if (int(counted[1].replace(",", "")) if counted else 0) != self.late:
            wrong.append(f"{self.late} rows are late ({[len(q.late) for q in self.queries]} for each query), and the run says: {said.splitlines()[-1]}")
        if self.with_table:
            got, want = collections.Counter(int(n) for n, in self.output("missed")), collections.Counter(n for q in self.queries for n in q.late)
            if got != want:
                wrong.append(f"the late table has {sum(got.values())} rows, expected {sum(want.values())}: missing {dict(want - got)}, surplus {dict(got - want)}")
        return wrong

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> int:
    options = arguments(scripts=24, jobs=6).parse_args()
    weir = str(pathlib.Path(options.weir).resolve())
    done = collections.Counter()

    def report(seed: int, script, wrong) -> None:
        wrong = [wrong] if isinstance(wrong, str) else wrong  # a bug of the test
        done.update(scripts=1, rows=script.compared if script else 0, late=script.late if script else 0, failed=bool(wrong))
        how = f"-p {script.parallelism}, delay {script.delay} + {script.allowed} s" if script else "not made"
        for what in wrong:
            print(f"script {seed}, {how}: {what}", flush=True)

    took = run_scripts(options, options.seed * 1000, lambda db, seed: Script(weir, db, seed), report)
    print(f"{done['scripts']} scripts, {done['rows']} rows compared, {done['late']} rows late for a query, in {took:.1f} s; {done['failed']} failed")
    return 1 if done["failed"] or not done["rows"] or not done["late"] else 0


if __name__ == "__main__":
    sys.exit(main())
