#!/usr/bin/env python3
"""Operator libraries go with their job: the submitter's files are gone when the job runs, on three
nodes; two builds of one library run side by side; a node dies and its tasks go elsewhere, one joins
and gets some; every row counts once. Libraries that no job uses are removed, and what is wrong with
one is said before anything runs.

Usage: job_libraries_test.py WEIR LIBRARY-ONE LIBRARY-TWO LIBRARY-OF-ANOTHER-VERSION
"""
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster_test import Cluster  # noqa: E402

ROWS = 240_000
JOB = """name: ${NAME}
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1, end: "${ROWS}", rate: "${RATE:-}"}}
  out: {with: {connector: file, path: "${OUT}", format: csv}}
steps:
  - {name: grouped, from: numbers, select: [g: n % 10, n]}
  - {name: tagged, from: grouped, key: g, operator: {library: "${LIBRARY}", class: tagger}}
  - {name: sums, from: tagged, key: [g, tag],
     aggregate: {c: count(*), total: sum(n), firsts: sum(first)}, emit: final}
sinks:
  - {from: sums, into: out}
"""
PLAIN = """name: plain
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1, end: 10}}
  nothing: {with: {connector: blackhole}}
sinks:
  - {from: numbers, into: nothing}
"""


def expected(tag: str) -> list:
    return sorted(f"{g},{tag},{ROWS // 10},{sum(range(g or 10, ROWS + 1, 10))},1" for g in range(10))


def rows(folder: pathlib.Path) -> list:
    return sorted(r for part in folder.glob("*.csv") for r in part.read_text().splitlines())


def expect(what: str, found, wanted) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


class Libraries:
    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.folder = cluster.dir / "job"
        self.folder.mkdir()
        (self.folder / "tags.yaml").write_text(JOB)
        (self.folder / "plain.yaml").write_text(PLAIN)

    def submit(self, name: str, library: str, rate: int, *options: str) -> str:
        """As users do who build, submit, and build anew: the library is gone when this returns."""
        shutil.copy(library, self.folder / "tagger.so")
        try:
            return json.loads(self.cluster.call(
                "job", "submit", str(self.folder / "tags.yaml"), "--set", f"NAME={name}", "--set",
                "LIBRARY=tagger", "--set", f"OUT={self.cluster.dir / name}", "--set", f"ROWS={ROWS}",
                "--set", f"RATE={rate}", "--snapshot-interval", "200ms", "-o", "json",
                *options))["id"]
        finally:
            (self.folder / "tagger.so").unlink()

    def finish(self, job: str, name: str, library: str, tag: str) -> None:
        """It goes on from a savepoint as fast as it can: what the rows so far took may be any time."""
        self.cluster.call("job", "stop", job, "--savepoint")
        again = self.submit(f"{name}-again", library, 10_000_000, "-p", "2", "--from-savepoint", job)
        self.cluster.wait(again)
        expect(f"rows of {name}", rows(self.cluster.dir / f"{name}-again"), expected(tag))
        expect(f"what {name} published before it was stopped", rows(self.cluster.dir / name), [])

    def refused(self, library: pathlib.Path) -> str:
        done = subprocess.run(
            [self.cluster.weir, "job", "submit", str(self.folder / "tags.yaml"), "--set", "NAME=wrong",
             "--set", f"LIBRARY={library}", "--set", "OUT=out", "--set", "ROWS=1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=self.cluster.environment())
        expect(f"exit code of submit with {library}: {done.stderr.decode()}", done.returncode, 2)
        return done.stderr.decode()

    def kept(self, node: str) -> dict:
        """Names of the node's files, and whether they have the content that they are named by."""
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() == p.name
                for p in (self.cluster.data / node / "files").iterdir()}

    def names(self, node: str) -> set:
        """Of the node's files, which may be removed at the moment."""
        return set(os.listdir(self.cluster.data / node / "files"))


def ask(cluster: Cluster, method: str, path: str, body: bytes = b""):
    q = urllib.request.Request(f"http://{cluster.nodes[cluster.asked]['http']}{path}", data=body or None,
                               method=method)
    try:
        with urllib.request.urlopen(q, timeout=60) as r:
            return r.status, json.loads(r.read())
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


def check_errors(cluster: Cluster, libraries: Libraries, good: str, other_version: str) -> None:
    missing = libraries.refused(cluster.dir / "nowhere.so")
    if "nowhere.so" not in missing or "was not found" not in missing:
        raise SystemExit(f"a library that is not there: {missing}")
    text = cluster.dir / "text.so"
    text.write_text("not a library")
    if "cannot load operator library" not in libraries.refused(text):
        raise SystemExit("a text is no library")
    old = libraries.refused(pathlib.Path(other_version))
    if "of the operator interface, this weir has version" not in old or "rebuild it" not in old:
        raise SystemExit(f"a library of another version: {old}")
    large = cluster.dir / "large.so"
    shutil.copy(good, large)
    os.truncate(large, (256 << 20) + 1)
    said = libraries.refused(large)
    if "has 268435457 bytes; a cluster takes at most 268435456: strip it" not in said:
        raise SystemExit(f"a library that is too large: {said}")
    large.unlink()
    content = b"x" * 1000
    right, wrong = hashlib.sha256(content).hexdigest(), "0" * 64
    code, answer = ask(cluster, "POST", f"/libraries/{wrong}?size=1000&offset=0", content)
    expect("another hash", (code, f"has the hash {right}, not {wrong}" in answer["error"]), (400, True))
    code, answer = ask(cluster, "POST", f"/libraries/{right}?size=1000&offset=500", content[500:])
    expect("a part is missing", (code, answer["error"]),
           (400, "a part of the file is missing: begin again"))
    expect("what was refused is not there", ask(cluster, "GET", f"/libraries/{right}")[0], 404)
    expect("not a hash", ask(cluster, "GET", "/libraries/..%2Fpasswd")[0], 400)


def brought_at_once(cluster: Cluster) -> None:
    """Two clients bring the same library, each in its own steps."""
    content = os.urandom(3000)
    name = hashlib.sha256(content).hexdigest()

    def part(begin: int, end: int):
        return ask(cluster, "POST", f"/libraries/{name}?size=3000&offset={begin}", content[begin:end])

    steps = [part(0, 1000), part(0, 500), part(1000, 2000), part(500, 1500), part(2000, 3000),
             part(1500, 3000)]
    expect("answers", steps, [(200, {})] * 4 + [(200, {"hash": name})] * 2)
    expect("it is there", ask(cluster, "GET", f"/libraries/{name}"), (200, {"hash": name}))


def waits_for_its_library(cluster: Cluster, libraries: Libraries, library: str) -> None:
    """No node that is up has it when tasks are to start: the job waits, as it does for state."""
    job = libraries.submit("waits", library, 3_000, "-p", "3")
    cluster.more_epochs(job, 2)
    name = hashlib.sha256(pathlib.Path(library).read_bytes()).hexdigest()
    for file in cluster.data.glob(f"n*/files/{name}"):
        file.unlink()
    described = cluster.describe(job)
    master = described["master"]
    cluster.kill(next(t["node"] for t in described["tasks"] if t["node"] not in (None, master)))
    cluster.until("the job waits", lambda: "cannot be had" in (cluster.describe(job)["waits_for"] or ""))
    # Longer than a job that fails is restarted.
    time.sleep(5)
    expect("the job", cluster.describe(job)["state"], "starting")
    folder = cluster.data / master / "files"
    shutil.copy(library, folder / name)
    cluster.more_epochs(job, 1)
    libraries.finish(job, "waits", library, "first build")


def main() -> None:
    weir, one, two, other_version = sys.argv[1:5]
    cluster = Cluster(weir)
    try:
        cluster.up()
        libraries = Libraries(cluster)
        check_errors(cluster, libraries, one, other_version)
        brought_at_once(cluster)
        hashes = {hashlib.sha256(pathlib.Path(p).read_bytes()).hexdigest() for p in (one, two)}
        expect("two builds", len(hashes), 2)

        first = libraries.submit("one", one, 3_000, "-p", "6")
        second = libraries.submit("two", two, 3_000, "-p", "3")
        for job in (first, second):
            cluster.until("tasks on all nodes", lambda: {"n1", "n2", "n3"} <= {
                t["node"] for t in cluster.describe(job)["tasks"]})
            cluster.more_epochs(job, 2)
        for node in cluster.nodes:
            kept = libraries.kept(node)
            expect(f"libraries of {node}", (hashes <= set(kept), set(kept.values())), (True, {True}))
            expect("the folder is closed to others",
                   stat.S_IMODE((cluster.data / node / "files").stat().st_mode), 0o700)

        master = cluster.describe(first)["master"]
        dead = next(n for n in cluster.nodes if n != master)
        cluster.kill(dead)
        cluster.until("the loss is noticed", lambda: dead not in cluster.alive())
        for job in (first, second):
            cluster.more_epochs(job, 1)
            cluster.until("its tasks are elsewhere", lambda: dead not in {
                t["node"] for t in cluster.describe(job)["tasks"]})
        # It has nothing of what the others have, and a fourth one has not either.
        shutil.rmtree(cluster.data / dead / "files")
        answer = cluster.call("cluster", "up", "-n", "4", "--data-dir", str(cluster.data), "-o", "json")
        cluster.nodes = {n["id"]: n for n in json.loads(answer)["nodes"]}
        cluster.until("tasks on the node that joined", lambda: "n4" in {
            t["node"] for t in cluster.describe(first)["tasks"]})
        for job in (first, second):
            cluster.more_epochs(job, 1)
        libraries.finish(first, "one", one, "first build")
        libraries.finish(second, "two", two, "second build")

        # They are old enough to be removed, and no job that runs uses them.
        for file in cluster.data.glob("n*/files/*"):
            os.utime(file, (time.time() - 3600, time.time() - 3600))
        cluster.wait(json.loads(cluster.call("job", "submit", str(libraries.folder / "plain.yaml"),
                                             "-o", "json"))["id"])
        for node in cluster.nodes:
            cluster.until(f"libraries of {node} are removed",
                          lambda: not hashes & libraries.names(node))
        # Brought again when it is needed again.
        again = libraries.submit("again", one, 10_000_000)
        cluster.wait(again)
        expect("rows of again", rows(cluster.dir / "again"), expected("first build"))
        waits_for_its_library(cluster, libraries, one)
        cluster.call("cluster", "down", "--data-dir", str(cluster.data))
        print("libraries: ok")
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
