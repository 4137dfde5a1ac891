#!/usr/bin/env python3
"""Nexmark's golden results against PostgreSQL, over a dump of the same events.

Usage: nexmark.py WEIR [--update] [qN...]

Tables of the dump are loaded into a throw-away server. A query there is that of the job file, or
oracle/nexmark/qN.sql where the job's has a form that PostgreSQL has not (windows in FROM). Its result
must be the golden one, which Weir's runs are compared with too (golden/nexmark_jobs.py). --update
writes the golden files instead.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "golden"))
import nexmark_golden as golden  # noqa: E402

TABLES = """
CREATE TABLE person (id bigint, name text, email_address text, credit_card text, city text,
  state text, date_time timestamp, extra text);
CREATE TABLE auction (id bigint, item_name text, description text, initial_bid bigint,
  reserve bigint, date_time timestamp, expires timestamp, seller bigint, category bigint, extra text);
CREATE TABLE bid (auction bigint, bidder bigint, price bigint, channel text, url text,
  date_time timestamp, extra text);
CREATE TABLE side_input AS SELECT n FROM generate_series(0, 9999) AS n;
"""


class Postgres:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        done = subprocess.run([HERE / "postgres.sh", "start", folder], stdout=subprocess.PIPE,
                              check=True, text=True)
        self.socket = done.stdout.strip()

    def run(self, sql: str) -> str:
        done = subprocess.run(["psql", "-h", self.socket, "-U", "postgres", "-X", "-q", "-v",
                               "ON_ERROR_STOP=1", "-f", "-"], input=sql, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise SystemExit(f"PostgreSQL: {done.stderr}\n{sql[:2000]}")
        return done.stdout

    def close(self) -> None:
        subprocess.run([HERE / "postgres.sh", "stop", self.folder], check=True)


def select_of(query: str) -> str:
    own = HERE / "nexmark" / f"{query}.sql"
    if own.exists():
        return own.read_text()
    text = (golden.QUERIES / f"{query}.sql").read_text()
    return re.search(rf"INSERT INTO nexmark_{query}\n(.*)", text, re.S).group(1)


def result_of(server: Postgres, query: str) -> list:
    columns = ", ".join(f"{name} {kind}" for name, kind in golden.sink_columns(query))
    text = server.run(f"CREATE TABLE nexmark_{query} ({columns});\n"
                      f"INSERT INTO nexmark_{query}\n{select_of(query)}\n"
                      f"\\copy nexmark_{query} TO STDOUT (FORMAT csv)\n")
    return golden.canonical(query, text)


def main() -> None:
    weir, update = sys.argv[1], "--update" in sys.argv
    queries = [a for a in sys.argv[2:] if a != "--update"] or golden.names()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-oracle-"))
    server = None
    failed = 0
    try:
        dump = folder / "dump"
        subprocess.run([weir, "bench", "nexmark", "--dump", dump, "--events", str(golden.EVENTS),
                        "--event-rate", str(golden.EVENT_RATE), "--seed", str(golden.SEED)],
                       check=True, stderr=subprocess.DEVNULL)
        server = Postgres(folder)
        server.run(TABLES + "".join(f"\\copy {t} FROM '{dump}/{t}.csv' (FORMAT csv, HEADER)\n"
                                    for t in ("person", "auction", "bid")) + "ANALYZE;")
        for query in queries:
            rows = result_of(server, query)
            if update:
                golden.write_golden(query, rows)
            wrong = golden.difference(query, rows)
            failed += bool(wrong)
            print(f"{query}: {wrong or f'ok, {len(rows)} rows'}", flush=True)
    finally:
        if server:
            server.close()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
