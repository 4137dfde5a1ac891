#!/usr/bin/env python3
"""An operator that throws now and then in a job whose tasks form several pipelines: only the pipeline
that failed restarts, the others go on, and every row is published once.

Usage: region_restart_test.py WEIR LIBRARY
"""
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from weir_cli import Case  # noqa: E402

JOB = """name: pipelines
tables:
  t:
    columns: {k: text, v: int}
    with: {connector: file, path: "in/*.csv", format: csv, header: true, rate: 4000}
  out: {with: {connector: file, path: out, format: csv}}
steps:
  - name: boom
    from: t
    operator: {library: "${LIBRARY}", class: fuse, parameters: {flag: "${FLAG}"}}
sinks:
  - {from: boom, into: out}
"""
FILES, ROWS, FAILURES = 6, 3000, 3
DEADLINE_SECONDS = 60


def published(folder: pathlib.Path) -> list:
    return sorted(row for p in folder.glob("*.csv") for row in p.read_text().splitlines())


def main() -> None:
    c = Case(sys.argv[1])
    library = str(pathlib.Path(sys.argv[2]).resolve())
    flag = c.dir / "flag"
    try:
        c.write("job.yaml", JOB)
        for f in range(FILES):
            c.write(f"in/{f}.csv", "k,v\n" + "".join(f"f{f},{i}\n" for i in range(ROWS)))
        log = (c.dir / "log").open("w")
        job = subprocess.Popen(
            [c.weir, "run", "job.yaml", "-p", "2", "--data-dir", "state", "--snapshot-interval",
             "100ms", "--set", f"LIBRARY={library}", "--set", f"FLAG={flag}"],
            cwd=c.dir, stdout=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + DEADLINE_SECONDS
        for n in range(FAILURES):
            # Before the first epoch the job would start over as a whole.
            seen = len(published(c.dir / "out")) if (c.dir / "out").exists() else 0
            while not ((c.dir / "out").exists() and len(published(c.dir / "out")) > seen):
                assert time.monotonic() < deadline and job.poll() is None, (n, log_text(c))
                time.sleep(0.02)
            flag.touch()
            while flag.exists():
                assert time.monotonic() < deadline and job.poll() is None, (n, log_text(c))
                time.sleep(0.005)
        assert job.wait(timeout=DEADLINE_SECONDS) == 0, log_text(c)
        want = sorted(f"f{f},{i}" for f in range(FILES) for i in range(ROWS))
        got = published(c.dir / "out")
        assert got == want, f"{len(got)} rows instead of {len(want)}"
        alone = re.findall(r"restart \d of 5 of 1 of 2 tasks from epoch [1-9]", log_text(c))
        assert len(alone) == FAILURES, log_text(c)
        print(f"ok   {FAILURES} restarts of one pipeline of two, {len(got)} rows, each once")
    finally:
        c.close()


def log_text(c: Case) -> str:
    return (c.dir / "log").read_text()


if __name__ == "__main__":
    main()
