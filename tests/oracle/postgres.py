#!/usr/bin/env python3
"""A throw-away PostgreSQL (postgres.sh) for the oracle tests.

    with Server() as server, server.connect() as db:
        rows = db.query("SELECT 1")

A guard process holds the server: it stops it and removes its folder when its standard input ends, that is, when
its parent is gone, however it went.
"""
import pathlib
import signal
import subprocess
import sys
import tempfile

from scalars import PAIR

SCRIPT = pathlib.Path(__file__).with_name("postgres.sh")


def guard() -> None:
    """Runs a server until standard input ends; prints the folder of its socket."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="weir-postgres-", ignore_cleanup_errors=True) as folder:
        try:
            if subprocess.run(["bash", SCRIPT, "start", folder], stdin=subprocess.DEVNULL).returncode != 0:
                sys.exit(1)
            sys.stdin.buffer.read()
        finally:
            subprocess.run(["bash", SCRIPT, "stop", folder], stdin=subprocess.DEVNULL)


class Failed(Exception):
    """PostgreSQL refused a statement; the text is its first error."""


class Connection:
    """A psql that is asked one thing after the other."""
    END = "=== end ==="

    def __init__(self, where: str):
        self.process = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-h", where, "-U", "postgres", "-d", "oracle",
             "-v", "VERBOSITY=terse"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.run("SET client_min_messages = error; SET bytea_output = hex; SET datestyle = 'ISO, YMD'")

    def run(self, statements: str) -> str:
        """What psql prints; raises Failed for the first error."""
        self.process.stdin.write(f"{statements}\n;\n\\echo '{self.END}'\n".encode())
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit("psql ended: " + b"".join(lines).decode(errors="replace")[-2000:])
            if line.rstrip(b"\n").decode(errors="replace") == self.END:
                break
            lines.append(line)
        text = b"".join(lines).decode()
        for line in text.splitlines():
            if line.startswith(("ERROR:", "FATAL:", "psql:")):
                raise Failed(line)
        return text

    def query(self, select: str) -> str:
        """A query's rows as CSV without header: NULL is empty, an empty text is \"\"."""
        return self.run(f"COPY (\n{select}\n) TO STDOUT WITH (FORMAT csv)")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Server:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True)
        self.where = self.process.stdout.readline().decode().strip()
        if not self.where:
            raise SystemExit("the oracle tests need PostgreSQL, which did not start, see above; "
                             "bash cluster/launch/setup.sh installs it (package postgresql)")

        # Text is ordered by bytes, but upper() knows all letters.
        subprocess.run(["createdb", "-h", self.where, "-U", "postgres", "-T", "template0", "--lc-collate=C",
                        "--lc-ctype=C.UTF-8", "oracle"], check=True)
        with self.connect() as db:
            db.run(PAIR)

    def connect(self) -> Connection:
        return Connection(self.where)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    guard()
