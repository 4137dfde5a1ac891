"""Hosts of a net.Network that are reached by ssh: a real sshd on each, one key, a home of their own."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import net  # noqa: E402

SSHD = "/usr/sbin/sshd"
START_SECONDS = 20


def skip_without_ssh() -> None:
    for program in (SSHD, "ssh", "ssh-keygen"):
        if not shutil.which(program):
            print(f"skipped: {program} is not installed (openssh-server, openssh-client)")
            sys.exit(net.SKIPPED)


class SshHosts:
    def __init__(self, network: net.Network, hosts: list, folder: pathlib.Path):
        self.network, self.hosts = network, hosts
        self.home, self.log = folder / "home", folder / "sshd.log"
        self.home.mkdir()
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        (folder / "sshd_config").write_text(
            f"HostKey {folder}/host_key\nAuthorizedKeysFile {folder}/user_key.pub\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\n"
            "PermitRootLogin prohibit-password\nMaxStartups 100\n"
            # Nothing of this machine's shell set-up, and nothing left in it.
            f"SetEnv HOME={self.home}\n")
        (folder / "ssh_config").write_text(
            f"IdentityFile {folder}/user_key\nIdentitiesOnly yes\nStrictHostKeyChecking no\n"
            "UserKnownHostsFile /dev/null\nLogLevel ERROR\n")
        self.options = f"-F {folder}/ssh_config"  # of ssh
        os.makedirs("/run/sshd", exist_ok=True)  # sshd wants it, and only init scripts make it
        with open(self.log, "wb") as log:
            for host in hosts:
                network.start(host, [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stdout=log, stderr=log)

    def await_all(self, client: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        for host in self.hosts:
            while True:
                try:
                    with self.network.inside(client):
                        socket.create_connection((self.network.address(host), 22), timeout=1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
