#!/usr/bin/env python3
"""Random queries over random tables: `weir run` must answer what PostgreSQL answers.

Usage: queries_test.py WEIR [--queries N] [--seed N] [--jobs N] [--scripts N...] [--features a,b,...]

Each script has some tables and views and a dozen queries, into file sinks (emit = 'final') and, the last one, to
standard output, as changes or --final; every fourth script is killed in the middle and continued at
another parallelism. A script is a function of its seed: `--scripts SEED` runs it again. What fails is
shrunk and printed in the form of cases/*.sql.
"""
import argparse
import collections
import pathlib
import random
import sys
import threading
import time

import shrink
from choices import Choices
from grammar import FEATURES, LATER, Grammar
from postgres import Failed, Server
from rows import difference, parse
from tables import random_tables
from weir_runs import Folder, Query, Way, Wrong, script

QUERIES_A_SCRIPT = 12
ROWS_MAX = [12, 40, 40, 150, 1500]  # of a table; the last in batches that are looked at as a whole
RESULT_MAX = 4000  # rows of one answer; what is more is left out
REFUSALS = pathlib.Path(__file__).with_name("refusals.txt")


class Report:
    def __init__(self):
        self.lock = threading.Lock()
        self.compared, self.rows, self.empty, self.killed = 0, 0, 0, 0
        self.refused, self.invalid = collections.Counter(), collections.Counter()
        self.failures = []


def known_refusals() -> list:
    lines = REFUSALS.read_text().splitlines()
    return [l.split("|")[0].strip() for l in lines if l.strip() and not l.startswith("#")]


class Scripts:
    """One worker: a connection, a folder, and scripts by seed."""

    def __init__(self, weir: str, server: Server, features: set, report: Report, shrink_max: int):
        self.shrink_max = shrink_max  # shrinking takes half a minute each
        self.db, self.folder = server.connect(), Folder(weir)
        self.features, self.report = features, report
        self.db.run("SET statement_timeout = 2000")
        self.known = known_refusals()

    def answer(self, q: Query):
        """PostgreSQL's rows; None when it refuses the query or the answer is too large."""
        try:
            text = self.db.query(q.text)
        except Failed as e:
            with self.report.lock:
                self.report.invalid[str(e).split(" at character")[0]] += 1
            return None
        return parse(text, q.kinds) if text.count("\n") <= RESULT_MAX else None

    def prepare(self, seed: int, tables: list) -> None:
        self.db.run(f"DROP SCHEMA IF EXISTS o{seed} CASCADE; CREATE SCHEMA o{seed}; SET search_path = o{seed}, public;\n" +
                    "".join(t.postgres() for t in tables))

    def generate(self, r: random.Random, tables: list, count: int) -> tuple:
        """(views, queries, answers)"""
        relations = [t.relation() for t in tables]
        views, queries, answers = [], [], []
        while len(views) < r.randrange(0, 3):
            g = Grammar(Choices(r.random()), relations, self.features)
            text, kinds = g.statement()
            v = Query(f"v{len(views)}", text, kinds, g.c.taken)
            if self.answer(v) is None:
                continue
            self.db.run(f"CREATE VIEW {v.name} AS {v.text}")
            views.append(v)
            relations = [*relations, shrink.view_relation(v)]
        while len(queries) < count:
            g = Grammar(Choices(r.random()), relations, self.features)
            text, kinds = g.statement()
            q = Query(f"q{len(queries)}", text, kinds, g.c.taken)
            a = self.answer(q)
            if a is not None:
                queries.append(q)
                answers.append(a)
        return views, queries, answers

    def run(self, seed: int) -> None:
        r = random.Random(seed)
        tables = random_tables(r, r.choice(ROWS_MAX))
        self.prepare(seed, tables)
        way = Way(r, kills=seed % 4 == 3)
        views, queries, answers = self.generate(r, tables, QUERIES_A_SCRIPT)
        views, queries, answers = self.accepted(seed, tables, views, queries, answers, way)
        if queries:
            self.compare(seed, tables, views, queries, answers, way)
        self.db.run(f"DROP SCHEMA o{seed} CASCADE")

    def refusal(self, message: str) -> str:
        """The line of refusals.txt that a message of Weir's falls under, or empty."""
        return next((k for k in self.known if k in message), "")

    def accepted(self, seed, tables, views, queries, answers, way) -> tuple:
        """Without the queries that Weir refuses by name. Other errors of lint are failures."""
        while True:
            self.folder.write(tables, script(tables, views, queries, way), way.files)
            try:
                refused = self.folder.refused()
            except Wrong as e:
                self.failed(seed, tables, views, queries, way, str(e))
                return [], [], []
            if not refused:
                return views, queries, answers
            lines = [None] * len(tables) + views + queries
            out = [lines[line - 1] for line in refused]
            for q, message in zip(out, refused.values()):
                known = self.refusal(message)
                with self.report.lock:
                    self.report.refused[known] += 1
                if not known:
                    self.failed(seed, tables, views, queries, way, f"is refused: {message}", q)
            gone = {q.name for q in out}
            for v in views:  # what reads a refused view goes with it
                if any(f"{name} AS" in v.text for name in gone):
                    gone.add(v.name)
            kept = [i for i, q in enumerate(queries)
                    if q.name not in gone and not any(f"{name} AS" in q.text for name in gone)]
            views = [v for v in views if v.name not in gone]
            queries, answers = [queries[i] for i in kept], [answers[i] for i in kept]

    def compare(self, seed, tables, views, queries, answers, way) -> None:
        try:
            results = self.folder.run(way, queries)
        except Wrong as e:
            self.failed(seed, tables, views, queries, way, str(e))
            return
        except ValueError as e:
            self.failed(seed, tables, views, queries, way, f"unreadable output: {e}")
            return
        with self.report.lock:
            self.report.compared += len(queries)
            self.report.killed += len(queries) if way.kills else 0
            self.report.rows += sum(sum(a.values()) for a in answers)
            self.report.empty += sum(not a for a in answers)
        for i, q in enumerate(queries):
            diff = difference(results[i], answers[i])
            if diff:
                self.failed(seed, tables, views, queries, way, diff, q)

    def failed(self, seed, tables, views, queries, way, why: str, q=None) -> None:
        with self.report.lock:
            many = len(self.report.failures) >= self.shrink_max
        text = shrink.describe(self, seed, tables, views, queries, [q] if q else queries, way, why, shrinking=not many)
        with self.report.lock:
            self.report.failures.append(text)
            print(text, flush=True)


def work(scripts: Scripts, seeds: list, until: float) -> None:
    while seeds and time.time() < until:
        try:
            seed = seeds.pop(0)
        except IndexError:
            return
        try:
            scripts.run(seed)
        except Exception as e:  # a bug of the test is a failure too
            import traceback
            with scripts.report.lock:
                scripts.report.failures.append(f"script {seed}: {traceback.format_exc()}")
                print(scripts.report.failures[-1], flush=True)


def main() -> int:
    a = argparse.ArgumentParser()
    a.add_argument("weir")
    a.add_argument("--queries", type=int, default=300)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--jobs", type=int, default=3)
    a.add_argument("--scripts", type=int, nargs="*")
    a.add_argument("--shrink", type=int, default=6, help="how many failures to shrink")
    a.add_argument("--features", help="comma-separated; " + ", ".join(sorted(FEATURES | LATER)))
    a.add_argument("--seconds", type=float, default=1e9, help="begin no script after so long")
    options = a.parse_args()
    features = set(options.features.split(",")) if options.features else FEATURES
    weir = str(pathlib.Path(options.weir).resolve())
    count = -(-options.queries * 11 // (10 * QUERIES_A_SCRIPT))  # some queries are refused
    seeds = options.scripts or list(range(options.seed * 100000, options.seed * 100000 + count))
    began, report = time.time(), Report()
    with Server() as server:
        workers = [Scripts(weir, server, features, report, options.shrink) for _ in range(min(options.jobs, len(seeds)))]
        threads = [threading.Thread(target=work, args=(w, seeds, began + options.seconds)) for w in workers]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for w in workers:
            w.db.close()
            w.folder.close()
    print(f"{report.compared} queries compared ({report.killed} of them over kills), {report.rows} rows, "
          f"{report.empty} empty answers, in {time.time() - began:.1f} s")
    for title, counter in (("refused by Weir, by name", report.refused), ("refused by PostgreSQL", report.invalid)):
        for message, n in counter.most_common(12):
            print(f"  {title}: {n} x {message}")
    if report.failures:
        print(f"{len(report.failures)} FAILURES; the first:\n{report.failures[0]}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
