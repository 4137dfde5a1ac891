#!/usr/bin/env python3
"""Runs every example of documents and compares with what they show.

An ```sql block is a script, the block behind it what comes of it:

    csv, json   standard output, or the files that were written; rows in any order
    final       standard output of `weir run --final`
    ordered     likewise, rows in this order
    error       parts of the messages, one a line, in this order
    warning     likewise of `weir lint`, of a script without errors
    plan        parts of what `weir run -p 2` prints

A script that does not define the table flights gets the document's definition in front, with which
its first example begins.

Usage: document_test.py WEIR SOURCE_DIR DOCUMENT...
"""
import pathlib
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def run(weir: str, folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([weir, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def lines_of(text: str, header: bool) -> list:
    lines = text.splitlines()
    return lines[:1] + sorted(lines[1:]) if header else sorted(lines)


def outcome(weir: str, folder: pathlib.Path, kind: str) -> list:
    options = ["--final"] if kind in ("final", "ordered") else []
    done = run(weir, folder, "run", "job.sql", "--quiet", "-o", "csv", *options)
    if done.returncode:
        return [f"exited with {done.returncode}", done.stderr]
    if done.stdout and kind == "ordered":
        return done.stdout.splitlines()
    if done.stdout:
        return lines_of(done.stdout, header=True)
    parts = [p.read_text() for p in folder.glob("out/**/*.*")]
    return lines_of("".join(parts), header=False)


def check(weir: str, data: pathlib.Path, flights: str, script: str, kind: str, want: str) -> str:
    """What is wrong, or nothing."""
    with tempfile.TemporaryDirectory(prefix="weir-doc-") as name:
        folder = pathlib.Path(name)
        (folder / "data").symlink_to(data)
        if "CREATE TABLE flights" not in script and "flights" in script:
            script = flights + script
        (folder / "job.sql").write_text(script)
        if kind in ("error", "warning", "plan"):
            verb = ["run", "-p", "2"] if kind == "plan" else ["lint"]
            done = run(weir, folder, *verb, "job.sql")
            text = done.stdout if kind == "plan" else done.stderr
            at = 0
            for line in want.splitlines():
                at = text.find(line, at)
                if at < 0:
                    return f"expected {line!r} in:\n{text}"
            return "" if done.returncode == (2 if kind == "error" else 0) else f"exited with {done.returncode}"
        got = outcome(weir, folder, kind)
        header = got == [] or bool(re.match(r"[a-z_]+(,|$)", got[0]))
        expected = want.splitlines() if kind == "ordered" else lines_of(want, header)
        return "" if got == expected else f"expected {expected}\ngot {got}"


def check_document(weir: str, source: pathlib.Path, document: str) -> int:
    blocks = BLOCK.findall((source / document).read_text())
    scripts = [i for i, (kind, _) in enumerate(blocks) if kind == "sql"]
    flights = blocks[scripts[0]][1].split(";")[0] + ";\n"
    failed = 0
    for i in scripts:
        kind, want = blocks[i + 1] if i + 1 < len(blocks) else ("", "")
        if kind not in ("csv", "json", "final", "ordered", "error", "warning", "plan"):
            wrong = "nothing behind it says what comes of it"
        else:
            wrong = check(weir, source / "jobs/examples/flights/data", flights, blocks[i][1], kind, want)
        if wrong:
            failed += 1
            print(f"FAIL\n{blocks[i][1]}{wrong}\n")
    print(f"{document}: {len(scripts)} examples, {failed} failed")
    return failed


def main() -> int:
    weir, source = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]).resolve()
    failed = [check_document(weir, source, document) for document in sys.argv[3:]]
    return 1 if sum(failed) or not failed else 0


if __name__ == "__main__":
    sys.exit(main())
