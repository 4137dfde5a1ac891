#!/usr/bin/env python3
"""Runs every command of docs/operations.md, in order, in one shell, on a machine in a network namespace beside three hosts
with sshd; compares what it says that is printed, and its table of settings with the binary.

In the document: ```sh blocks are run; after <!-- not run: REASON --> a block's syntax is checked only; <!-- file: NAME --> puts the next
block into a file; <!-- prints --> says that the next block is what the one before printed.

Usage: operations_test.py WEIR
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import ssh_hosts
from ssh_hosts import net

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/operations.md"
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
HOSTS = {"laptop": "10.0.0.10", "n1": "10.0.0.11", "n2": "10.0.0.12", "n3": "10.0.0.13"}
SHELL_SECONDS = 240


class Block:
    def __init__(self, match: re.Match, text: str):
        self.kind, self.text, self.mark = match["kind"], match["text"], match["mark"] or ""
        self.line = text.count("\n", 0, match.start("kind")) + 1

    def skip_reason(self) -> str:
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run") else ""


def script_of(blocks: list, folder: pathlib.Path) -> str:
    """One shell script; each block's output goes to a file of its own, and is shown."""
    parts = ["set -euo pipefail; export TERM=dumb"]
    for number, b in enumerate(blocks):
        if b.mark.startswith("file: "):
            (folder / f"file{number}").write_text(b.text)
            parts.append(f"cp {folder}/file{number} {b.mark.removeprefix('file: ')}")
        elif b.kind == "sh" and not b.skip_reason():
            parts.append(f"echo '-- line {b.line}' >&2\n{{\n{b.text}}} >{folder}/out{number}")
    return "\n".join(parts) + "\n"


def check_syntax(blocks: list) -> None:
    for b in blocks:
        if b.mark.startswith("not run"):
            assert len(b.skip_reason()) > 10, f"line {b.line}: not run without a reason"
        if b.kind == "sh":
            done = subprocess.run(["bash", "-n"], input=b.text, text=True, stderr=subprocess.PIPE, check=False)
            assert done.returncode == 0 and not done.stderr, f"line {b.line}: {done.stderr}"


def check_settings(weir: str, text: str) -> None:
    """The table names every setting, with its flag, variable and default, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| `(\S+)` \| `(\S+)` \| ([^|]*)\|", text.split("<!-- settings -->")[1], re.M)
    documented = {name: (flag, variable, default.strip().strip("`").replace("needed", ""))
                  for name, flag, variable, default in rows}
    shown = json.loads(subprocess.run(
        [weir, "node", "--print-config", "-o", "json", "--broker-config", "log.retention.hours=1"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
        env={"PATH": os.environ["PATH"]}).stdout)
    usage = subprocess.run([weir, "node", "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    expected = {}
    for s in shown:
        name = s["name"].split(".")[0]
        default = "" if name == "broker_config" else str(s["value"])
        expected[name] = ("--" + name.replace("_", "-"), "WEIR_NODE_" + name.upper(), default)
        assert re.search(rf"^ +{expected[name][0]}[ ,]", usage, re.M), f"{expected[name][0]} is no flag"
    assert documented == expected, f"documented {documented}\nthe binary has {expected}"


def run(weir: str, blocks: list) -> None:
    dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-operations-"))
    network = net.Network(HOSTS)
    try:
        hosts = ssh_hosts.SshHosts(network, ["n1", "n2", "n3"], dir)
        # /srv/weir of each host: they share this machine's files, so their folders are kept apart by what starts sshd.
        tools, desk = dir / "tools", dir / "desk"
        tools.mkdir()
        desk.mkdir()
        (tools / "weir").symlink_to(weir)
        (tools / "hosts.sh").write_text(
            f'#!/bin/bash\nsed -E "s|prefix=/srv/weir||; s|^(n[0-9]) .*|& prefix={dir}/\\1|" "$2" >{dir}/inventory\n'
            f'args=("$@"); args[1]={dir}/inventory\n'
            '[ "${args[-1]}" = install ] && args+=("$(command -v weir)")\n'
            f'exec bash {ROOT}/cluster/launch/hosts.sh "${{args[@]}}"\n')
        (tools / "hosts.sh").chmod(0o755)
        (tools / "certificates.sh").symlink_to(ROOT / "cluster/launch/certificates.sh")
        hosts.await_all("laptop")
        script = dir / "script.sh"
        script.write_text(script_of(blocks, dir))
        done = network.run(
            "laptop", ["bash", script], cwd=desk, timeout=SHELL_SECONDS, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "WEIR_SSH_OPTIONS": hosts.options})
        assert done.returncode == 0, done.stdout[-6000:] + "".join(
            f"\n{p}:\n{p.read_text()[-2000:]}" for p in sorted(dir.glob("n?/log")))
        for number, b in enumerate(blocks):
            if b.mark == "prints":
                printed = (dir / f"out{number - 1}").read_text()
                # What curl says while it waits for a node is not of interest.
                lines = [line.rstrip() for line in printed.splitlines() if line not in ("", "ok", "ready")]
                assert lines == b.text.splitlines(), f"line {b.line}: printed\n{printed}"
        left = network.processes("laptop")
        assert not left, f"the commands leave processes running: {left}"
    finally:
        network.close()
        shutil.rmtree(dir, ignore_errors=True)


def main() -> None:
    weir = str(pathlib.Path(sys.argv[1]).resolve())
    text = DOCUMENT.read_text()
    blocks = [Block(m, text) for m in BLOCK.finditer(text)]
    assert text.count("```") == 2 * len(blocks), "a block of another form"
    check_syntax(blocks)
    check_settings(weir, text)
    net.skip_unless_permitted()
    ssh_hosts.skip_without_ssh()
    run(weir, blocks)
    for b in blocks:
        if b.skip_reason():
            print(f"line {b.line}: not run: {b.skip_reason()}")
    print(f"{sum(b.kind == 'sh' for b in blocks)} blocks of commands")


if __name__ == "__main__":
    main()
