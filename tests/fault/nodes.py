"""Nodes of clusters as processes of their own, for tests that start, stop and damage single ones."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: E402

DEADLINE_SECONDS = 40


class Node:
    def __init__(self, nodes: "Nodes", name: str):
        self.nodes, self.name = nodes, name
        self.data, self.log = nodes.dir / name, nodes.dir / f"{name}.log"
        self.ports = {k: free_port() for k in ("http", "kafka", "peers")}
        self.process = None

    def address(self, what: str) -> str:
        return f"127.0.0.1:{self.ports[what]}"

    def start(self, *options: str, join=(), weir: str = None, name: str = None) -> "Node":
        """Does not wait for anything."""
        arguments = [weir or self.nodes.weir, "node", "--data-dir", str(self.data), "--name", name or self.name]
        for what in self.ports:
            arguments += [f"--{what}", self.address(what)]
        for other in join:
            arguments += ["--join", other.address("peers")]
        self.mark = len(self.said(all_of_it=True))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*arguments, *options], stdout=log, stderr=log)
        return self

    def said(self, all_of_it: bool = False) -> str:
        """Since it was started last."""
        text = self.log.read_text() if self.log.exists() else ""
        return text if all_of_it else text[self.mark:]

    def ready(self) -> "Node":
        self.nodes.until(f"{self.name} is ready", lambda: "ready kafka=" in self.said(),
                         lambda: self.process.poll() is not None)
        return self

    def ends(self, code: int) -> str:
        """It ends by itself with this exit code; what it said."""
        found = self.process.wait(DEADLINE_SECONDS)
        assert found == code, f"{self.name} ended with {found} instead of {code}: {self.said()}"
        return self.said()

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(DEADLINE_SECONDS)


class Nodes:
    def __init__(self, weir: str):
        self.weir = weir
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-nodes-"))
        self.all = {}

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_) -> None:
        for n in self.all.values():
            n.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __getitem__(self, name: str) -> Node:
        return self.all.setdefault(name, Node(self, name))

    def logs(self) -> str:
        return "".join(f"\n{n.log}:\n{n.said(all_of_it=True)}" for n in self.all.values())

    def until(self, what: str, condition, in_vain=lambda: False, tell=lambda: "", seconds: float = DEADLINE_SECONDS):
        """What the condition gives, when that is true; `tell()` is told when it never is."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline or in_vain():
                raise SystemExit(f"in vain: {what} {tell()}{self.logs()}")
            time.sleep(0.05)
        return found

    def run(self, node: str, *arguments: str, stdin: str = None) -> subprocess.CompletedProcess:
        env = dict(os.environ, WEIR_CLUSTER=self[node].address("http"))
        return subprocess.run([self.weir, *arguments], input=stdin, capture_output=True, text=True, timeout=60,
                              env=env, check=False)

    def call(self, node: str, *arguments: str, stdin: str = None) -> str:
        done = self.run(node, *arguments, stdin=stdin)
        if done.returncode != 0:
            raise SystemExit(f"weir {' '.join(arguments)} exited with {done.returncode}: {done.stderr}{self.logs()}")
        return done.stdout

    def status(self, node: str) -> dict:
        return json.loads(self.call(node, "cluster", "status", "-o", "json"))

    def alive(self, node: str) -> list:
        return sorted(n["id"] for n in self.status(node)["nodes"] if n["alive"])

    def votes(self, node: str) -> int:
        return sum(n["votes"] for n in self.status(node)["nodes"])

    def three(self, *names: str) -> None:
        """A cluster of three in which all vote."""
        first, *others = [self[n] for n in names]
        first.start().ready()
        for n in others:
            n.start(join=[first])
        for n in others:
            n.ready()
        self.until("three vote", lambda: self.votes(names[0]) == 3)
