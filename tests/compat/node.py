"""A `weir up` for the checks, and how they report. Needs only Python's standard library."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

READY_SECONDS = 30
STOP_SECONDS = 30

# What one node of tests wants otherwise than Kafka: groups start at once, sessions may be short.
SETTINGS = {"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "1000"}


class Node:
    """`with Node(weir) as node: node.address`. Its folder goes when it ends."""

    def __init__(self, weir, **settings):
        self.weir = weir
        self.settings = SETTINGS | {name.replace("_", "."): v for name, v in settings.items()}

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-compat-"))
        self.log = open(self.folder / "log", "w+")
        options = [o for s in self.settings.items() for o in ("--broker-config", "=".join(s))]
        self.process = subprocess.Popen(
            [self.weir, "up", "--data-dir", self.folder / "data", "--kafka", "127.0.0.1:0", "--http",
             "127.0.0.1:0", *options], stdout=subprocess.PIPE, stderr=self.log)
        try:
            self.address = self._ready()
        except BaseException:
            self._end()
            raise
        return self

    def _ready(self):
        os.set_blocking(self.process.stdout.fileno(), False)
        text = ""
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            text += (self.process.stdout.read() or b"").decode()
            if text.startswith("ready") and text.endswith("\n"):
                return dict(w.split("=") for w in text.split()[1:])["kafka"]
            time.sleep(0.01)
        raise AssertionError(f"weir up is not ready: {text}{self.said()}")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def _end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        said = self.said()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code, said

    def __exit__(self, failed, *_):
        code, said = self._end()
        if failed:
            print(said[-4000:], file=sys.stderr)
        elif code != 0:
            raise AssertionError(f"weir up ended with {code}: {said}")


def run_checks(checks, client, only=()):
    """Each check gets the client's facts; prints one line each and the closing line."""
    passed = failed = 0
    for check in checks:
        name = check.__name__
        if only and name not in only:
            continue
        begun = time.monotonic()
        try:
            check(client)
        except Exception:  # the next checks are worth their own line
            traceback.print_exc()
            failed += 1
            print(f"FAIL {name}", flush=True)
        else:
            passed += 1
            print(f"ok   {name} ({time.monotonic() - begun:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def wait_for(what, condition, seconds=30):
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"not after {seconds} s: {what}"
        time.sleep(0.05)
