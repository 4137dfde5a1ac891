#!/usr/bin/env python3
"""Rows that come in batches: after each, when epochs are complete, the changes so far must add up to PostgreSQL's answer
over the rows so far.

Usage: epochs_test.py WEIR [--queries N] [--seed N] [--seconds S]

The rows of one table come through standard input, a batch at a time; those of the others are there from the beginning. An epoch that
begins after a batch was read holds it: the test waits for the second epoch that was complete after the batch was written, by which
standard output has every change.
"""
import argparse
import pathlib
import random
import subprocess
import sys
import threading
import time
import traceback

from choices import Choices
from grammar import FEATURES, Grammar
from postgres import Failed, Server
from rows import consolidate, difference, parse
from tables import Table, csv_line, random_tables
from weir_runs import Folder, Query

WAIT_S_MAX = 20  # for an epoch; they come every 100 ms


class Run:
    """A `weir run` that reads standard input and prints changes."""

    def __init__(self, folder: Folder, parallelism: int):
        self.folder = folder
        self.process = subprocess.Popen([folder.weir, "run", "job.sql", "-o", "csv", "--quiet", "-p", str(parallelism), "--data-dir", "state",
                                         "--snapshot-interval", "100ms"], cwd=folder.path, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(folder.path / "errors", "wb"))
        self.lines, self.lock = [], threading.Lock()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        for line in self.process.stdout:
            with self.lock:
                self.lines.append(line.decode())

    def write(self, text: str) -> None:
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def epoch(self) -> int:
        done = subprocess.run([self.folder.weir, "snapshot", "ls", "state", "-o", "csv"], cwd=self.folder.path, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        rows = done.stdout.decode().splitlines()[1:]
        return max((int(r.split(",")[1]) for r in rows), default=0)

    def wait_for_epochs(self, count: int) -> None:
        until, first = time.time() + WAIT_S_MAX, self.epoch()
        while self.epoch() < first + count:
            if self.process.poll() == 0:
                self.reader.join(10)
                return  # it read only tables that have an end
            if self.process.poll() is not None or time.time() > until:
                raise AssertionError(f"no {count} epochs after epoch {first}: " + (self.folder.path / "errors").read_text()[-2000:])
            time.sleep(0.03)

    def output(self) -> str:
        """All changes so far, without the header."""
        with self.lock:
            return "".join(self.lines[1:])

    def finish(self) -> int:
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already
        code = self.process.wait(60)
        self.reader.join(10)
        return code


def one(db, folder: Folder, seed: int) -> tuple:
    """(query, what is wrong, batches compared)"""
    r = random.Random(seed)
    tables = [t.with_rows(t.rows) for t in random_tables(r, 24)]  # plain rows: they only come
    db.run(f"DROP SCHEMA IF EXISTS e CASCADE; CREATE SCHEMA e; SET search_path = e;\n" + "".join(t.postgres() for t in tables))
    streamed = tables[0]
    for _ in range(50):
        g = Grammar(Choices(r.random()), [t.relation() for t in tables], FEATURES)
        q = Query("q", *g.statement())
        if f"{streamed.name} AS" not in q.text:
            continue
        try:
            if db.query(q.text).count("\n") > 2000:
                continue
        except Failed:
            continue
        lines = [f"CREATE TABLE {streamed.name} ({streamed.definition()}) WITH (connector = 'stdin', format = 'csv');"]
        lines += [t.weir("").rstrip() for t in tables[1:]]
        folder.write(tables, "\n".join(lines) + f"\n{q.text};\n", 1)
        if not folder.refused():
            break
    else:
        return "", "", 0
    db.run(f"DELETE FROM {streamed.name}")
    run, rows, compared = Run(folder, r.randrange(1, 4)), list(streamed.rows), 0
    try:
        while True:
            batch, rows = rows[:r.randrange(1, 9)], rows[8:] if r.random() < 0.5 else rows[1:]
            try:
                run.write("".join(csv_line(row) + "\n" for row in batch))
            except BrokenPipeError:
                break
            db.run(Table(streamed.name, streamed.columns, batch).postgres().partition(";\n")[2])
            run.wait_for_epochs(2)
            want = parse(db.query(q.text), q.kinds)
            shown = run.output()
            got = consolidate(shown, q.kinds) if run.lines and run.lines[0].startswith("op,") else parse(shown, q.kinds)
            compared += 1
            diff = difference(got, want)
            if diff:
                so_far = db.query(f"SELECT * FROM {streamed.name}")
                return q.text, f"after {compared} batches: {diff}\n{streamed.name} so far:\n{so_far}", compared
            if not rows or compared == 4:
                break
        code = run.finish()
        return (q.text, f"exited with {code}: " + (folder.path / "errors").read_text()[-2000:], compared) if code else (q.text, "", compared)
    except AssertionError as e:
        return q.text, str(e), compared
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def main() -> int:
    a = argparse.ArgumentParser()
    a.add_argument("weir")
    a.add_argument("--queries", type=int, default=30)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--jobs", type=int, default=4)
    a.add_argument("--seconds", type=float, default=90, help="begin no query after so long")
    options = a.parse_args()
    began, failures, compared, lock = time.time(), [], [], threading.Lock()
    seeds = list(range(options.seed * 100000, options.seed * 100000 + options.queries))

    def work(server) -> None:
        folder = Folder(str(pathlib.Path(options.weir).resolve()))
        with server.connect() as db:
            db.run("SET statement_timeout = 2000")
            schema = f"e{threading.get_ident()}"
            while time.time() - began < options.seconds:
                with lock:
                    if not seeds:
                        break
                    seed = seeds.pop(0)
                try:
                    text, wrong, batches = one(Renamed(db, schema), folder, seed)
                except Exception:  # a bug of the test is a failure, too
                    text, wrong, batches = "", traceback.format_exc(), 0
                with lock:
                    compared.append(batches)
                    if wrong:
                        failures.append(f"seed {seed}: {wrong}\n{text}\n{(folder.path / 'job.sql').read_text()}")
                        print(failures[-1], flush=True)
        folder.close()

    with Server() as server:
        threads = [threading.Thread(target=work, args=(server,)) for _ in range(options.jobs)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    print(f"{len(compared)} queries, {sum(compared)} epochs compared in {time.time() - began:.1f} s, {len(failures)} wrong")
    return 1 if failures or not sum(compared) else 0


class Renamed:
    """A connection whose schema e has a name of its own, since several work at a time."""

    def __init__(self, db, schema: str):
        self.db, self.schema = db, schema

    def run(self, text: str) -> str:
        return self.db.run(text.replace("SCHEMA IF EXISTS e ", f"SCHEMA IF EXISTS {self.schema} ")
                           .replace("CREATE SCHEMA e;", f"CREATE SCHEMA {self.schema};").replace("search_path = e;", f"search_path = {self.schema};"))

    def query(self, text: str) -> str:
        return self.db.query(text)


if __name__ == "__main__":
    sys.exit(main())
