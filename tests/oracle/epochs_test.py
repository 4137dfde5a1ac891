#!/usr/bin/env python3
"""After every epoch the result so far must be PostgreSQL's answer over the rows so far.

Usage: epochs_test.py WEIR [--scripts N] [--seed N] [--jobs N] [--scripts-of SEED...]

Tables are appended to and changed (debezium_json) at random rates while epochs follow each other at a random
interval. Each script writes, beside the answers of its queries, every table that it reads as it came: both are sinks
of changes, whose parts are named after their epoch. So what the tables held in an epoch is known exactly, whatever had
been read by then; PostgreSQL answers over these rows, epoch by epoch. That tables held what had been written up to
some line of their file, and never less than before, is checked too. Two of three scripts are killed with -9 and
go on at another parallelism.
"""
import pathlib
import random
import sys

from choices import Choices
from grammar import FEATURES, Grammar
from parts import apply_changes, as_json, by_epoch
from postgres import Failed
from rows import Rows, difference, parse, plain
from scalars import ITEMS
from scripts import arguments, run_scripts
from tables import random_tables
from weir_runs import SINK_TYPES, Folder, Query, Wrong, with_types

QUERIES_A_SCRIPT = 3
RUN_S = 0.9  # for which rows come


class Script:
    def __init__(self, db, weir: str, seed: int):
        self.db, self.folder, self.seed = db, Folder(weir), seed
        self.r = r = random.Random(seed)
        self.tables = random_tables(r, r.choice([12, 24, 40]))
        self.interval_ms = r.choice([100, 100, 130, 200])  # 100 is the least that it takes
        # When it is killed, and with how many tasks it goes on.
        self.kills = [(r.uniform(0.2, 0.8), r.randrange(1, 4)) for _ in range(r.randrange(1, 3))] if seed % 3 else []
        self.parallelism = r.randrange(1, 4)
        self.epochs = self.compared = 0
        self.text = ""

    def close(self) -> None:
        self.folder.close()

    def prepare(self) -> list:
        """The queries, of which PostgreSQL and Weir take every one."""
        s = f"e{self.seed}"
        self.db.run(f"SET statement_timeout = 2000; DROP SCHEMA IF EXISTS {s} CASCADE; CREATE SCHEMA {s}; SET search_path = {s}, public;\n" + "".join(t.postgres() for t in self.tables))
        queries = []
        for _ in range(60):
            g = Grammar(Choices(self.r.random()), [t.relation() for t in self.tables], FEATURES)
            q = Query(f"q{len(queries)}", *g.statement())
            try:
                if self.db.query(q.text).count("\n") > 1000:
                    continue
            except Failed:
                continue
            self.folder.write(self.tables, self.script([q]), 1)
            if not self.folder.refused():
                queries.append(q)
            if len(queries) == QUERIES_A_SCRIPT:
                break
        return queries

    def script(self, queries: list) -> str:
        r = random.Random(self.seed)
        lines = []
        for t in self.tables:
            rate = max(10, t.records() / RUN_S * r.choice([1, 1, 2, 5]))
            lines.append(t.weir(f", rate = {rate:.0f}").rstrip("\n"))
        for t in self.tables:
            lines.append(f"CREATE TABLE s_{t.name} ({t.definition()}) WITH (connector = 'file', path = 'out/s_{t.name}', "
                         f"format = 'debezium_json'); INSERT INTO s_{t.name} SELECT * FROM {t.name};")
        for q in queries:
            columns = ", ".join(f"c{n} {SINK_TYPES[k]}" for n, k in enumerate(q.kinds))
            lines.append(f"CREATE TABLE {q.name} ({columns}) WITH (connector = 'file', path = 'out/{q.name}', format = 'debezium_json'); "
                         f"INSERT INTO {q.name} {q.text};")
        return with_types("\n".join(lines) + "\n")

    def states(self, t) -> list:
        """What the table holds after each line of its file, as rows of JSON values."""
        kinds = [k for _, k in t.columns]
        out, standing = [Rows()], Rows()
        row_of = lambda row: next(iter(as_json(Rows({tuple(plain(k, v) for k, v in zip(kinds, row)): 1}), kinds)))
        steps = []
        if t.history:
            for turn in range(max(map(len, t.history))):
                steps += [(h[turn - 1] if turn else None, h[turn]) for h in t.history if turn < len(h)]
        else:
            steps = [(None, row) for row in t.rows]
        for before, after in steps:
            for row, weight in ((before, -1), (after, 1)):
                if row is not None:
                    standing[row_of(row)] += weight
            standing = +standing
            out.append(Rows(standing))
        return out

    def fill(self, t, held: Rows) -> None:
        def literal(kind: str, v) -> str:
            if v is None:
                return "NULL"
            if kind in ITEMS:
                return f"ARRAY(SELECT jsonb_array_elements_text('{quoted(v)}'))::{'int' if kind == 'ints' else 'text'}[]"
            return f"'{quoted(v)}'"
        quoted = lambda v: v.replace("'", "''")
        rows = ["(" + ", ".join(literal(k, v) for v, (_, k) in zip(row, t.columns)) + ")" for row, n in held.items() for _ in range(n)]
        self.db.run(f"DELETE FROM {t.name};" + (f"INSERT INTO {t.name} VALUES {', '.join(rows)}" if rows else ""))

    def compare(self, queries: list) -> str:
        """What is wrong in the first epoch in which something is."""
        out = self.folder.path / "out"
        inputs = [(t, by_epoch(out / f"s_{t.name}"), Rows(), self.states(t)) for t in self.tables]
        outputs = [(q, by_epoch(out / q.name), Rows()) for q in queries]
        at = [0] * len(inputs)
        epochs = sorted({e for _, parts, *_ in (*inputs, *outputs) for e in parts})
        for epoch in epochs:
            where = f"epoch {epoch} of {epochs}"
            for i, (t, parts, held, states) in enumerate(inputs):
                if epoch not in parts:
                    continue
                apply_changes(held, parts[epoch], [n for n, _ in t.columns], [k for _, k in t.columns])
                following = next((k for k in range(at[i], len(states)) if states[k] == held), None)
                if following is None:
                    return f"{where}: {t.name} holds what it held after no line of its file (it was after line {at[i]}): {dict(held)}"
                at[i] = following
                self.fill(t, held)
            if epoch == epochs[0]:
                for t, parts, held, _ in inputs:
                    self.fill(t, held)
            for q, parts, result in outputs:
                apply_changes(result, parts.get(epoch, []), [f"c{n}" for n in range(len(q.kinds))], q.kinds)
                diff = difference(result, as_json(parse(self.db.query(q.text), q.kinds), q.kinds))
                self.compared += 1
                if diff:
                    return f"{where}, rows of each table: {[sum(h.values()) for _, _, h, _ in inputs]}: {diff}\n{q.text}"
        self.epochs += len(epochs)
        for i, (t, _, held, states) in enumerate(inputs):
            if held != states[-1]:
                return f"at the end {t.name} is short of rows: " + difference(held, states[-1])
        return ""

    def run(self) -> str:
        queries = self.prepare()
        if not queries:
            return ""
        self.text = self.script(queries)
        self.folder.write(self.tables, self.text, 1)
        try:
            self.folder.run_over(["--data-dir", "state", "--snapshot-interval", f"{self.interval_ms}ms"], self.parallelism, self.kills)
            wrong = self.compare(queries)
        except (Wrong, Failed) as e:
            wrong = str(e)
        self.db.run(f"DROP SCHEMA e{self.seed} CASCADE")
        kills = "".join(f", killed after {s:.2f} s and continued with -p {p}" for s, p in self.kills)
        return f"-p {self.parallelism}, snapshots every {self.interval_ms} ms{kills}: {wrong}" if wrong else ""

    def files(self) -> str:
        shown = ""
        for p in sorted([*self.folder.path.glob("t?_*.csv"), *self.folder.path.glob("t?_*.json")]):
            shown += f"{p.name}:\n{p.read_text()}"
        return shown


def main() -> int:
    a = arguments(scripts=30, jobs=4)
    a.add_argument("--seconds", type=float, default=1e9, help="begin no script after so long")
    options = a.parse_args()
    weir = str(pathlib.Path(options.weir).resolve())
    total = {"scripts": 0, "killed": 0, "epochs": 0, "compared": 0, "wrong": 0}

    def report(seed: int, script, wrong: str) -> None:
        total["scripts"] += 1
        if script:
            total["killed"] += bool(script.kills)
            total["epochs"] += script.epochs
            total["compared"] += script.compared
        if wrong:
            total["wrong"] += 1
            print(f"script {seed}: {wrong}\n{script.text if script else ''}{script.files() if script else ''}", flush=True)

    took = run_scripts(options, options.seed * 100000, lambda db, seed: Script(db, weir, seed), report, options.seconds)
    print(f"{total['scripts']} scripts, {total['killed']} of them killed, {total['epochs']} epochs, {total['compared']} answers compared in "
          f"{took:.1f} s, {total['wrong']} wrong")
    return 1 if total["wrong"] or not total["compared"] else 0


if __name__ == "__main__":
    sys.exit(main())
