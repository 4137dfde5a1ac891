#!/usr/bin/env python3
"""The golden files of the flights' SQL jobs against PostgreSQL: flights/NAME.sql over the data must give flights/NAME.csv.

usage: flights_postgres.py [--update] [NAME...]

The queries say in other words what the jobs say (no windows in FROM, no lag, no row_number), over tables that hold the
files as they are. --update writes the golden files instead of comparing.
"""
import csv
import io
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))
from postgres import Server  # noqa: E402

DATA = HERE.parents[1] / "jobs/examples/flights/data"
GOLDEN = HERE / "flights"
# Columns that the queries read, with their types; the others are texts.
TYPES = {"minute": "int", "flight": "int", "dep_time": "int", "dep_delay": "int", "time_hour": "timestamp", "wind_speed": "float8",
         "visib": "float8"}


def load(db, table: str, name: str) -> None:
    with open(DATA / name, newline="", encoding="utf-8") as f:
        header, *rows = csv.reader(f)
    columns = ", ".join(f"{c} {TYPES.get(c, 'text')}" for c in header)
    db.run(f"CREATE TEMP TABLE {table} (n int, {columns})")
    quoted = lambda v: "NULL" if v == "NA" else "'" + v.replace("'", "''") + "'"
    for begin in range(0, len(rows), 2000):
        db.run(f"INSERT INTO {table} VALUES " + ",\n".join(
            "(" + ", ".join([str(n), *map(quoted, row)]) + ")" for n, row in enumerate(rows[begin:begin + 2000], begin)))


def lines_of(text: str) -> list:
    """Rows as the golden files have them: nothing quoted there, sorted as bytes."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(csv.reader(io.StringIO(text)))
    return sorted(out.getvalue().splitlines(), key=str.encode)


def main() -> int:
    names = [a for a in sys.argv[1:] if not a.startswith("--")] or sorted(p.stem for p in GOLDEN.glob("*.sql"))
    wrong = 0
    with Server() as server, server.connect() as db:
        load(db, "flights", "flights_2013_01.csv")
        load(db, "weather", "weather_2013_01.csv")
        db.run("ALTER TABLE flights ADD sched timestamp; UPDATE flights SET sched = time_hour + minute * interval '1 minute'; "
               "CREATE INDEX ON flights (tailnum, sched); CREATE INDEX ON weather (origin, time_hour); ANALYZE flights; ANALYZE weather")
        for name in names:
            got, path = lines_of(db.query((GOLDEN / f"{name}.sql").read_text())), GOLDEN / f"{name}.csv"
            if "--update" in sys.argv:
                path.write_text("".join(l + "\n" for l in got))
                continue
            want = path.read_text().splitlines()
            ok = got == want
            wrong += not ok
            print(f"{'ok  ' if ok else 'FAIL'} {name}: {len(got)} rows")
            if not ok:
                for title, some in (("only PostgreSQL has", set(got) - set(want)), ("only the file has", set(want) - set(got))):
                    print(f"  {title}: {sorted(some)[:5]}")
    return 1 if wrong or not names else 0


if __name__ == "__main__":
    sys.exit(main())
