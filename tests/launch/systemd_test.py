#!/usr/bin/env python3
"""hosts.sh and the unit file on a host that systemd has booted: a container of this machine's own files (an overlay that is thrown
away) in a network namespace, reached by ssh. A node is installed, configured, started; works under the unit's
restrictions; comes back after kill -9; is restarted and stopped cleanly.

Usage: systemd_test.py WEIR
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import ssh_hosts
from ssh_hosts import net

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parents[1] / "cluster/launch/hosts.sh"
HOSTS = {"laptop": "10.0.0.10", "n1": "10.0.0.11"}
BOOT_SECONDS = 90
JOB = """name: numbers
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1, end: 1000}}
  out: {with: {connector: file, path: "/var/lib/weir/out", format: csv}}
steps:
  - {name: sums, from: numbers, aggregate: {c: count(*), total: sum(n)}, emit: final}
sinks:
  - {from: sums, into: out}
"""
# Arguments: folder, then the command. The mounts are this process's own and go with it.
ROOT_OF_CONTAINER = """set -eu
folder=$1; shift
mount -t tmpfs none "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay none -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
if [ -n "${FILES:-}" ]; then cp -r "$FILES/." "$folder/root/"; fi
exec "$@"
"""
SSHD_UNIT = """[Unit]
Description=sshd of the test
[Service]
RuntimeDirectory=sshd
ExecStart=/usr/sbin/sshd -D -e -f /etc/weir-test/sshd_config
"""
TARGET_UNIT = """[Unit]
Requires=basic.target weir-test-sshd.service
After=basic.target weir-test-sshd.service
AllowIsolate=yes
"""


class Host:
    def __init__(self, weir: str):
        self.weir = weir
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-systemd-"))
        self.network = net.Network(HOSTS)
        self.ssh = ssh_hosts.SshHosts(self.network, [], self.dir)
        self.inventory = self.dir / "hosts"
        self.inventory.write_text("n1 root@10.0.0.11 memory=256MiB rack=a\n")
        self.booted = None

    def nspawn(self, *arguments: str) -> list:
        (self.dir / "container").mkdir(exist_ok=True)
        return ["unshare", "--mount", "bash", "-c", ROOT_OF_CONTAINER, "root", str(self.dir / "container"),
                "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe",
                f"--machine=weir-test-{os.getpid()}", f"--directory={self.dir}/container/root",
                f"--network-namespace-path={self.network.paths['n1']}", *arguments]

    def boot(self) -> None:
        etc = self.dir / "files/etc"
        units = etc / "systemd/system"
        units.mkdir(parents=True)
        test = etc / "weir-test"
        test.mkdir()
        (units / "weir-test-sshd.service").write_text(SSHD_UNIT)
        (units / "weir-test.target").write_text(TARGET_UNIT)
        for name in ("host_key", "user_key.pub"):
            shutil.copy(self.dir / name, test / name)
        (test / "host_key").chmod(0o600)
        config = (self.dir / "sshd_config").read_text().replace(str(self.dir), "/etc/weir-test")
        (test / "sshd_config").write_text(re.sub("SetEnv.*\n", "SetEnv HOME=/root SHLVL=2\n", config))
        self.log = open(self.dir / "boot.log", "wb")
        self.booted = subprocess.Popen(self.nspawn("--boot", "systemd.unit=weir-test.target"),
                                       stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                       env={**os.environ, "FILES": str(self.dir / "files")})
        deadline = time.monotonic() + BOOT_SECONDS
        while self.on_host("true", code=None) != 0:
            assert self.booted.poll() is None and time.monotonic() < deadline, "systemd does not start"
            time.sleep(0.2)

    def on_host(self, command: str, code=0):
        done = self.network.run("laptop", ["ssh", *self.ssh.options.split(), "-o", "ConnectTimeout=2",
                                           "-o", "BatchMode=yes", "root@10.0.0.11", command],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True)
        if code is None:
            return done.returncode
        assert done.returncode == code, f"{command}: {done.returncode}: {done.stdout}"
        return done.stdout

    def hosts(self, *arguments: str, code: int = 0) -> str:
        done = self.network.run(
            "laptop", ["bash", SCRIPT, "-i", self.inventory, *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=200, text=True,
            env={**os.environ, "WEIR_SSH_OPTIONS": self.ssh.options})
        assert done.returncode == code, f"{arguments} exited with {done.returncode}: {done.stdout}"
        return done.stdout

    def weir_call(self, *arguments: str) -> str:
        done = self.network.run("laptop", [self.weir, *arguments, "--cluster", "10.0.0.11:8080"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def main_pid(self) -> int:
        return int(self.on_host("systemctl show -p MainPID --value weir").strip())

    def close(self) -> None:
        self.network.close()
        if self.booted:
            try:
                self.booted.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.booted.kill()
                self.booted.wait()
            self.log.close()
        # What the container leaves in this process's control groups.
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            mount = controllers.removeprefix("name=") or "unified"
            for name in ("payload", "supervisor"):
                group = pathlib.Path(f"/sys/fs/cgroup/{mount}{path}/{name}")
                for folder, _, _ in os.walk(group, topdown=False):
                    with contextlib.suppress(OSError):  # another container's, which is in use
                        os.rmdir(folder)
        shutil.rmtree(self.dir, ignore_errors=True)


def check(h: Host) -> None:
    text = h.hosts("install", h.weir)
    assert text.endswith(" installed (systemd)\n"), text
    assert h.hosts("status", code=1).splitlines()[1].split()[2:4] == ["stopped", "no"]
    h.inventory.write_text("n1 root@10.0.0.11 memory=256MiB rock=a\n")
    assert 'did you mean "rack"?' in h.hosts("configure", code=1)
    h.inventory.write_text("n1 root@10.0.0.11 memory=256MiB rack=a\n")
    assert h.hosts("configure") == "n1: configured (/etc/weir/weir.yaml)\n"
    assert h.hosts("start") == "n1: ready\n"
    assert h.hosts("status").splitlines()[1].split()[2:4] == ["running", "yes"]
    assert h.on_host("systemctl is-enabled weir").strip() == "enabled"
    print("install, configure, start: ok", flush=True)

    # It runs as its user, in its folder, and its work is none that the unit forbids.
    pid = h.main_pid()
    assert h.on_host(f"stat -c %U /proc/{pid} /var/lib/weir /var/lib/weir/streams").split() == ["weir"] * 3
    assert re.search(r"^CapEff:\s0+$", h.on_host(f"cat /proc/{pid}/status"), re.M)
    assert re.search(r"^Seccomp:\s2$", h.on_host(f"cat /proc/{pid}/status"), re.M)
    h.weir_call("topic", "create", "t", "--partitions", "3")
    (h.dir / "job.yaml").write_text(JOB)
    h.weir_call("topic", "produce", "t", str(h.dir / "job.yaml"))
    job = json.loads(h.weir_call("job", "submit", str(h.dir / "job.yaml"), "-o", "json"))["id"]
    deadline = time.monotonic() + 60
    while (state := json.loads(h.weir_call("job", "describe", job, "-o", "json")))["state"] != "finished":
        assert state["state"] in ("starting", "running") and time.monotonic() < deadline, state
        time.sleep(0.2)
    assert h.on_host("cat /var/lib/weir/out/*.csv") == "1000,500500\n"
    records = h.weir_call("topic", "consume", "t", "-o", "json").count("\n")
    assert records == JOB.count("\n"), records
    print("topics and jobs under the unit: ok", flush=True)

    # What is killed comes back by itself, with its records.
    h.on_host(f"kill -9 {pid}")
    h.hosts("start")
    again = h.main_pid()
    assert again not in (0, pid)
    assert h.weir_call("topic", "consume", "t", "-o", "json").count("\n") == records
    assert h.hosts("rolling-restart") == "n1: restarted\n"
    assert h.main_pid() not in (0, pid, again)
    print("kill -9, rolling restart: ok", flush=True)

    assert h.hosts("stop") == "n1: stopped\n"
    assert h.on_host("systemctl show -p Result --value weir").strip() == "success"
    assert h.on_host("systemctl is-active weir", code=3).strip() == "inactive"
    h.on_host("test -e /var/lib/weir/node.json", code=1)  # a clean stop takes it away
    # A node that cannot start: the script says so, and where to look.
    h.inventory.write_text("n1 root@10.0.0.11 kafka=10.0.0.99:9092\n")
    h.hosts("configure")
    text = h.hosts("--wait", "3", "start", code=1)
    assert "not ready after 3 s" in text and "journalctl -u weir" in text, text
    assert "cannot listen on 10.0.0.99:9092" in h.on_host("journalctl -u weir -n 20")
    print("stop, a node that cannot start: ok", flush=True)


def main() -> None:
    net.skip_unless_permitted()
    ssh_hosts.skip_without_ssh()
    if not shutil.which("systemd-nspawn"):
        print("skipped: systemd-nspawn is not installed (systemd-container)")
        sys.exit(net.SKIPPED)
    h = Host(str(pathlib.Path(sys.argv[1]).resolve()))
    try:
        probe = subprocess.run(h.nspawn("--as-pid2", "true"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        if probe.returncode != 0:
            print(f"skipped: containers cannot be made here: {probe.stdout.strip()}")
            sys.exit(net.SKIPPED)
        began = time.monotonic()
        h.boot()
        print(f"systemd: up in {time.monotonic() - began:.1f} s", flush=True)
        check(h)
    except AssertionError:
        if (h.dir / "boot.log").exists():
            print((h.dir / "boot.log").read_text(errors="replace")[-4000:])
        if h.booted and h.on_host("true", code=None) == 0:
            print(h.on_host("journalctl -u weir -n 30 --no-pager; systemctl status weir --no-pager | head -30; true"))
        raise
    finally:
        h.close()


if __name__ == "__main__":
    main()
