#!/usr/bin/env python3
"""Windows, joins bounded in time and window functions over event time, against PostgreSQL.

Rows come out of order, by at most the watermark's delay, so that none is late and PostgreSQL's answer over all
rows is the only right one. Every result goes into a file that only takes final rows; every second script is
killed with -9 and continued at another parallelism.

Usage: time_test.py WEIR [--scripts N] [--seed S]
"""
import argparse
import csv
import datetime
import io
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from postgres import Server

EPOCH = datetime.datetime(2024, 3, 1)
# Until when a row is open: NULL, in the past, or some time later.
COLUMNS = "k int, v int, t timestamp, until timestamp GENERATED ALWAYS AS (t + v * interval '7 seconds') STORED"


CHANGES = "/* changes */"  # in a query whose rows stand only when the input has ended


class Table:
    def __init__(self, r: random.Random, name: str, rows: int):
        self.name = name
        self.disorder = r.choice([0, 5, 60])
        span = r.choice([60, 600, 3600])
        # Times of one key are different: which of equals is first is nobody's to say.
        moments = sorted(r.sample(range(span * 10), rows))
        self.rows = [(r.choice(["", *range(1, r.choice([2, 6]))]), r.choice(["", *range(-3, 9)]),
                      EPOCH + datetime.timedelta(milliseconds=100 * m)) for m in moments]
        late = [(row[2].timestamp() + r.uniform(0, self.disorder), i) for i, row in enumerate(self.rows)]
        self.read = [self.rows[i] for _, i in sorted(late)]

    def text(self) -> str:
        return "".join(f"{k},{v},{t.isoformat(sep=' ')}\n" for k, v, t in self.read)

    def weir(self, rate: int) -> str:
        return (f"CREATE TABLE {self.name} ({COLUMNS}, PRIMARY KEY (t)) WITH (connector = 'file', "
                f"path = '{self.name}.csv', format = 'csv', event_time = 't', "
                f"watermark_delay = '{self.disorder + 1} seconds'{f', rate = {rate}' if rate else ''});\n")


def queries(r: random.Random) -> list:
    """(Weir's text, PostgreSQL's) of one query of each kind."""
    size = r.choice([1, 7, 10, 60, 600])
    slide = r.choice([1, 3, 10, 60])
    hop = slide * r.randrange(1, 6) + r.choice([0, 0, 1 if slide > 1 else 0])
    step = r.choice([1, 5, 20])
    grown = step * r.randrange(1, 6)
    gap = r.choice([1, 5, 30])
    before, after = r.choice([0, 2, 30]), r.choice([0, 5, 60])
    calls = "count(*) AS n, sum(v) AS s, max(v) AS high, min(v) FILTER (WHERE v > 0) AS low, count(DISTINCT v) AS d"
    s = "interval '{} seconds'".format
    bin_of = "date_bin({}, t, timestamp '1970-01-01')".format
    kind = r.choice(["JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"])
    more = r.choice(["", " AND a.v < b.v"])
    windows_of = f"(SELECT *, {bin_of(s(size))} AS window_start, {bin_of(s(size))} + {s(size)} AS window_end FROM %s) AS "
    joined = (f"SELECT a.k, a.v, a.t, b.v AS w, b.t AS u FROM %s a {kind} %s b "
              f"ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end{more}")
    if r.random() < 0.3:
        joined = joined.replace(f" {kind} ", ", ", 1).replace(" ON a.k", " WHERE a.k", 1)
    interval = (f"SELECT a.k, a.v, a.t, b.v AS w, b.t AS u FROM e a {kind} f b "
                f"ON a.k = b.k AND a.t BETWEEN b.t - {s(before)} AND b.t + {s(after)}{more}")
    # Windows over it: of its left side's time, of a RIGHT JOIN the right one's.
    time = "u" if kind == "RIGHT JOIN" else "t"
    bounded = interval.replace(kind, "JOIN", 1) if kind == "FULL JOIN" else interval
    # A RIGHT JOIN that is an inner one, since rows without a left side do not pass.
    right = (f"SELECT b.v AS w, b.t AS u FROM e a RIGHT JOIN f b ON a.k = b.k "
             f"AND a.t BETWEEN b.t - {s(before)} AND b.t + {s(after)} WHERE a.v > 0")
    # Of a FULL JOIN the time of the side that is there.
    either = (f"SELECT a.v, b.v AS w, coalesce({r.choice(['a.t, b.t', 'b.t, a.t'])}) AS at FROM e a {r.choice(['FULL JOIN', kind])} f b "
              f"ON a.k = b.k AND a.t BETWEEN b.t - {s(before)} AND b.t + {s(after)}{more}")
    if "FULL" not in either:  # the others have a time of their own, or none
        either = either.replace(kind, "FULL JOIN", 1) + f" WHERE {r.choice(['a', 'b'])}.v IS NOT NULL"
    # Behind commas WHERE says how far apart the times are.
    commas = (f"SELECT a.k, a.v, a.t, b.v AS w FROM e a, f b WHERE a.k = b.k AND a.t BETWEEN b.t - {s(before)} AND b.t + {s(after)}{more}")
    three = (f"SELECT a.k, a.v, a.t, b.v AS w FROM e a, f b, e c WHERE a.k = b.k AND a.t BETWEEN b.t - {s(before)} AND b.t + {s(after)}{more} "
             f"AND c.k = b.k AND c.t > a.t AND c.t < a.t + {s(r.choice([2, 9]))}")
    commas = r.choice([commas, commas, three])
    not_in = r.choice(["", "NOT "])
    near = (f"SELECT a.k, a.v, a.t FROM e a WHERE {not_in}EXISTS (SELECT 1 FROM f b WHERE a.k = b.k "
            f"AND a.t BETWEEN b.t - {s(before)} AND b.t + {s(after)})")
    open_rows = f"ON a.k = b.k AND b.t BETWEEN a.t - {s(r.choice([0, 0, 2]))} AND a.until + {s(r.choice([0, 0, 20]))}{more}"
    until = f"SELECT a.k, a.v, a.t, b.v AS w, b.t AS u FROM e a {kind} f b {open_rows}"
    winners = (f"SELECT * FROM (SELECT a.t, a.k, b.v AS w, b.t AS u, row_number() OVER (PARTITION BY a.t ORDER BY b.v DESC, b.t) AS "
               f"place FROM e a JOIN f b {open_rows}) p WHERE place <= {r.choice([1, 2])}")
    as_of = (f"SELECT a.k, a.v, a.t, b.v AS w, b.t AS u FROM e a {r.choice(['LEFT JOIN', 'JOIN'])} LATERAL "
             f"(SELECT * FROM f WHERE f.k = a.k AND f.t {r.choice(['<=', '<'])} a.t ORDER BY f.t DESC LIMIT 1) b ON true")
    over = (f"SELECT k, v, t, lag(v) OVER w AS l, count(*) OVER w AS n, "
            f"sum(v) OVER (PARTITION BY k ORDER BY t RANGE BETWEEN {s(gap)} PRECEDING AND CURRENT ROW) AS s "
            f"FROM e WINDOW w AS (PARTITION BY k ORDER BY t ROWS BETWEEN {r.randrange(1, 4)} PRECEDING AND CURRENT ROW)")
    groups = "GROUP BY k, window_start, window_end"
    names = f"SELECT k, window_start, window_end, {calls}"
    sessions = (f"SELECT k, min(t) AS window_start, max(t) + {s(gap)} AS window_end, {calls} FROM "
                f"(SELECT *, count(*) FILTER (WHERE first) OVER (PARTITION BY k ORDER BY t) AS number FROM "
                f"(SELECT *, t - lag(t) OVER (PARTITION BY k ORDER BY t) >= {s(gap)} IS NOT FALSE AS first FROM e) x) y "
                f"GROUP BY k, number")
    best = f"SELECT * FROM (SELECT window_end, k, n, row_number() OVER (PARTITION BY window_end ORDER BY n DESC, k) AS place " \
           f"FROM (SELECT window_start, window_end, k, count(*) AS n FROM %s GROUP BY window_start, window_end, k) c) p WHERE place <= 2"
    # One bound of the windows alone: of some it says which window it is, of others several are one group.
    whose, bound = r.choice(["", "k, "]), r.choice(["window_start", "window_end"])
    by, named = f"GROUP BY {whose}{bound}", f"SELECT {whose}{bound}, {calls}"
    cumulating = f"SELECT {CHANGES}" if bound == "window_start" else "SELECT"
    of_sessions = f"SELECT {CHANGES}" if bound == "window_start" and not whose else "SELECT"
    cumulated = (f"(SELECT *, {bin_of(s(grown))} AS window_start, {bin_of(s(grown))} + i * {s(step)} AS window_end "
                 f"FROM e, generate_series(1, {grown // step}) AS i) x WHERE window_end > t")
    each_session = (f"(SELECT *, min(t) OVER s AS window_start, max(t) OVER s + {s(gap)} AS window_end FROM "
                    f"(SELECT *, count(*) FILTER (WHERE first) OVER (PARTITION BY k ORDER BY t) AS number FROM "
                    f"(SELECT *, t - lag(t) OVER (PARTITION BY k ORDER BY t) >= {s(gap)} IS NOT FALSE AS first FROM e) x) y "
                    f"WINDOW s AS (PARTITION BY k, number)) z")
    one_bound = [
        (f"{named} FROM TUMBLE(e, t, {s(size)}) {by}", f"{named} FROM {windows_of % 'e'} x {by}"),
        (f"{named} FROM HOP(e, t, {s(slide)}, {s(hop)}) {by}", f"{named} FROM %s {by}"),
        (f"{named} FROM CUMULATE(e, t, {s(step)}, {s(grown)}) {by}".replace("SELECT", cumulating, 1), f"{named} FROM {cumulated} {by}"),
        (f"{named} FROM SESSION(e, t, {s(gap)}, k) {by}".replace("SELECT", of_sessions, 1), f"{named} FROM {each_session} {by}"),
        (f"{cumulating} {bound}, sum(n) AS n FROM (SELECT k, window_start, window_end, count(*) AS n FROM "
         f"CUMULATE(e, t, {s(step)}, {s(grown)}) GROUP BY k, window_start, window_end) c GROUP BY {bound}",
         f"SELECT {bound}, count(*) FROM {cumulated} GROUP BY {bound}"),
    ]
    key, more_keys = r.choice([("", ""), (", k", " AND a.k = m.k")])
    high = r.choice(["max", "min"])
    highest = (f"SELECT a.window_end, a.k, a.v, a.t FROM %s a JOIN (SELECT window_start, window_end{key}, {high}(v) AS high "
               f"FROM %s GROUP BY window_start, window_end{key}) m ON a.window_start = m.window_start "
               f"AND a.window_end = m.window_end AND a.v = m.high{more_keys}")
    most = (f"SELECT a.window_end, a.k, a.n FROM %s a JOIN (SELECT window_start, window_end, max(n) AS high FROM %s "
            f"GROUP BY window_start, window_end) m ON a.window_start = m.window_start AND a.window_end = m.window_end "
            f"AND a.n >= m.high")
    counts = "(SELECT window_start, window_end, k, count(*) AS n FROM %s GROUP BY window_start, window_end, k) "
    hops = (f"(SELECT *, {bin_of(s(slide))} - i * {s(slide)} AS window_start, "
            f"{bin_of(s(slide))} - i * {s(slide)} + {s(hop)} AS window_end "
            f"FROM e, generate_series(0, {hop // slide}) AS i) x WHERE window_end > t")
    return [(mine, theirs % hops if "%s" in theirs else theirs) for mine, theirs in one_bound] + [
        (f"{names} FROM TUMBLE(e, t, {s(size)}) {groups}", f"{names} FROM {windows_of % 'e'} x {groups}"),
        (f"{names} FROM HOP(e, t, {s(slide)}, {s(hop)}) {groups}",
         f"{names} FROM (SELECT *, {bin_of(s(slide))} - i * {s(slide)} AS window_start, "
         f"{bin_of(s(slide))} - i * {s(slide)} + {s(hop)} AS window_end "
         f"FROM e, generate_series(0, {hop // slide}) AS i) x WHERE window_end > t {groups}"),
        (f"{names} FROM CUMULATE(e, t, {s(step)}, {s(grown)}) {groups}",
         f"{names} FROM (SELECT *, {bin_of(s(grown))} AS window_start, {bin_of(s(grown))} + i * {s(step)} AS window_end "
         f"FROM e, generate_series(1, {grown // step}) AS i) x WHERE window_end > t {groups}"),
        (f"{names} FROM SESSION(e, t, {s(gap)}, k) {groups}", sessions),
        (joined % (f"TUMBLE(e, t, {s(size)})", f"TUMBLE(f, t, {s(size)})"),
         joined % (windows_of[:-4] % "e", windows_of[:-4] % "f")),
        (interval, interval),
        (f"WITH j AS ({bounded}) SELECT window_start, count(*) AS n, sum(v) AS s FROM TUMBLE(j, {time}, {s(size)}) GROUP BY window_start",
         f"SELECT date_bin({s(size)}, {time}, timestamp '1970-01-01'), count(*), sum(v) FROM ({bounded}) j GROUP BY 1"),
        (f"WITH j AS ({right}) SELECT window_start, count(*) AS n, sum(w) AS s FROM TUMBLE(j, u, {s(size)}) GROUP BY window_start",
         f"SELECT date_bin({s(size)}, u, timestamp '1970-01-01'), count(*), sum(w) FROM ({right}) j GROUP BY 1"),
        (f"WITH j AS ({either}) SELECT window_start, count(*) AS n, sum(v) AS s, sum(w) AS r FROM TUMBLE(j, at, {s(size)}) GROUP BY window_start",
         f"SELECT date_bin({s(size)}, at, timestamp '1970-01-01'), count(*), sum(v), sum(w) FROM ({either}) j GROUP BY 1"),
        (f"WITH j AS ({commas}) SELECT window_start, count(*) AS n, sum(w) AS s FROM TUMBLE(j, t, {s(size)}) GROUP BY window_start",
         f"SELECT {bin_of(s(size))}, count(*), sum(w) FROM ({commas}) j GROUP BY 1"),
        (f"WITH j AS ({near}) SELECT k, window_start, count(*) AS n FROM TUMBLE(j, t, {s(size)}) GROUP BY k, window_start",
         f"SELECT k, {bin_of(s(size))}, count(*) FROM ({near}) j GROUP BY 1, 2"),
        (until, until),
        (winners, winners),
        (as_of, as_of),
        (over, over),
        (best % f"TUMBLE(e, t, {s(size)})", best % (windows_of % "e" + "x")),
        (highest % ((f"TUMBLE(e, t, {s(size)})",) * 2), highest % (windows_of[:-4] % "e", windows_of % "e" + "x")),
        (most % (counts % f"HOP(e, t, {s(slide)}, {s(hop)})", counts % f"HOP(e, t, {s(slide)}, {s(hop)})" + "y"),
         most % (counts % hops, counts % hops + "y")),
    ]


def sorted_rows(text: str) -> list:
    return sorted(tuple(row) for row in csv.reader(io.StringIO(text)))


def run_killed(weir: str, folder: pathlib.Path, r: random.Random) -> None:
    for _ in range(r.randrange(1, 3)):
        process = subprocess.Popen([weir, "run", "job.sql", "--quiet", "-p", str(r.randrange(1, 4)), "--data-dir", "data",
                                    "--snapshot-interval", "100ms"], cwd=folder, stderr=subprocess.DEVNULL)
        time.sleep(r.uniform(0.1, 0.6))
        process.kill()
        if process.wait() > 0:
            raise AssertionError(f"the run that was to be killed exited with {process.returncode}")


def script(weir: str, db, seed: int) -> tuple:
    """How many rows were compared, and what is wrong."""
    r = random.Random(seed)
    tables = [Table(r, name, r.randrange(1, 500)) for name in ("e", "f")]
    killed = seed % 2 == 1
    pairs = queries(r)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-time-"))
    try:
        text = "".join(t.weir(600 if killed else 0) for t in tables)
        for i, (mine, _) in enumerate(pairs):
            changes = "place FROM e a" in mine or CHANGES in mine
            final = ", emit = 'final'" if changes else ""
            text += f"CREATE TABLE q{i} WITH (connector = 'file', path = 'out/q{i}', format = 'csv'{final}) AS\n  {mine};\n"
        (folder / "job.sql").write_text(text)
        for t in tables:
            (folder / f"{t.name}.csv").write_text(t.text())
            db.run(f"DROP TABLE IF EXISTS {t.name}; CREATE TABLE {t.name} ({COLUMNS})")
            values = ", ".join(f"({k or 'NULL'}, {v if v != '' else 'NULL'}, '{at.isoformat()}')" for k, v, at in t.rows)
            db.run(f"INSERT INTO {t.name} (k, v, t) VALUES {values}")
        if killed:
            run_killed(weir, folder, r)
        done = subprocess.run([weir, "run", "job.sql", "--quiet", "-p", str(r.randrange(1, 4)), "--data-dir", "data"],
                              cwd=folder, capture_output=True, text=True, timeout=60)
        if done.returncode:
            return 0, [f"exited with {done.returncode}: {done.stderr}\n{text}"]
        wrong, rows = [], 0
        for i, (mine, theirs) in enumerate(pairs):
            got = sorted_rows("".join(p.read_text() for p in (folder / f"out/q{i}").glob("*.csv")))
            want = sorted_rows(db.query(theirs))
            rows += len(want)
            if got != want:
                missing = [x for x in want if x not in got][:3]
                surplus = [x for x in got if x not in want][:3]
                wrong.append(f"{mine}\n  has {len(got)} rows, PostgreSQL {len(want)}; missing {missing}, surplus {surplus}")
        return rows, wrong
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    a = argparse.ArgumentParser()
    a.add_argument("weir")
    a.add_argument("--scripts", type=int, default=24)
    a.add_argument("--seed", type=int, default=1)
    a = a.parse_args()
    weir = str(pathlib.Path(a.weir).resolve())
    failed = rows = 0
    with Server() as server, server.connect() as db:
        for seed in range(a.seed, a.seed + a.scripts):
            compared, wrong = script(weir, db, seed)
            rows += compared
            failed += bool(wrong)
            for what in wrong:
                print(f"seed {seed}: {what}", flush=True)
    print(f"{a.scripts} scripts of {len(queries(random.Random(0)))} queries, {rows} rows compared, {failed} failed")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
