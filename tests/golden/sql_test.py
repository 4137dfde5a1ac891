#!/usr/bin/env python3
"""Golden SQL: every sql/FEATURE/NAME.sql must give sql/FEATURE/NAME.expected, from Weir at parallelism 1 and 3, and from PostgreSQL.

usage: sql_test.py WEIR [--update] [FEATURE/NAME | FEATURE]...      see sql/README.md

--update writes the expected rows: PostgreSQL's, or Weir's where PostgreSQL has no such thing.
"""
import concurrent.futures
import csv
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))
from postgres import Failed, Server  # noqa: E402
from rows import fields  # noqa: E402

ROOT = HERE / "sql"
PARALLELISM = (1, 3)


class Case:
    def __init__(self, path: pathlib.Path):
        self.name = f"{path.parent.name}/{path.stem}"
        self.expected, self.text = path.with_suffix(".expected"), path.read_text()
        note = lambda key: next((m[1].strip() for m in re.finditer(rf"^-- {key}(?:: (.*))?$", self.text, re.M)), None)
        self.ordered = bool(re.search(r"^-- ordered$", self.text, re.M))
        self.output = note("output")
        self.postgres = note("postgres") if re.search(r"^-- postgres: ", self.text, re.M) else None
        plain = "\n".join(l for l in self.text.splitlines() if not l.startswith("--"))
        self.statements = [s.strip() for s in re.split(r";(?:\n|$)", plain) if s.strip()]

    def lines(self, text: str) -> list:
        """As they are compared: in order, or sorted as bytes."""
        rows = [l for l in text.splitlines() if l]
        return rows if self.ordered else sorted(rows, key=str.encode)

    def of_weir(self, weir: str, parallelism: int) -> list:
        with tempfile.TemporaryDirectory(prefix="weir-golden-") as name:
            folder = pathlib.Path(name)
            for p in [*ROOT.glob("*.csv"), *ROOT.glob("*.json")]:
                shutil.copy(p, folder)
            (folder / "job.sql").write_text((ROOT / "tables.sql").read_text() + self.text)
            done = subprocess.run([weir, "run", "job.sql", "-o", "csv", "--final", "--quiet", "-p", str(parallelism)], cwd=folder,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            if done.returncode:
                raise Failed(f"exited with {done.returncode}: {done.stderr[-2000:]}")
            if not self.output:
                return self.lines(csv_again(done.stdout.partition("\n")[2]))  # without the header
            out, text = folder / self.output, ""
            for p in out.rglob("*"):  # lines of a partition have its folder in front of them
                if p.is_file():
                    where = "".join(f"{part} " for part in p.relative_to(out).parts[:-1])
                    content = csv_again(p.read_text()) if p.suffix == ".csv" else p.read_text()
                    text += "".join(f"{where}{l}\n" for l in content.splitlines())
            return self.lines(text)

    def of_postgres(self, db) -> list:
        """None: it has no such thing."""
        if self.postgres and self.postgres.startswith("none"):
            return None
        for s in self.statements[:-1]:
            if not self.postgres:
                db.run(s)
        return self.lines(csv_again(db.query(self.postgres or self.statements[-1])))


def csv_again(text: str) -> str:
    """CSV in one spelling: quotes only where they must be, booleans and numbers as both sides write them."""
    out = []
    for line in text.splitlines():
        row = [None if f is None else {"t": "true", "f": "false"}.get(f, f) for f in fields(line)]
        out.append(",".join("" if f is None else '"' + f.replace('"', '""') + '"' if f == "" or any(c in f for c in ',"') else f for f in row))
    return "".join(l + "\n" for l in out)


def load(db) -> None:
    """The tables of sql/tables.sql with their rows."""
    text = (ROOT / "tables.sql").read_text()
    for m in re.finditer(r"^CREATE TYPE .*?;$", text, re.M | re.S):
        db.run(m[0])
    for m in re.finditer(r"^CREATE TABLE (\w+) (\(.*?\))\s+WITH \(.*?path = '([^']*)'.*?\);$", text, re.M | re.S):
        name, columns, path = m.groups()
        db.run(f"CREATE TABLE {name} {columns}")
        literal = lambda v: "NULL" if v is None else "'" + str(v).replace("'", "''") + "'"
        insert = lambda row: db.run(f"INSERT INTO {name} VALUES ({', '.join(map(literal, row))})")
        lines = (ROOT / path).read_text().splitlines()
        if path.endswith(".json"):
            for o in map(json.loads, lines):
                if "key" in o:  # an upsert
                    of_key = " AND ".join(f"{c} = {literal(v)}" for c, v in o["key"].items())
                    db.run(f"DELETE FROM {name} WHERE {of_key}")
                    if o["value"]:
                        insert((o["key"] | o["value"]).values())
                    continue
                if o["before"]:
                    found = " AND ".join(f"{c} IS NOT DISTINCT FROM {literal(v)}" for c, v in o["before"].items())
                    db.run(f"DELETE FROM {name} WHERE ctid = (SELECT min(ctid) FROM {name} WHERE {found})")
                if o["after"]:
                    insert(o["after"].values())
        else:
            for line in lines[1:]:
                insert(fields(line))


def main() -> int:
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    weir, names = str(pathlib.Path(arguments[0]).resolve()), arguments[1:]
    cases = [Case(p) for p in sorted(ROOT.glob("*/*.sql"))]
    cases = [c for c in cases if not names or c.name in names or c.name.split("/")[0] in names]
    answers, wrong = {}, []
    with Server() as server, server.connect() as db:
        load(db)
        for c in cases:
            try:
                answers[c.name] = c.of_postgres(db)
            except Failed as e:
                wrong.append(f"{c.name}: PostgreSQL: {e}")
                answers[c.name] = None
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        runs = {(c.name, p): pool.submit(c.of_weir, weir, p) for c in cases for p in PARALLELISM}
        for c in cases:
            if "--update" in sys.argv:
                rows = answers[c.name] if answers[c.name] is not None else runs[c.name, 1].result()
                c.expected.write_text("".join(l + "\n" for l in rows))
            want = c.expected.read_text().splitlines() if c.expected.exists() else []
            sides = [("PostgreSQL", lambda: answers[c.name])] if answers[c.name] is not None else []
            sides += [(f"Weir at parallelism {p}", runs[c.name, p].result) for p in PARALLELISM]
            for side, rows in sides:
                try:
                    got = rows()
                except Failed as e:
                    got = [str(e)]
                if got != want:
                    wrong.append(f"{c.name}: {side} gives\n" + "".join(f"    {l}\n" for l in got[:20]) + "  expected\n" +
                                 "".join(f"    {l}\n" for l in want[:20]))
    print("\n".join(wrong) if wrong else f"{len(cases)} queries, {sum(a is not None for a in answers.values())} of them asked PostgreSQL, too")
    return 1 if wrong or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
