#!/usr/bin/env python3
"""Exit codes and texts of the verbs. Usage: verbs_test.py WEIR [TEST...]"""
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


if __name__ == "__main__":
    main(globals())
