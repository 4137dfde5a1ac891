#!/usr/bin/env python3
"""Exit codes and texts of the verbs. Usage: verbs_test.py WEIR [TEST...]"""
import csv
import io
import json

from weir_cli import COUNT, main


def test_wrong_usage_is_2(c):
    assert "subcommand is required" in c.expect(2).err
    assert "FILE is required" in c.expect(2, "run").err
    assert "--bogus" in c.expect(2, "run", "count.yaml", "--bogus").err
    assert "below 100ms" in c.expect(2, "run", "count.yaml", "--snapshot-interval", "1ms").err
    assert "KEY=VALUE" in c.expect(2, "run", "count.yaml", "--set", "oops").err
    c.expect(2, "run", "count.yaml", "--mode", "twice")
    c.expect(2, "run", "count.yaml", "-p", "0")
    c.expect(2, "frobnicate")


def test_missing_job_file_is_2_and_named(c):
    for verb in ("run", "lint", "plan"):
        done = c.expect(2, verb, "nothing.yaml")
        assert "nothing.yaml" in done.out + done.err


def test_help_and_version_go_to_stdout(c):
    assert "run" in c.expect(0, "--help").out
    assert c.expect(0, "--version").out.startswith("weir ")


def lint(c, text: str) -> str:
    c.write("bad.yaml", text)
    done = c.expect(2, "lint", "bad.yaml")
    run = c.expect(2, "run", "bad.yaml")
    assert run.out == "", "a refused job writes nothing"
    return done.out + done.err


def test_lint_names_place_and_nearest_name(c):
    text = lint(c, COUNT.replace("key: k,", "key: kk,"))
    assert "bad.yaml:8:" in text and "kk" in text and '"k"' in text, text
    text = lint(c, COUNT.replace("from: t,", "from: tt,"))
    assert "bad.yaml:8:" in text and "tt" in text and '"t"' in text, text
    text = lint(c, COUNT.replace("aggregate:", "agregate:"))
    assert "agregate" in text and "aggregate" in text.replace("agregate", ""), text
    text = lint(c, COUNT.replace("v: int", "v: itn"))
    assert "bad.yaml:4:" in text and "itn" in text, text
    text = lint(c, COUNT.replace("format: csv", "format: cvs"))
    assert "cvs" in text and "csv" in text, text
    text = lint(c, COUNT.replace("sum(v)", "sum(k)"))
    assert "bad.yaml:8:" in text and "sum" in text, text
    text = lint(c, COUNT.replace("count(*)", "count(*"))
    assert "bad.yaml:8:" in text, text


def test_lint_reports_every_mistake(c):
    text = lint(c, COUNT.replace("v: int", "v: itn").replace("key: k,", "key: kk,")
                .replace("into: stdout", "into: nowhere"))
    assert "itn" in text and "nowhere" in text, text


def test_lint_survives_odd_files(c):
    for text in ("", "\n", "[]", "name: x", "{{{", "a: &a [*a]", "name: \"\x01\"", "\xff\xfe", "- 1",
                 "tables: 3\nsteps: {}\nsinks: x\n"):
        assert lint(c, text).strip(), repr(text)


def test_lint_of_a_directory(c):
    (c.dir / "folder.yaml").mkdir()
    assert "folder.yaml is a folder, not a job file" in c.expect(2, "run", "folder.yaml").err
    assert ". is a folder, not a job file" in c.expect(2, "run", ".").err
    c.write("job.txt", "")
    assert "its name tells what it is" in c.expect(2, "run", "job.txt").err
    c.expect(2, "lint", ".")


def test_schema_is_json(c):
    schema = json.loads(c.expect(0, "lint", "--schema").out)
    assert {"tables", "steps", "sinks"} <= set(schema["properties"])


def test_plan_is_json(c):
    plan = json.loads(c.expect(0, "plan", "count.yaml", "-o", "json").out)
    assert plan["name"] == "count"
    assert [o["id"] for o in plan["operators"]] == ["source/t", "by_key/partial", "by_key",
                                                    "sink/stdout"]
    assert plan["guarantees"][0]["guarantee"] == "at-least-once"
    assert "hash by k" in c.expect(0, "plan", "count.yaml").out


def test_plan_is_a_graph(c):
    dot = c.expect(0, "plan", "count.yaml", "--dot", "-p", "2").out
    assert dot.startswith('digraph "count" {\n') and dot.endswith("}\n"), dot
    assert 'n0 [label="source/t x2\\l' in dot, dot
    assert 'n1 -> n2 [label="hash by k"];' in dot, dot
    assert "at least once, since t is read again" in dot.replace("\\l", " "), dot
    assert 'n2 -> n3 [label="rebalance, changes", style=dashed];' in dot, dot
    assert c.run("plan", "count.yaml", "--dot", "-o", "json").returncode == 2


def test_state_that_grows_is_named_with_what_would_bound_it(c):
    c.write("follow.yaml", COUNT.replace("header: true", "header: true, follow: true"))
    done = c.expect(0, "lint", "follow.yaml")
    assert "follow.yaml:8:12: warning: the aggregate keeps an entry for each key (k) for ever" in done.err, done.err
    assert "to bound it, group by a window" in done.err and done.err.endswith("follow.yaml: ok\n"), done.err
    assert "grows without bound" in c.expect(0, "plan", "follow.yaml").out
    assert "warning" not in c.expect(0, "lint", "count.yaml").err
    assert "grows" not in c.expect(0, "plan", "count.yaml").out


def test_explain_prints_plans(c):
    table = "CREATE TABLE t (k text, v int) WITH (connector = 'file', path = 'in.csv', format = 'csv', header = true);\n"
    c.write("e.sql", table + "EXPLAIN SELECT k, count(*) FROM t GROUP BY k;\nEXPLAIN (FORMAT json) SELECT v FROM t;")
    for verb in ("run", "plan"):
        text = c.expect(0, verb, "e.sql").out
        assert "hash by k" in text and '"kind": "source"' in text, text
    c.write("in.csv", "k,v\na,1\n")
    c.write("both.sql", table + "EXPLAIN SELECT k FROM t;\nSELECT v FROM t")
    out = c.expect(0, "run", "both.sql").out
    assert out.startswith("job both: ") and out.endswith("\nv\n1\n"), out



def test_bench_of_transports(c):
    """Both ways carry every batch, whatever the machine's speed."""
    rows = list(csv.DictReader(io.StringIO(c.expect(0, "bench", "cluster_transport", "--seconds", "0.05").out)))
    assert len(rows) == 30, rows
    shapes = {tuple(r["metric"].split("_")[:2]) for r in rows}
    assert shapes == {(s, w) for s in ("full", "narrow", "little") for w in ("16", "128")}, shapes
    for r in rows:
        assert r["reference"] == "BASP" and float(r["value"]) > 0 and float(r["reference_value"]) > 0, r


if __name__ == "__main__":
    main(globals())
