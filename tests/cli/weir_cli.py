"""What the tests of the command line share: a folder of its own, running weir, expectations."""
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

COUNT = """name: count
tables:
  t:
    columns: {k: text, v: int}
    with: {connector: "${CONNECTOR:-file}", path: "${IN:-in.csv}", format: csv, header: true,
           on_error: "${ON:-}", dead_letter_path: "${DEAD:-}"}
steps:
  - {name: by_key, from: t, key: k, aggregate: {n: count(*), total: sum(v)}}
sinks:
  - {from: by_key, into: stdout}
"""

# Endless for a test's purposes unless END says otherwise; its sums tell lost and repeated rows.
SEQUENCE = """name: numbers
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1, end: "${END:-1000000000}",
                                         rate: "${RATE:-}"}}
  out: {with: {connector: file, path: "${OUT:-out}", format: csv}}
steps:
  - {name: sums, from: numbers, key: {g: "n % ${KEYS:-10}"},
     aggregate: {c: count(*), total: sum(n)}, emit: final}
sinks:
  - {from: sums, into: out}
"""


class Case:
    """One test's folder, with the two jobs in it."""

    def __init__(self, weir: str):
        self.weir = str(pathlib.Path(weir).resolve())
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-cli-"))
        self.running = []
        self.write("count.yaml", COUNT)
        self.write("numbers.yaml", SEQUENCE)

    def write(self, name: str, content) -> pathlib.Path:
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, *arguments: str, stdin: bytes = b"", timeout: float = 60):
        done = subprocess.run([self.weir, *arguments], cwd=self.dir, input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        done.out, done.err = done.stdout.decode(), done.stderr.decode(errors="replace")
        return done

    def expect(self, code: int, *arguments: str, stdin: bytes = b""):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == code, (
            f"weir {' '.join(arguments)} exited with {done.returncode}, expected {code}:\n"
            f"{done.out[-2000:]}{done.err[-2000:]}")
        return done

    def start(self, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen([self.weir, *arguments], cwd=self.dir,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.running.append(process)
        return process

    def epochs(self, data: str) -> list:
        done = self.run("snapshot", "ls", data, "-o", "csv")
        return sorted({int(r.split(",")[1]) for r in done.out.splitlines()[1:]})

    def wait_for_epoch(self, data: str, number: int = 1) -> None:
        for _ in range(300):
            if (self.dir / data / "snapshots").exists():
                epochs = self.epochs(data)
                if epochs and epochs[-1] >= number:
                    return
            time.sleep(0.05)
        raise AssertionError(f"no epoch {number} in {data}")

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()
        shutil.rmtree(self.dir, ignore_errors=True)


def sums(end: int, keys: int = 10) -> list:
    """What the numbers job writes for 1..end, sorted."""
    rows = []
    for g in range(keys):
        n = range(g or keys, end + 1, keys)
        rows.append(f"{g},{len(n)},{sum(n)}")
    return sorted(rows)


def published(folder: pathlib.Path) -> list:
    return sorted(r for part in folder.glob("*.csv") for r in part.read_text().splitlines())


def main(tests: dict) -> None:
    """Runs every function whose name begins with test_, each in a folder of its own."""
    failed = 0
    for name, test in [t for t in tests.items() if t[0].startswith("test_")]:
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        case = Case(sys.argv[1])
        began = time.time()
        try:
            test(case)
            print(f"ok   {name} ({time.time() - began:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
        finally:
            case.close()
    sys.exit(1 if failed else 0)
