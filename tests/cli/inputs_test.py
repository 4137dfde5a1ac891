#!/usr/bin/env python3
"""Inputs as users have them, and stdout as they see it. Usage: inputs_test.py WEIR [TEST...]"""
import gzip
import json
import os
import subprocess

from weir_cli import COUNT, main

PLAIN = "k,v\na,1\nb,2\na,3\n"
TABLE = ["a,2,4", "b,1,2"]


def table(c, *options: str, name: str = "in.csv") -> list:
    lines = c.expect(0, "run", "count.yaml", "--final", "--set", f"IN={name}", *options).out
    head, *rows = lines.splitlines()
    assert head == "k,n,total", head
    return sorted(rows)


def test_changes_and_final(c):
    c.write("in.csv", PLAIN)
    assert table(c) == TABLE
    head, *rows = c.expect(0, "run", "count.yaml", "-p", "1").out.splitlines()
    assert head == "op,k,n,total"
    standing = {}
    for r in rows:
        op, row = r.split(",", 1)
        standing[row] = standing.get(row, 0) + {"+": 1, "-": -1}[op]
    assert sorted(r for r, n in standing.items() if n) == TABLE, rows


def test_json(c):
    c.write("in.csv", PLAIN)
    rows = [json.loads(r) for r in
            c.expect(0, "run", "count.yaml", "--final", "-o", "json").out.splitlines()]
    assert sorted(rows, key=lambda r: r["k"]) == [{"k": "a", "n": 2, "total": 4},
                                                  {"k": "b", "n": 1, "total": 2}], rows
    rows = [json.loads(r) for r in c.expect(0, "run", "count.yaml", "-o", "json").out.splitlines()]
    assert {r["op"] for r in rows} <= {"+", "-"} and len(rows) >= 2


def test_line_ends_and_marks(c):
    for text in (PLAIN[:-1], PLAIN.replace("\n", "\r\n"), "\ufeff" + PLAIN):
        c.write("in.csv", text)
        assert table(c) == TABLE, repr(text)


def test_nothing_to_read(c):
    for text in ("", "k,v\n", "k,v"):
        c.write("in.csv", text)
        assert table(c) == [], repr(text)


def test_compressed_and_globs(c):
    c.write("a.csv.gz", gzip.compress(PLAIN.encode()))
    assert table(c, name="a.csv.gz") == TABLE
    plain = c.write("b.csv", PLAIN)
    subprocess.run(["zstd", "-q", str(plain), "-o", str(c.dir / "c.csv.zst")], check=True)
    assert table(c, name="c.csv.zst") == TABLE
    assert table(c, name="?.csv*") == ["a,6,12", "b,3,6"]


def test_a_cut_gzip_file_fails(c):
    c.write("a.csv.gz", gzip.compress(os.urandom(50_000).hex().encode())[:-2000])
    done = c.expect(1, "run", "count.yaml", "--set", "IN=a.csv.gz")
    assert "a.csv.gz" in done.err


def test_spaces_in_paths(c):
    c.write("my data/the input.csv", PLAIN)
    assert table(c, name="my data/the input.csv") == TABLE


def test_stdin(c):
    c.write("stdin.yaml", COUNT.replace('path: "${IN:-in.csv}", ', "")
            .replace('on_error: "${ON:-}", dead_letter_path: "${DEAD:-}"', "")
            .replace("header: true,\n", "header: true")
            .replace("${CONNECTOR:-file}", "stdin"))
    done = c.expect(0, "run", "stdin.yaml", "--final", stdin=PLAIN.encode())
    assert sorted(done.out.splitlines()[1:]) == TABLE, done.out


def failure(c, name: str) -> str:
    done = c.expect(1, "run", "count.yaml", "--final", "--quiet", "--set", f"IN={name}")
    assert name in done.err and "failed" in done.err, done.err
    return done.err


def test_inputs_that_are_not_there(c):
    assert "no file matches" in failure(c, "missing.csv")
    (c.dir / "folder.csv/inner").mkdir(parents=True)
    assert "folder.csv has folders (inner), whose files are not read" in failure(c, "folder.csv")


def test_wrong_header_and_field_counts(c):
    c.write("head.csv", "kk,v\na,1\n")
    assert 'the header has no column k; did you mean "kk"?' in failure(c, "head.csv")
    c.write("more.csv", "k,v\na,1,3\n")
    assert "more.csv:2: expected 2 fields, found 3" in failure(c, "more.csv")


def test_a_huge_line(c):
    c.write("huge.csv", "k,v\n" + "x" * 20_000_000 + ",1\na,1\n")
    assert "longer than record_size_max (16777216 bytes)" in failure(c, "huge.csv")
    assert table(c, "--set", "ON=skip", name="huge.csv") == ["a,1,1"]
    c.write("big.csv", "k,v\n" + "x" * 3_000_000 + ",1\na,1\n")
    assert [r[-6:] for r in table(c, name="big.csv")] == ["a,1,1", "xx,1,1"]


BAD = "k,v\na,1\nb,x2\nc,3\nd,99999999999\na,4\n"


def test_poison_rows_fail(c):
    c.write("bad.csv", BAD)
    text = failure(c, "bad.csv")
    assert "bad.csv:3: column v: 'x2' is not a valid int" in text, text


def test_poison_rows_are_skipped(c):
    c.write("bad.csv", BAD)
    assert table(c, "--set", "ON=skip", name="bad.csv") == ["a,2,5", "c,1,3"]


def test_poison_rows_become_dead_letters(c):
    c.write("bad.csv", BAD)
    assert table(c, "--set", "ON=dead_letter", "--set", "DEAD=dead",
                 name="bad.csv") == ["a,2,5", "c,1,3"]
    files = [p for p in (c.dir / "dead").rglob("*") if p.is_file()]
    text = "".join(p.read_text() for p in files)
    letters = [json.loads(r) for r in text.splitlines()]
    assert len(letters) == 2, text
    assert "b,x2" in text and "d,99999999999" in text, text
    assert "bad.csv" in text and "x2" in text, text


if __name__ == "__main__":
    main(globals())
