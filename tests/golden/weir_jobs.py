"""What the job tests share: running `weir run`, killing it, reading what its sinks published."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOBS = ROOT / "jobs" / "examples" / "flights"
GOLDEN = ROOT / "tests" / "golden" / "flights"
# Each job's sink folders; the golden file of folder NAME is GOLDEN/NAME.csv (README.md here).
# Jobs are YAML unless their name says otherwise.
SINKS = {"carriers": ["carriers"], "departures": ["departures", "anomalies"],
         "wordcount": ["words"], "carriers.sql": ["carriers"], "departures.sql": ["departures"],
         "wordcount.sql": ["words"], "routes.sql": ["routes"], "turnarounds.sql": ["turnarounds"],
         "weather.sql": ["conditions"],
         "windows.sql": ["hops", "growth", "rotations"]}


def job_file(job: str) -> pathlib.Path:
    return JOBS / (job if job.endswith(".sql") else f"{job}.yaml")


def published(folder: pathlib.Path) -> bytes:
    """The rows a reader's glob finds in a sink folder, sorted as bytes."""
    rows = []
    for part in sorted(folder.glob("*.csv")):
        rows += part.read_bytes().splitlines(keepends=True)
    return b"".join(sorted(rows))


def check(job: str, out: pathlib.Path, what: str) -> None:
    """Fails unless the job's published rows are those of its golden files."""
    for sink in SINKS[job]:
        got, want = published(out / sink), (GOLDEN / f"{sink}.csv").read_bytes()
        if got == want:
            continue
        got_rows, want_rows = got.splitlines(), want.splitlines()
        missing = [r for r in want_rows if r not in set(got_rows)][:5]
        surplus = [r for r in got_rows if r not in set(want_rows)][:5]
        raise SystemExit(f"{job}, {what}: {sink} has {len(got_rows)} rows, expected "
                         f"{len(want_rows)}; missing {missing}, surplus {surplus}")
    leftovers = [p for p in out.rglob("*") if p.is_file() and not p.name.endswith(".csv")]
    if leftovers:
        raise SystemExit(f"{job}, {what}: left behind {leftovers[:5]}")


class Runner:
    """Runs one job in a folder of its own."""

    def __init__(self, weir: str, job: str, seed: int):
        self.weir, self.job = weir, job
        self.random = random.Random(seed)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-test-"))
        self.out = self.dir / "out"
        self.data = self.dir / "data"
        self.env = dict(os.environ)
        libraries = pathlib.Path(weir).resolve().parent / "jobs" / "examples" / "operators"
        self.env["WEIR_OPERATOR_PATH"] = str(libraries)

    def command(self, *options: str, durable: bool = True) -> list:
        line = [self.weir, "run", str(job_file(self.job)), "--set", f"OUT={self.out}"]
        if durable:
            line += ["--data-dir", str(self.data), "--snapshot-interval", "100ms"]
        return line + list(options)

    def run(self, *options: str, durable: bool = True, prefix: tuple = (),
            timeout: float = 240) -> subprocess.CompletedProcess:
        return subprocess.run([*prefix, *self.command(*options, durable=durable)], env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)

    def finish(self, *options: str, durable: bool = True) -> None:
        done = self.run(*options, durable=durable)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(self.command(*options, durable=durable))} exited with "
                             f"{done.returncode}: {done.stderr.decode()}")

    def kill_after(self, seconds: float, *options: str) -> bool:
        """Starts the job and sends SIGKILL; False when the job ended before that."""
        process = subprocess.Popen(self.command(*options), env=self.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(seconds)
        killed = process.poll() is None
        if killed:
            process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
        if not killed and process.returncode != 0:
            raise SystemExit(f"{self.job} failed: {err.decode()}")
        return killed

    def clean(self) -> None:
        shutil.rmtree(self.dir, ignore_errors=True)

    def restart(self) -> None:
        """Forgets everything: an empty folder again."""
        self.clean()
        self.dir.mkdir()
