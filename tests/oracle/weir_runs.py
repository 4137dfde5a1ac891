"""Scripts for Weir and their runs: many queries in one process, plainly, as changes, or over kills."""
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time

from rows import Rows, consolidate, parse
from scalars import PAIR

SINK_TYPES = {"int": "int", "bigint": "bigint", "text": "text", "ts": "timestamp", "date": "date",
              "num": "numeric(38, 12)", "dbl": "double precision", "bool": "boolean", "ints": "int[]", "texts": "text[]", "pair": "pair"}
RUN_S_MAX = 120  # a run takes a fraction of a second, and longer on a machine with other work


class Query:
    def __init__(self, name: str, text: str, kinds: list, taken=None):
        self.name, self.text, self.kinds, self.taken = name, text, kinds, taken


class Way:
    """How a script is run; drawn from a seed, and printed with a failure."""

    def __init__(self, r: random.Random, kills: bool):
        self.parallelism = r.randrange(1, 4)
        self.files = r.randrange(1, 4)
        self.rate = r.choice([0, 0, 40, 200])
        self.final = r.random() < 0.4
        self.memory_batches = r.randrange(2)
        self.kills = [(r.uniform(0.1, 0.6), r.randrange(1, 4)) for _ in range(r.randrange(1, 3))] if kills else []

    def __str__(self):
        over = "".join(f", killed after {s:.2f} s and continued with -p {p}" for s, p in self.kills)
        return (f"-p {self.parallelism}{' --final' if self.final else ''}, {self.files} files a table, "
                f"rate {self.rate or 'unlimited'}{over}")


class Wrong(Exception):
    """A run did not give rows: the command failed."""


def script(tables: list, views: list, queries: list, way: Way) -> str:
    """All but the last query go into file sinks; the last one is a bare SELECT unless runs are killed."""
    rate = way.rate
    lines = []
    for t in tables:
        if way.rate or way.kills:  # the run takes 0.7 s, and more where fewer tasks read than share the rate
            rate = max(20 if way.kills else way.rate, t.records() * 1.3)
        lines.append(t.weir(f", rate = {rate:g}" if rate else "").rstrip("\n"))
    lines += [f"CREATE VIEW {v.name} AS {v.text};" for v in views]
    for i, q in enumerate(queries):
        where = f"connector = 'file', path = 'out/{q.name}', format = 'csv', emit = 'final'"
        if i == len(queries) - 1 and not way.kills:
            lines.append(f"{q.text};")
        elif i % 2 == 0:
            lines.append(f"CREATE TABLE {q.name} WITH ({where}) AS {q.text};")
        else:
            columns = ", ".join(f"c{n} {SINK_TYPES[k]}" for n, k in enumerate(q.kinds))
            lines.append(f"CREATE TABLE {q.name} ({columns}) WITH ({where}); INSERT INTO {q.name} {q.text};")
    return with_types("\n".join(lines) + "\n")


def with_types(text: str) -> str:
    """A script with the type that it names, in the line of its first table: errors are found again by their line."""
    return f"{PAIR}; {text}" if "pair" in text else text


class Folder:
    """A folder in which one script runs."""

    def __init__(self, weir: str):
        self.weir = weir
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="weir-oracle-"))

    def write(self, tables: list, text: str, files: int) -> None:
        for old in (*self.path.glob("*.csv"), *self.path.glob("*.json")):
            old.unlink()
        shutil.rmtree(self.path / "out", ignore_errors=True)
        shutil.rmtree(self.path / "state", ignore_errors=True)
        for t in tables:
            t.write(self.path, files)
        (self.path / "job.sql").write_text(text)

    def refused(self) -> dict:
        """Lines of the script that Weir refuses: line to message."""
        done = subprocess.run([self.weir, "lint", "job.sql"], cwd=self.path, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        out = {}
        for m in re.finditer(r"^job\.sql:(\d+):\d+: error: (.*)$", done.stderr.decode() + done.stdout.decode(), re.M):
            out.setdefault(int(m[1]), m[2])
        if done.returncode not in (0, 2) or (done.returncode == 2) != bool(out):
            raise Wrong(f"weir lint exited with {done.returncode}: {done.stderr.decode()[-3000:]}")
        return out

    def run_over(self, options: list, parallelism: int, kills: list) -> str:
        """Runs the script to its end, over kills: (after how many seconds, with which parallelism it goes on). What the
        last run prints."""
        command = [self.weir, "run", "job.sql", "--quiet", *options]
        for seconds, following in kills:
            process = subprocess.Popen([*command, "-p", str(parallelism)], cwd=self.path, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            parallelism = following
        try:
            done = subprocess.run([*command, "-p", str(parallelism)], cwd=self.path, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=RUN_S_MAX)
        except subprocess.TimeoutExpired as e:
            raise Wrong(f"weir run did not end within {RUN_S_MAX} s: {(e.stderr or b'').decode()[-3000:]}")
        if done.returncode != 0:
            raise Wrong(f"weir run exited with {done.returncode}: {done.stderr.decode()[-3000:]}")
        return done.stdout.decode()

    def run(self, way: Way, queries: list) -> list:
        """What each query gives, as Rows."""
        options = ["-o", "csv"]
        if way.kills:
            options += ["--data-dir", "state", "--snapshot-interval", "100ms"]
        elif way.final:
            options.append("--final")
        text = self.run_over(options, way.parallelism, way.kills)
        results = []
        for i, q in enumerate(queries):
            if i == len(queries) - 1 and not way.kills:
                head, _, rows = text.partition("\n")
                changes = head.startswith("op,")
                results.append(consolidate(rows, q.kinds) if changes else parse(rows, q.kinds))
            else:
                parts = sorted((self.path / "out" / q.name).glob("*.csv"))
                results.append(sum((parse(p.read_text(), q.kinds) for p in parts), Rows()))
        return results

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
