#!/usr/bin/env python3
"""Sinks of changes: what debezium_json and upsert_json parts add up to must be PostgreSQL's answer.

Usage: sinks_test.py WEIR [--scripts N] [--seed N] [--jobs N] [--scripts-of SEED...]

Each script has six random queries over random tables, some of which change. Every query goes into a debezium_json sink
without a key, into one with a PRIMARY KEY, and into an upsert_json sink: with a key the query's rows are counted, by all its
columns. Parts are read as docs/sql.md says, by epoch. Half of the scripts are killed with -9 and go on at another
parallelism. Also the form of changes is looked at: an envelope's op is what before and after say, and with a
PRIMARY KEY an update keeps its key, what comes is not there yet, and what goes or changes is what stands.
"""
import pathlib
import random
import sys

from choices import Choices
from grammar import FEATURES, Grammar
from parts import apply_changes, apply_upserts, as_json, by_epoch, row_of
from postgres import Failed
from rows import Rows, difference, parse
from scripts import arguments, run_scripts
from tables import random_tables
from weir_runs import SINK_TYPES, Folder, Query, Wrong, with_types

QUERIES_A_SCRIPT = 6
RESULT_MAX = 1500


class Script:
    def __init__(self, db, weir: str, seed: int):
        self.db, self.folder, self.seed = db, Folder(weir), seed
        self.r = r = random.Random(seed)
        self.tables = random_tables(r, 40)
        self.parallelism = r.randrange(1, 4)
        self.kills = [(r.uniform(0.2, 0.6), r.randrange(1, 4)) for _ in range(2)] if seed % 2 else []
        self.compared, self.text = 0, ""

    def close(self) -> None:
        self.folder.close()

    def prepare(self) -> list:
        """(query, PostgreSQL's rows)"""
        s = f"k{self.seed}"
        self.db.run(f"SET statement_timeout = 2000; DROP SCHEMA IF EXISTS {s} CASCADE; CREATE SCHEMA {s}; SET search_path = {s}, public;\n" + "".join(t.postgres() for t in self.tables))
        out = []
        for _ in range(60):
            g = Grammar(Choices(self.r.random()), [t.relation() for t in self.tables], FEATURES)
            q = Query(f"q{len(out)}", *g.statement())
            try:
                answer = self.db.query(q.text)
            except Failed:
                continue
            if answer.count("\n") > RESULT_MAX:
                continue
            self.folder.write(self.tables, self.script([q]), 2)
            if not self.folder.refused():
                out.append((q, as_json(parse(answer, q.kinds), q.kinds)))
            if len(out) == QUERIES_A_SCRIPT:
                break
        return out

    def script(self, queries: list) -> str:
        lines = []
        for t in self.tables:
            rate = max(20, t.records() * 1.3)
            lines.append(t.weir(f", rate = {rate:.0f}" if self.kills else "").rstrip("\n"))
        for q in queries:
            columns = ", ".join(f"c{n} {SINK_TYPES[k]}" for n, k in enumerate(q.kinds))
            names = ", ".join(f"c{n}" for n in range(len(q.kinds)))
            lines.append(f"CREATE TABLE d_{q.name} ({columns}) WITH (connector = 'file', path = 'out/d_{q.name}', format = 'debezium_json'); "
                         f"INSERT INTO d_{q.name} {q.text};")
            for name, form in (("k", "debezium_json"), ("u", "upsert_json")):
                lines.append(f"CREATE TABLE {name}_{q.name} ({columns}, n bigint, PRIMARY KEY ({names})) WITH (connector = 'file', "
                             f"path = 'out/{name}_{q.name}', format = '{form}'); INSERT INTO {name}_{q.name} "
                             f"SELECT {names}, count(*) FROM ({q.text}) AS counted GROUP BY {names};")
        return with_types("\n".join(lines) + "\n")

    def compare(self, q: Query, want: Rows) -> list:
        """(sink, what is wrong with it)"""
        out, names, wrong = self.folder.path / "out", [f"c{n}" for n in range(len(q.kinds))], []
        standing = Rows()
        for epoch, envelopes in by_epoch(out / f"d_{q.name}").items():
            apply_changes(standing, envelopes, names, q.kinds)
            odd = next((o for o in envelopes if o["op"] != ("c" if o["before"] is None else "d" if o["after"] is None else "u")), None)
            if odd:
                wrong.append(("debezium_json", f"epoch {epoch}: {odd}"))
        wrong.append(("debezium_json", difference(standing, want)))
        counted, keyed = Rows(), {}
        for epoch, envelopes in by_epoch(out / f"k_{q.name}").items():
            for o in envelopes:
                before, after = ((row_of(names, q.kinds, o[side]), int(o[side]["n"])) if o[side] else None for side in ("before", "after"))
                key = (before or after)[0]
                # NULLs are no keys in PostgreSQL and keys like others here.
                if keyed.get(key) != (before and before[1]) or (before and after and after[0] != key):
                    wrong.append(("debezium_json with a key", f"epoch {epoch}: {o} where {keyed.get(key)} rows stand"))
                    break
                keyed[key] = after and after[1]
        counted.update({k: n for k, n in keyed.items() if n})
        wrong.append(("debezium_json with a key", difference(counted, want)))
        stands = {}
        for records in by_epoch(out / f"u_{q.name}").values():
            apply_upserts(stands, records)
        counted = Rows()
        for v in stands.values():
            counted[row_of(names, q.kinds, v)] += int(v["n"])
        wrong.append(("upsert_json", difference(counted, want)))
        self.compared += 3
        return [(sink, what) for sink, what in wrong if what]

    def run(self) -> str:
        asked = self.prepare()
        if not asked:
            return ""
        self.text = self.script([q for q, _ in asked])
        self.folder.write(self.tables, self.text, 2)
        try:
            self.folder.run_over(["--data-dir", "state", "--snapshot-interval", "100ms"], self.parallelism, self.kills)
            wrong = "".join(f"{sink}: {what}\n{q.text}\n" for q, want in asked for sink, what in self.compare(q, want))
        except Wrong as e:
            wrong = str(e)
        self.db.run(f"DROP SCHEMA k{self.seed} CASCADE")
        over = "".join(f", killed after {s:.2f} s and continued with -p {p}" for s, p in self.kills)
        return f"-p {self.parallelism}{over}: {wrong}{self.text}" if wrong else ""


def main() -> int:
    options = arguments(scripts=30, jobs=4).parse_args()
    weir = str(pathlib.Path(options.weir).resolve())
    total = {"scripts": 0, "killed": 0, "compared": 0, "wrong": 0}

    def report(seed: int, script, wrong: str) -> None:
        total["scripts"] += 1
        total["killed"] += bool(script and script.kills)
        total["compared"] += script.compared if script else 0
        if wrong:
            total["wrong"] += 1
            print(f"script {seed}: {wrong}", flush=True)

    took = run_scripts(options, options.seed * 100000, lambda db, seed: Script(db, weir, seed), report)
    print(f"{total['scripts']} scripts, {total['killed']} of them killed, {total['compared']} results compared in {took:.1f} s, "
          f"{total['wrong']} wrong")
    return 1 if total["wrong"] or not total["compared"] else 0


if __name__ == "__main__":
    sys.exit(main())
