#!/usr/bin/env python3
"""cluster/launch/hosts.sh over real sshd on three hosts in network namespaces: install, configure, start, status,
rolling-restart, stop, and what it says when something is wrong.

Usage: hosts_test.py WEIR
"""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "fault"))
import net  # noqa: E402
from ssh_hosts import SshHosts, skip_without_ssh  # noqa: E402

SCRIPT = HERE.parents[1] / "cluster/launch/hosts.sh"
HOSTS = ["n1", "n2", "n3"]


class Hosts:
    def __init__(self, weir: str):
        self.weir = str(pathlib.Path(weir).resolve())
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-hosts-"))
        self.network = net.Network([*HOSTS, "admin"])
        self.ssh = SshHosts(self.network, HOSTS, self.dir)
        self.inventory = self.dir / "hosts"
        self.write_inventory()
        subprocess.run(["bash", str(SCRIPT.parent / "certificates.sh"), str(self.dir / "known"), *HOSTS], check=True)
        self.ssh.await_all("admin")

    def write_inventory(self, extra: str = "", of_n2: str = "") -> None:
        a = self.network.address
        lines = ["# three hosts of one machine: folders of their own", "manager=process memory=256MiB",
                 "broker_config.log.retention.hours=24", "certificates=known", extra]
        for host in HOSTS:
            lines.append(f"{host} root@{a(host)} prefix={self.dir}/{host} rack=r{host[1]} "
                         + (of_n2 if host == "n2" else ""))
        self.inventory.write_text("\n".join(lines) + "\n")

    def call(self, *arguments: str, code: int = 0) -> str:
        done = self.network.run(
            "admin", ["bash", str(SCRIPT), "-i", str(self.inventory), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
            env={**os.environ, "WEIR_SSH_OPTIONS": self.ssh.options + " -o ConnectTimeout=2"})
        text = done.stdout.decode()
        assert done.returncode == code, f"{arguments} exited with {done.returncode}:\n{text}"
        return text

    def status(self, code: int = 0) -> list:
        """[name, state, ready] of each host."""
        rows = [line.split() for line in self.call("status", code=code).splitlines()]
        assert rows[0] == ["NAME", "ADDRESS", "STATE", "READY", "VERSION"], rows
        # Among them what ssh says of a host that it does not reach.
        return [(r[0], r[2], r[3]) for r in rows[1:] if r[0] in HOSTS]

    def get(self, host: str, path: str):
        with self.network.inside("admin"):
            with urllib.request.urlopen(f"http://{self.network.address(host)}:8080{path}",
                                        timeout=10) as answer:
                return json.load(answer)

    def pid(self, host: str) -> int:
        return int((self.dir / host / "pid").read_text())

    def close(self) -> None:
        self.network.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def check_install(h: Hosts) -> None:
    text = h.call("--only", "n2", "configure", code=1)
    assert text.startswith("n2: no ") and text.endswith(": install first\n"), text
    text = h.call("install", h.weir)
    version = subprocess.run([h.weir, "--version"], stdout=subprocess.PIPE,
                             check=True).stdout.decode().strip()
    assert text == "".join(f"{host}: {version} installed (process)\n" for host in HOSTS), text
    assert h.status(code=1) == [(host, "stopped", "no") for host in HOSTS]
    assert not list(h.ssh.home.iterdir())


def check_configure(h: Hosts) -> None:
    h.write_inventory(extra="memry=1GiB")
    text = h.call("configure", code=1)
    assert 'there is no setting "memry"; did you mean "memory"?' in text, text
    assert not (h.dir / "n1/weir.yaml").exists(), "what is refused is not put in place"
    h.write_inventory(extra="certificates=unknown")
    text = h.call("configure", code=1)
    assert text.endswith(f"n1: cannot read {h.dir}/unknown/n1.pem: certificates.sh makes it\n"), text
    h.write_inventory()
    h.call("configure")
    assert {p.name: p.stat().st_mode & 0o777 for p in (h.dir / "n2").glob("*.*")} == {
        "weir.yaml": 0o644, "node.pem": 0o600, "node.key": 0o600, "authority.pem": 0o600}
    shown = json.loads(subprocess.run(
        [h.weir, "node", "--config", h.dir / "n2/weir.yaml", "--print-config", "-o", "json"],
        stdout=subprocess.PIPE, check=True).stdout)
    settings = {s["name"]: s["value"] for s in shown if s["origin"].startswith("file ")}
    a = h.network.address
    join = f"{a('n1')}:9094,{a('n3')}:9094"
    assert settings == {
        "name": "n2", "rack": "r2", "data_dir": "data", "memory": "256MiB", "join": join,
        "peers_certificate": "node.pem", "peers_key": "node.key", "peers_authority": "authority.pem",
        "peers": f"{a('n2')}:9094", "kafka": f"{a('n2')}:9092", "http": f"{a('n2')}:8080",
        "actors_port": 9095, "rows_port": 9096,
        "broker_config.log.retention.hours": 24}, settings


def check_listening(h: Hosts) -> None:
    """A host that is reached by a name, or by an address of a machine that passes on, listens on all of its own."""
    def settings(of_n2: str) -> dict:
        h.write_inventory(of_n2=of_n2)
        h.call("--only", "n2", "configure")
        shown = json.loads(subprocess.run(
            [h.weir, "node", "--config", h.dir / "n2/weir.yaml", "--print-config", "-o", "json"],
            stdout=subprocess.PIPE, check=True).stdout)
        return {s["name"]: s["value"] for s in shown if "advertised" in s["name"] or s["name"] in (
            "peers", "kafka", "http")}

    own = h.network.address("n2")
    anywhere = {"peers": "0.0.0.0:9094", "kafka": "0.0.0.0:9092", "http": "0.0.0.0:8080"}
    for told in ("n2.example", "203.0.113.7"):
        found = settings(f"address={told}")
        assert found == {**anywhere, "advertised_peers": f"{told}:9094", "advertised": f"{told}:9092"}, found
    found = settings(f"address=203.0.113.7 listen={own}")
    assert found == {"peers": f"{own}:9094", "kafka": f"{own}:9092", "http": f"{own}:8080",
                     "advertised_peers": "203.0.113.7:9094", "advertised": "203.0.113.7:9092"}, found
    found = settings("address=n2.example kafka=0.0.0.0:19092 advertised=n2.example:19092")
    assert (found["kafka"], found["advertised"]) == ("0.0.0.0:19092", "n2.example:19092"), found
    # It runs and is asked so, too: another address of the host than the one that is told.
    h.write_inventory(of_n2="listen=0.0.0.0")
    h.call("configure")


def check_start(h: Hosts) -> None:
    text = h.call("start")
    assert text == "".join(f"{host}: ready\n" for host in HOSTS), text
    assert h.status() == [(host, "running", "yes") for host in HOSTS]
    nodes = h.get("n3", "/cluster")["nodes"]
    assert sorted((n["id"], n["alive"]) for n in nodes) == [(host, True) for host in HOSTS], nodes
    before = [h.pid(host) for host in HOSTS]
    h.call("start")
    assert [h.pid(host) for host in HOSTS] == before, "what runs is left alone"
    # The folders are where the inventory says, and the node is the one of its namespace.
    for host in HOSTS:
        assert (h.dir / host / "data").is_dir() and h.pid(host) in h.network.processes(host)


def check_rolling_restart(h: Hosts) -> None:
    before = {host: h.pid(host) for host in HOSTS}
    # A node is down: no other one may be stopped.
    os.kill(before["n3"], 9)
    text = h.call("--only", "n2", "rolling-restart", code=1)
    assert "n3 is not ready: nothing was restarted" in text, text
    assert h.pid("n2") == before["n2"] and net.running(before["n2"])
    assert h.status(code=1)[2] == ("n3", "stopped", "no")
    h.call("start")
    before["n3"] = h.pid("n3")

    text = h.call("rolling-restart")
    assert text == "".join(f"{host}: restarted\n" for host in HOSTS), text
    assert h.status() == [(host, "running", "yes") for host in HOSTS]
    changed = [host for host in HOSTS if h.pid(host) != before[host]]
    assert changed == HOSTS, changed


def check_under_replicated(h: Hosts) -> None:
    """What a rolling restart waits for, of any form of GET /cluster that has the numbers."""
    answers = {'{"nodes": []}': "unknown", '{"under_replicated": 0}': "0",
               '{"nodes": [{"id": "n1", "under_replicated_partitions": 2}, '
               '{"under_replicated_partitions":3, "port": 7}]}': "5"}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = h.answer if self.path == "/cluster" else "ready"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with h.network.inside("admin"):
        server = http.server.ThreadingHTTPServer((h.network.address("admin"), 8080), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for h.answer, expected in answers.items():
        done = h.network.run(
            "admin", ["bash", SCRIPT.with_name("host.sh"), "lacking", "n1", "weir", "process",
                      f"{h.network.address('admin')}:8080"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
            env={**os.environ, "HOME": str(h.ssh.home)})
        assert (done.returncode, done.stdout) == (0, expected + "\n"), (h.answer, done.stdout)
    server.shutdown()
    server.server_close()
    shutil.rmtree(h.ssh.home / "weir", ignore_errors=True)


def check_a_node_that_cannot_start(h: Hosts) -> None:
    h.call("--only", "n2", "stop")
    h.write_inventory(of_n2=f"kafka={h.network.address('n1')}:9092")  # an address of another host
    h.call("--only", "n2", "configure")
    text = h.call("--only", "n2", "--wait", "20", "start", code=1)
    assert "n2: the node has ended" in text and "cannot" in text, text
    h.write_inventory()
    h.call("--only", "n2", "configure")
    h.call("--only", "n2", "start")


def check_a_host_that_is_cut_off(h: Hosts) -> None:
    h.network.cut("admin", "n3")
    rows = h.status(code=1)
    assert rows == [("n1", "running", "yes"), ("n2", "running", "yes"), ("n3", "unreachable", "no")], rows
    h.network.heal()


def check_stop(h: Hosts) -> None:
    pids = [h.pid(host) for host in HOSTS]
    text = h.call("stop")
    assert text == "".join(f"{host}: stopped\n" for host in HOSTS), text
    assert not [p for p in pids if net.running(p)]
    assert h.status(code=1) == [(host, "stopped", "no") for host in HOSTS]
    assert "stopped" in h.call("stop"), "stopping what is stopped is no error"


def check_usage(h: Hosts) -> None:
    assert "rolling-restart" in h.call(code=2)
    assert "rolling-restart" in h.call("frobnicate", code=2)
    assert "has no host n9" in h.call("--only", "n9", "status", code=1)
    for text, complaint in (("n1\n", ":1: expected NAME SSH_TARGET"),
                            ("a=b\nn1 h1\nn1 h2\n", ":3: there are two hosts n1"),
                            ("n1 h1 oops\n", ":1: 'oops' is not KEY=VALUE"),
                            ("n/1 h1\n", ":1: 'n/1' is no name"),
                            ("# none\n", "names no host")):
        h.inventory.write_text(text)
        found = h.call("status", code=1)
        assert complaint in found, found
    h.write_inventory()


def main() -> None:
    net.skip_unless_permitted()
    skip_without_ssh()
    h = Hosts(sys.argv[1])
    try:
        for check in (check_under_replicated, check_usage, check_install, check_configure,
                      check_listening, check_start, check_rolling_restart,
                      check_a_node_that_cannot_start, check_a_host_that_is_cut_off, check_stop):
            began = time.monotonic()
            check(h)
            print(f"{check.__name__}: ok ({time.monotonic() - began:.1f} s)", flush=True)
    except BaseException:
        for log in [h.ssh.log, *sorted(h.dir.glob("n?/log"))]:
            if log.exists():
                print(f"{log}:\n{log.read_text()[-3000:]}")
        raise
    finally:
        h.close()


if __name__ == "__main__":
    main()
