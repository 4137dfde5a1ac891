#!/usr/bin/env python3
"""Scalar expressions over random rows with NULLs and extremes: the same values as PostgreSQL, and errors for the same rows.

Usage: expressions_test.py WEIR [--generated N] [--seed N] [--show]

The expressions are those of tests/expr/cases/expressions.txt and generated ones (templates.py). Where PostgreSQL raises an
error for a row, Weir, whose table has on_error = 'skip', must leave it out. Differences are listed with their reason in
differences.txt; one that no longer differs fails the test, too.
"""
import argparse
import decimal
import json
import pathlib
import random
import re
import sys

from choices import Choices
from postgres import Failed, Server
from rows import fields
from tables import Table, csv_line
from templates import COLUMNS, TEMPLATES, generate
from weir_runs import Folder, Wrong

HERE = pathlib.Path(__file__).parent
TYPES = [("id", "int"), ("i", "int"), ("j", "bigint"), ("f", "double precision"), ("n", "numeric(38, 2)"), ("m", "numeric(38, 4)"),
         ("s", "text"), ("u", "text"), ("b", "boolean"), ("d", "date"), ("ts", "timestamp"), ("iv", "interval"), ("js", "json")]
PLAIN = {"integer": "int", "bigint": "bigint", "smallint": "int", "double precision": "dbl", "real": "dbl", "numeric": "num", "text": "text",
         "boolean": "bool", "date": "date", "timestamp without time zone": "ts", "json": "json", "jsonb": "jsonb"}
A_SCRIPT = 60  # expressions in one run


def random_rows(r: random.Random, count: int) -> list:
    pools = [None,
             lambda: str(r.choice([r.randrange(-9, 9), r.randrange(-9, 9), 0, 1, -1, 2147483647, -2147483648, r.randrange(-10**6, 10**6)])),
             lambda: str(r.choice([r.randrange(-9, 9), 0, 9223372036854775807, -9223372036854775808, r.randrange(-10**12, 10**12)])),
             lambda: r.choice(["0", "-0", "NaN", "Infinity", "-Infinity", "1e300", "-1e-300", "0.1", "2.5", "-3.5", "1e15",
                               repr(r.uniform(-100, 100))]),
             lambda: r.choice(["0.00", "-0.01", "99999999999999.99", "1.25", "-3.50", f"{r.randrange(-10**6, 10**6) / 100:.2f}"]),
             lambda: r.choice(["0.0000", "0.0001", "-1000000.0001", "12.3456", "2.5000", f"{r.randrange(-10**6, 10**6) / 10000:.4f}"]),
             lambda: r.choice(["", "hello", "Hello World", "  padded  ", "ÄÖÜ straße 日本", "42", "-7", "a_b%c", "abcabc", "2024-02-30", "1.5e3",
                               "true", "x" * 40, "12:30", "a,b;c", 'q"u\'o', "line\\n"]),
             lambda: r.choice(["", "l", "o", "b", "ß", "%", "a", "4", " "]),
             lambda: r.choice(["true", "false"]),
             lambda: r.choice(["2013-01-01", "2012-02-29", "1970-01-01", "0001-01-01", "9999-12-31", "2024-12-30", "1969-12-31", "1900-03-01"]),
             lambda: r.choice(["2013-01-01 10:00:00", "2012-02-29 23:59:59.999999", "1970-01-01 00:00:00", "0001-01-01 00:00:01",
                               "2099-12-31 12:34:56.5", "1969-12-31 23:59:59.000001", "2024-12-30 06:07:08.009"]),
             lambda: r.choice(["1 day", "-01:30:00", "00:00:00", "1 year 2 mons 3 days 04:05:06.789", "-1 mons +10 days -00:00:00.5", "100 years",
                               "2 days 12:00:00", "25:00:00"]),
             lambda: r.choice(['{"a": 1, "b": [1, 2.50, "x"], "c": {"d": null}}', '{"a": "t", "b": []}', '[1, "two", {"three": 3}, null]', '"text"',
                               "12.50", "true", "null", '{"a": null}', "[]"])]
    # The first row has what the examples of differences.txt differ for, whatever the seed.
    first = ("1", "7", "9223372036854775807", "NaN", "99999999999999.99", "12.3456", "hello", "l", "true", "2013-01-01", "2013-01-01 10:00:00",
             "1 day", "[1]")
    return [first] + [(str(k + 1), *(None if r.random() < 0.12 else p() for p in pools[1:])) for k in range(1, count)]


class Expression:
    def __init__(self, text: str):
        self.text, self.kind, self.want = text, "", {}  # want: id to text, None or "ERROR: ..."


class Oracle:
    def __init__(self, db, rows: list):
        self.db, self.ids = db, [r[0] for r in rows]
        columns = ", ".join(f"{n} {t}" for n, t in TYPES)
        quoted = ",\n".join("(" + ", ".join("NULL" if v is None else "'" + v.replace("'", "''") + "'" for v in row) + ")" for row in rows)
        db.run(f"CREATE TABLE t ({columns}); INSERT INTO t VALUES {quoted};")
        db.run("""CREATE FUNCTION ask(e text, row_id int) RETURNS text LANGUAGE plpgsql AS $$
                  DECLARE v text; BEGIN EXECUTE format('SELECT (%s)::text FROM t WHERE id = %s', e, row_id) INTO v; RETURN v;
                  EXCEPTION WHEN others THEN RETURN 'ERROR: ' || SQLERRM; END $$""")

    def ask(self, e: Expression) -> bool:
        """False: PostgreSQL refuses the expression whatever the row."""
        try:
            self.db.run(f"CREATE VIEW one AS SELECT ({e.text}) AS c FROM t")
        except Failed as error:
            if "pseudo-type record" not in str(error):  # ROW(...) has no type that a view could have
                e.want = str(error)
                return False
            self.db.run(f"CREATE VIEW one AS SELECT 'record'::name AS c, ({e.text})::text FROM t")
        name = self.db.query("SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'one'::regclass AND attnum = 1").strip()
        self.db.run("DROP VIEW one")
        e.kind = PLAIN.get(name.strip('"'), "other")
        value = f"({e.text})" if e.kind != "other" else f"({e.text})::text"
        try:
            answer = self.db.query(f"SELECT id, {value} FROM t")
        except Failed:
            quoted = value.replace("'", "''")
            answer = self.db.query(f"SELECT id, ask('{quoted}', id) FROM t")
        lines = records(answer)
        e.want = {row[0]: row[1] for row in lines}
        return True


def records(text: str) -> list:
    """CSV whose quoted fields may hold line feeds."""
    out, held = [], ""
    for line in text.removesuffix("\n").split("\n") if text else []:
        held = held + "\n" + line if held else line
        if held.count('"') % 2 == 0:
            out.append(fields(held))
            held = ""
    return out


def compact(text: str) -> str:
    """JSON without blanks outside of strings."""
    return re.sub(r'("(?:\\.|[^"\\])*")|\s+', lambda m: m[1] or "", text)


def json_value(text: str):
    """What a jsonb is, whatever its text: numbers as they count, each name once."""
    return json.loads(text, parse_int=decimal.Decimal, parse_float=decimal.Decimal)


def same(kind: str, a, b) -> bool:
    if a is None or b is None or a == b:
        return a == b
    if kind == "bool":
        return a[0] == b[0]
    if kind == "json":  # blanks between parts
        return compact(a) == compact(b)
    if kind == "jsonb":  # the text of a value may differ
        try:
            return json_value(a) == json_value(b)
        except ValueError:
            return False
    if kind not in ("dbl", "num"):
        return False
    try:
        x, y = decimal.Decimal(a), decimal.Decimal(b)
        if not x.is_finite() or not y.is_finite():
            return str(x) == str(y)
        return abs(x - y) <= max(abs(x), abs(y)) * decimal.Decimal("1e-9") + (decimal.Decimal("1e-9") if kind == "num" else 0)
    except decimal.InvalidOperation:
        return False


def weir_answers(folder: Folder, expressions: list) -> list:
    """Per expression: id to text, or the message that refuses it."""
    results = [None] * len(expressions)
    table = "CREATE TABLE t (" + ", ".join(f"{n} {t}" for n, t in TYPES) + \
        ") WITH (connector = 'file', path = 't.csv', format = 'csv', on_error = 'skip');\n"
    left = list(range(len(expressions)))
    while left:
        lines = [f"CREATE TABLE q{k} WITH (connector = 'file', path = 'out/q{k}', format = 'csv') AS SELECT id, ({expressions[k].text})"
                 f"{'::text' if expressions[k].kind == 'other' else ''} AS c1 FROM t;" for k in left]
        (folder.path / "job.sql").write_text(table + "\n".join(lines) + "\n")
        refused = folder.refused()
        if not refused:
            break
        for line, message in refused.items():
            results[left[line - 2]] = "refused: " + message
        left = [k for k in left if results[k] is None]
    if left:
        run(folder)
    for k in left:
        text = "".join(p.read_bytes().decode() for p in (folder.path / "out" / f"q{k}").glob("*.csv"))
        results[k] = {row[0]: row[1] for row in records(text)}
    return results


def run(folder: Folder) -> None:
    import subprocess
    done = subprocess.run([folder.weir, "run", "job.sql", "-p", "1", "--quiet"], cwd=folder.path, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if done.returncode != 0:
        raise Wrong(f"weir run exited with {done.returncode}: {done.stderr.decode()[-2000:]}")


def compare(e: Expression, got, rows: list) -> str:
    """What differs, for one row; empty when nothing."""
    if isinstance(e.want, str):  # PostgreSQL has no such expression
        return "" if isinstance(got, str) else f"PostgreSQL refuses it: {e.want}"
    errors = {k for k, v in e.want.items() if v and v.startswith("ERROR: ")}
    if isinstance(got, str):
        return "" if len(errors) == len(e.want) else got
    for row in rows:
        k = row[0]
        shown = ", ".join(f"{n} = {v!r}" for (n, _), v in zip(TYPES, row) if n != "id" and re.search(rf"\b{n}\b", e.text))
        if k in errors:
            if k in got:
                return f"{got[k]!r}, expected {e.want[k]} where {shown}"
        elif k not in got:
            return f"an error, expected {e.want[k]!r} where {shown}"
        elif not same(e.kind, got[k], e.want[k]):
            return f"{got[k]!r}, expected {e.want[k]!r} where {shown}"
    return ""


def listed() -> list:
    """(pattern, example, reason) of differences.txt."""
    lines = [l for l in (HERE / "differences.txt").read_text().splitlines() if l.strip() and not l.startswith("#")]
    return [(re.compile(p), example, reason) for p, example, reason in (l.split(" | ") for l in lines)]


def main() -> int:
    a = argparse.ArgumentParser()
    a.add_argument("weir")
    a.add_argument("--generated", type=int, default=1000)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--show", type=int, default=40, help="how many differences to print")
    options = a.parse_args()
    cases = (HERE.parent / "expr" / "cases" / "expressions.txt").read_text().splitlines()
    expressions = [Expression(l.removeprefix("~ ")) for l in cases if l.strip() and not l.startswith("#")]
    differences, failures, explained, invalid, errors = listed(), [], {}, 0, 0
    expressions += [Expression(example) for _, example, _ in differences]
    given = len(expressions)
    r = random.Random(options.seed)
    kinds = list(TEMPLATES)
    for k in range(options.generated):
        c = Choices(r.random())
        expressions.append(Expression(generate(c, kinds[k % len(kinds)], 1 + k % 4)))
    rows = random_rows(r, 40)
    folder = Folder(str(pathlib.Path(options.weir).resolve()))
    try:
        (folder.path / "t.csv").write_text("".join(csv_line(row) + "\n" for row in rows))
        with Server() as server, server.connect() as db:
            oracle = Oracle(db, rows)
            for e in expressions:
                invalid += not oracle.ask(e)
            for begin in range(0, len(expressions), A_SCRIPT):
                some = expressions[begin:begin + A_SCRIPT]
                for e, got in zip(some, weir_answers(folder, some)):
                    what = compare(e, got, rows)
                    errors += isinstance(e.want, dict) and any(v and v.startswith("ERROR") for v in e.want.values())
                    if not what:
                        continue
                    reason = next((k for k, (p, _, _) in enumerate(differences) if p.search(e.text + " => " + what)), None)
                    if reason is None:
                        failures.append(f"{e.text}\n    {what}")
                    else:
                        explained.setdefault(reason, []).append(e.text)
    finally:
        folder.close()
    print(f"{len(expressions)} expressions ({len(expressions) - given} generated) over {len(rows)} rows; {errors} with errors for some row; "
          f"{invalid} that PostgreSQL refuses")
    for k, (_, example, reason) in enumerate(differences):
        print(f"  {len(explained.get(k, []))} x {reason}")
        if example not in explained.get(k, []):
            failures.append(f"{example}\n    differs no longer so: {reason}")
    for f in failures[:options.show]:
        print(f"DIFFERS {f}")
    if failures:
        print(f"{len(failures)} differences that differences.txt does not explain")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
