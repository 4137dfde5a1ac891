#!/usr/bin/env python3
"""TLS between the nodes of a cluster, with certificates as cluster/launch/certificates.sh makes them: three nodes
replicate a topic and run a job, one is killed with kill -9 and comes back; whoever has no certificate of the
cluster's authority gets nothing: neither a node without TLS, nor one of another authority, nor a client that
connects to a node's listeners; and nothing passes between nodes that a reader of the wire could read.

Usage: peers_tls_test.py WEIR
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "golden"))
from ports import free_port  # noqa: E402
from weir_jobs import JOBS, check  # noqa: E402

DEADLINE_SECONDS = 60
RECORDS = 2_000
SECRET = "a-word-that-nobody-else-says"


class Node:
    def __init__(self, weir: str, folder: pathlib.Path, name: str, certificates, join):
        self.data, self.log, self.name = folder / name, folder / f"{name}.log", name
        self.peers = f"127.0.0.1:{free_port()}"
        self.command = [weir, "node", "--data-dir", str(self.data), "--name", name, "--peers", self.peers]
        if certificates:
            self.command += ["--peers-certificate", str(certificates / f"{name}.pem"),
                             "--peers-key", str(certificates / f"{name}.key"),
                             "--peers-authority", str(certificates / "authority.pem")]
        for other in join:
            self.command += ["--join", other.peers]
        self.process = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT)

    def ready(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended: {self.log.read_text()}")
        return "ready kafka=" in self.log.read_text()

    @property
    def about(self) -> dict:
        return json.loads((self.data / "node.json").read_text())

    def end(self, how=signal.SIGKILL) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)


def until(what: str, condition, logs=()) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"in vain: {what}" + "".join(f"\n{p}:\n{p.read_text()}" for p in logs))
        time.sleep(0.05)


def call(weir: str, node: Node, *arguments: str, stdin: str = None) -> str:
    env = dict(os.environ, WEIR_CLUSTER=node.about["http"])
    done = subprocess.run([weir, *arguments], input=stdin, capture_output=True, text=True, timeout=60, env=env)
    if done.returncode != 0:
        raise SystemExit(f"weir {' '.join(arguments)} exited with {done.returncode}: {done.stderr}")
    return done.stdout


def certificates(folder: pathlib.Path, *names: str) -> pathlib.Path:
    subprocess.run(["bash", str(ROOT / "cluster" / "launch" / "certificates.sh"), str(folder), *names], check=True)
    return folder


def alive(weir: str, node: Node) -> list:
    return sorted(n["id"] for n in json.loads(call(weir, node, "cluster", "status", "-o", "json"))["nodes"]
                  if n["alive"])


def endpoints(node: Node) -> list:
    """Where the node's process listens for TCP."""
    inodes = set()
    for fd in pathlib.Path(f"/proc/{node.process.pid}/fd").iterdir():
        try:
            target = os.readlink(fd)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = []
    for line in pathlib.Path(f"/proc/{node.process.pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            ports.append(int(fields[1].split(":")[1], 16))
    return ports


def refused_in_the_clear(port: int) -> bool:
    """Neither an answer to a request of the Kafka protocol nor CAF's greeting."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(bytes.fromhex("0000000b0012000000000001000161"))  # ApiVersions v0
        s.settimeout(10)
        try:
            got = s.recv(4096)
        except (ConnectionResetError, socket.timeout):
            return True
        return got == b"" or got[:1] == b"\x15"  # an alert of TLS


def refused_without_certificate(port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw, \
                context.wrap_socket(raw) as s:
            s.sendall(bytes.fromhex("0000000b0012000000000001000161"))
            return s.recv(4096) == b""
    except (ssl.SSLError, ConnectionResetError):
        return True


def clients_ports(node: Node) -> set:
    return {int(node.about[k].rsplit(":")[-1]) for k in ("http", "kafka")}


def main() -> None:
    weir = sys.argv[1]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-tls-"))
    nodes, strangers = [], []
    try:
        ours = certificates(folder / "ours", "n1", "n2", "n3")
        theirs = certificates(folder / "theirs", "n4")
        for name in ("n1", "n2", "n3"):
            nodes.append(Node(weir, folder, name, ours, nodes[:1]))
            nodes[-1].start()
            until(f"{name} is ready", nodes[-1].ready, [nodes[-1].log])
        logs = [n.log for n in nodes]
        first, second, third = nodes

        # Metadata, replicas.
        assert alive(weir, second) == ["n1", "n2", "n3"]
        call(weir, first, "topic", "create", "told", "--partitions", "3", "--replication", "3", "--set",
             "min.insync.replicas=2")
        said = [f"{SECRET} {i}" for i in range(RECORDS)]
        call(weir, first, "topic", "produce", "told", stdin="".join(s + "\n" for s in said[:RECORDS // 2]))

        # Actors: a job over all nodes.
        out = folder / "out"
        job = json.loads(call(weir, first, "job", "submit", str(JOBS / "carriers.yaml"), "--set", f"OUT={out}",
                              "-p", "6", "-o", "json"))["id"]
        described = {}

        def finished() -> bool:
            nonlocal described
            described = json.loads(call(weir, first, "job", "describe", job, "-o", "json"))
            if described["state"] in ("failed", "stopped"):
                raise SystemExit(f"the job is {described['state']}: {described['error']}")
            return described["state"] == "finished"

        until("the job ends", finished, logs)
        check("carriers", out, "three nodes with TLS")
        assert {t["node"] for t in described["tasks"]} == {"n1", "n2", "n3"}, described

        # One dies and comes back.
        third.end()
        until("the loss is noticed", lambda: alive(weir, first) == ["n1", "n2"], logs)
        call(weir, first, "topic", "produce", "told", stdin="".join(s + "\n" for s in said[RECORDS // 2:]))
        third.log.write_text("")
        third.start()
        until("n3 is back", third.ready, logs)
        until("n3 has all", lambda: all(
            sorted(p["in_sync"]) == sorted(p["replicas"]) for p in
            json.loads(call(weir, third, "topic", "describe", "told", "-o", "json"))["partitions"]), logs)
        got = call(weir, third, "topic", "consume", "told", "-o", "raw").splitlines()
        assert sorted(got) == sorted(said), (len(got), len(said))

        # Listeners for nodes take certificates of the authority, and nothing else.
        for node in nodes:
            ports = set(endpoints(node)) - clients_ports(node)
            assert len(ports) >= 2, ports  # of the metadata and replicas, and of the actors
            for port in ports:
                assert refused_in_the_clear(port), f"{node.name} speaks in the clear at {port}"
                assert refused_without_certificate(port), f"{node.name} takes anybody at {port}"
        strangers = [Node(weir, folder, "n4", None, [first]), Node(weir, folder, "n4", theirs, [first])]
        for number, stranger in enumerate(strangers):
            stranger.data = folder / f"stranger{number}"
            stranger.log = folder / f"stranger{number}.log"
            stranger.command[stranger.command.index("--data-dir") + 1] = str(stranger.data)
            stranger.start()
        for stranger in strangers:
            until("a stranger says why", lambda: "cannot join by" in stranger.log.read_text(), [stranger.log])
        time.sleep(1)
        for stranger in strangers:
            assert not stranger.ready(), stranger.log.read_text()
        assert "TLS: " in strangers[1].log.read_text(), strangers[1].log.read_text()
        assert "does that node take TLS only?" in strangers[0].log.read_text(), strangers[0].log.read_text()
        assert alive(weir, first) == ["n1", "n2", "n3"]

        # A member that comes back without its certificates is told what becomes of its messages.
        third.end(signal.SIGTERM)
        bare = Node(weir, folder, "n3", None, [first, second])
        bare.log = folder / "bare.log"
        strangers.append(bare)
        bare.start()
        until("it says why it cannot register", lambda: "cannot register: " in bare.log.read_text(), [bare.log])
        said = [line for line in bare.log.read_text().splitlines() if "cannot register: " in line][0]
        assert "the last message that was lost: " in said and "does that node take TLS only?" in said, said
        assert not bare.ready(), bare.log.read_text()

        # What cannot work is said at once.
        def refusal(*options: str) -> str:
            done = subprocess.run([weir, "node", "--data-dir", str(folder / "no"), *options], capture_output=True,
                                  text=True, timeout=30)
            assert done.returncode == 2 and ("--print-config" in options or not done.stdout), done
            return done.stderr

        for print_only in ((), ("--print-config",)):
            assert refusal("--peers-key", str(ours / "n1.key"), *print_only) == \
                "weir node: TLS between nodes needs all three: certificate, key and authority\n"
        got = refusal("--peers-certificate", str(ours / "n1.pem"), "--peers-key", str(ours / "n2.key"),
                      "--peers-authority", str(ours / "authority.pem"))
        assert got == f"weir node: cannot use the key {ours}/n2.key: key values mismatch\n", got
        got = refusal("--peers-certificate", str(folder / "none"), "--peers-key", str(ours / "n2.key"),
                      "--peers-authority", str(ours / "authority.pem"))
        assert got == f"weir node: cannot read the certificate {folder}/none: No such file or directory\n", got
        got = refusal("--peers-certificate", str(ours / "n1.pem"), "--peers-key", str(ours / "n1.key"),
                      "--peers-authority", str(theirs / "authority.pem"))
        assert got.startswith(f"weir node: the certificate {ours}/n1.pem is none of the authority {theirs}/"), got
        assert refusal("--name", "") == "weir node: flag --name: name: a node's name has 1 to 1000 bytes\n"
        print("replicated, ran a job, lost a node; strangers were refused")
    finally:
        for node in nodes + strangers:
            node.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
