#!/usr/bin/env python3
"""Writes expected.txt: what PostgreSQL answers to every line of expressions.txt.

Usage: regenerate.py CONNECTION, for example regenerate.py "host=/tmp port=5432 user=postgres".
Needs psql and a PostgreSQL 15 server; the table is made in a temporary schema. A line of the result
is the expression, a tab, and its values (one, or one per row) with "␟" between them; NULL is null
and ERROR: message a failure. The tests need only the file.
"""
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).parent


def run(sql):
    return subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-R", "␟", "-P", "null=NULL", "-v", "ON_ERROR_STOP=1",
         "-v", "VERBOSITY=terse", "-d", sys.argv[1], "-c", "SET timezone = 'UTC'",
         "-c", "SET search_path = weir_cases", "-c", sql],
        capture_output=True, text=True)


def ask(expression):
    constant = run(f"SELECT ({expression})::text")
    if constant.returncode == 0:
        return constant.stdout.rstrip("\n")
    if "column" in constant.stderr and "does not exist" in constant.stderr:
        rows = run(f"SELECT ({expression})::text FROM t ORDER BY id")
        if rows.returncode == 0:
            return rows.stdout.rstrip("\n")
        constant = rows
    for line in constant.stderr.splitlines():
        if "ERROR:" in line:
            return "ERROR: " + line.split("ERROR:", 1)[1].strip()
    sys.exit(constant.stderr)


def main():
    subprocess.run(["psql", "-X", "-q", "-d", sys.argv[1], "-c", "DROP SCHEMA IF EXISTS weir_cases CASCADE",
                    "-c", "CREATE SCHEMA weir_cases"], check=True, capture_output=True)
    table = (here / "table.sql").read_text()
    made = run(table)
    if made.returncode:
        sys.exit(made.stderr)
    out = []
    for line in (here / "expressions.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        near = line.startswith("~ ")
        expression = line[2:] if near else line
        out.append(("~ " if near else "") + expression + "\t" +
                   ask(expression).replace("\n", "⏎"))
    (here / "expected.txt").write_text("\n".join(out) + "\n")
    run("DROP SCHEMA weir_cases CASCADE")
    print(f"{len(out)} expressions")


main()
