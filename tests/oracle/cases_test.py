#!/usr/bin/env python3
"""Every query of cases/*.sql: Weir must answer what PostgreSQL answers, at any parallelism, at the end and as changes.

Usage: cases_test.py WEIR [NAME...]

A case is SQL as PostgreSQL reads it: CREATE TABLE and INSERT for the rows, CREATE VIEW, and queries, each statement
from the beginning of a line to a semicolon at a line's end. Queries that queries_test.py found and shrank live
here, named after what was wrong.
"""
import pathlib
import random
import re
import sys

from postgres import Server
from rows import difference, fields, parse
from tables import Table
from weir_runs import Folder, Query, Way, Wrong, script

TYPES = {"int": "int", "int4": "int", "bigint": "bigint", "int8": "bigint", "text": "text", "timestamp": "ts", "date": "date",
         "numeric": "num", "float8": "dbl", "bool": "bool", "_int4": "ints", "_text": "texts"}


def statements(text: str) -> list:
    plain = "\n".join(l for l in text.splitlines() if not l.startswith("--"))
    return [s.strip() for s in re.split(r";[ \t]*(?:\n|$)", plain) if s.strip()]


class Case:
    def __init__(self, db, path: pathlib.Path):
        self.path, self.tables, self.views, self.queries = path, [], [], []
        db.run("DROP SCHEMA IF EXISTS c CASCADE; CREATE SCHEMA c; SET search_path = c")
        for s in statements(path.read_text()):
            made = re.match(r"CREATE (TABLE|VIEW) (\w+)", s)
            if made and made[1] == "VIEW":
                self.views.append(Query(made[2], re.split(r"\bAS\b", s, maxsplit=1)[1], []))
            if made or s.startswith("INSERT"):
                db.run(s)
                if made and made[1] == "TABLE":
                    self.tables.append((made[2], self.kinds(db, made[2], named=True)))
            else:
                db.run(f"CREATE TEMP VIEW result AS {s}")
                self.queries.append(Query(f"q{len(self.queries)}", s, self.kinds(db, "result")))
                db.run("DROP VIEW result")
        self.tables = [Table(name, columns, [tuple(fields(l)) for l in db.query(f"SELECT * FROM {name}").splitlines()],
                             key=self.key(db, name)) for name, columns in self.tables]
        self.answers = [parse(db.query(q.text), q.kinds) for q in self.queries]

    def kinds(self, db, relation: str, named=False) -> list:
        text = db.query("SELECT attname, typname FROM pg_attribute JOIN pg_type t ON t.oid = atttypid "
                        f"WHERE attrelid = '{relation}'::regclass AND attnum > 0 ORDER BY attnum")
        pairs = [tuple(l.split(",")) for l in text.splitlines()]
        return [(n, TYPES[t]) for n, t in pairs] if named else [TYPES[t] for _, t in pairs]

    def key(self, db, table: str) -> list:
        return db.query("SELECT attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
                        f"WHERE i.indrelid = '{table}'::regclass AND i.indisprimary ORDER BY attnum").split()

    def run(self, folder: Folder) -> list:
        """What is wrong."""
        failures = []
        for parallelism in (1, 2, 3):
            for final in (True, False):
                way = Way(random.Random(0), kills=False)
                way.parallelism, way.final, way.files, way.rate = parallelism, final, parallelism, 0 if final else 200
                for q, want in zip(self.queries, self.answers):
                    folder.write(self.tables, script(self.tables, self.views, [q], way), way.files)
                    try:
                        diff = difference(folder.run(way, [q])[0], want)
                    except (Wrong, ValueError) as e:
                        diff = str(e)
                    if diff:
                        failures.append(f"{self.path.name}, {way}: {diff}\n  {q.text}")
        return failures


def main() -> int:
    paths = sorted(pathlib.Path(__file__).with_name("cases").glob("*.sql"))
    if len(sys.argv) > 2:
        paths = [p for p in paths if p.stem in sys.argv[2:]]
    failures = []
    folder = Folder(str(pathlib.Path(sys.argv[1]).resolve()))
    try:
        with Server() as server, server.connect() as db:
            for path in paths:
                found = Case(db, path).run(folder)
                print(f"{'FAIL' if found else 'ok  '} {path.stem}", flush=True)
                failures += found
    finally:
        folder.close()
    print("\n".join(failures))
    return 1 if failures or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
