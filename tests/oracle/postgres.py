#!/usr/bin/env python3
"""A throw-away PostgreSQL for the oracle tests: a temporary folder, a unix socket, no network.

    with Server() as server, server.connect() as db:
        rows = db.query("SELECT 1")

From a shell: `postgres.py` prints the folder of its socket (user postgres) and lives until its
standard input ends. That is also how the class holds it: a guard process that stops the server and
removes the folder when its parent is gone, however it went.
"""
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SETTINGS = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "autovacuum": "off",
            "synchronous_commit": "off", "timezone": "UTC", "jit": "off", "shared_buffers": "16MB",
            "max_connections": "20", "extra_float_digits": "1", "max_parallel_workers": "0"}


def binaries() -> pathlib.Path:
    """The folder of PostgreSQL 15's programs; a clear failure where they are missing."""
    found = glob.glob("/usr/lib/postgresql/15/bin") or sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found or not (pathlib.Path(found[-1]) / "postgres").exists():
        raise SystemExit("the oracle tests need PostgreSQL: /usr/lib/postgresql/*/bin/postgres is not there; "
                         "`bash cluster/launch/setup.sh` installs it (package postgresql)")
    return pathlib.Path(found[-1])


def as_postgres() -> list:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return ["setpriv", "--pdeathsig", "QUIT"]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig", "QUIT"]


def guard() -> None:
    """Runs the server until standard input ends."""
    where = pathlib.Path(tempfile.mkdtemp(prefix="weir-postgres-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    server = None
    try:
        if os.getuid() == 0:
            shutil.chown(where, "postgres", "postgres")
        data = where / "data"
        made = subprocess.run([*as_postgres(), binaries() / "initdb", "-D", data, "-U", "postgres", "-A", "trust",
                               "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
                              cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode != 0:
            raise SystemExit("initdb failed:\n" + made.stdout.decode())
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        log = open(where / "log", "wb")
        server = subprocess.Popen([*as_postgres(), binaries() / "postgres", "-D", data, "-k", where, *options],
                                  cwd=where, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(600):
            if subprocess.run([binaries() / "pg_isready", "-q", "-h", where]).returncode == 0:
                break
            if server.poll() is not None:
                raise SystemExit("postgres ended at once:\n" + (where / "log").read_text())
            time.sleep(0.05)
        else:
            raise SystemExit("postgres is not ready:\n" + (where / "log").read_text())
        print(where, flush=True)
        sys.stdin.buffer.read()
    finally:
        if server and server.poll() is None:
            server.send_signal(signal.SIGQUIT)
            server.wait()
        shutil.rmtree(where, ignore_errors=True)


class Failed(Exception):
    """PostgreSQL refused a statement; the text is its first error."""


class Connection:
    """A psql that is asked one thing after the other."""
    END = "=== end ==="

    def __init__(self, where: str):
        self.process = subprocess.Popen(
            [binaries() / "psql", "-X", "-q", "-A", "-t", "-h", where, "-U", "postgres", "-d", "postgres",
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
        binaries()
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True)
        self.where = self.process.stdout.readline().decode().strip()
        if not self.where:
            raise SystemExit("PostgreSQL did not start, see above")

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
