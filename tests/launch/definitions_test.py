#!/usr/bin/env python3
"""What cannot run on this machine: the unit file, the container image, the compose file and the Kubernetes manifests,
checked by the rules that matter, and by their own linters and schemas where those are; and the settings that they give a node, by
the binary itself.

Usage: definitions_test.py WEIR [TEST...]
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "cluster/launch"
WEIR = ""

JOB = """name: numbers
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1, end: 300000, rate: 200000}}
  out: {with: {connector: file, path: "OUT", format: csv}}
steps:
  - {name: sums, from: numbers, key: {g: "n % 10"}, aggregate: {c: count(*)}, emit: final}
sinks:
  - {from: sums, into: out}
"""


def test_unit_file_is_what_systemd_takes():
    if not shutil.which("systemd-analyze"):
        return "systemd-analyze is not installed"
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder) / "weir.service"
        # It verifies that the program is there; elsewhere it is installed first.
        unit.write_text((LAUNCH / "weir.service").read_text().replace("/usr/local/bin/weir", WEIR))
        verified = subprocess.run(["systemd-analyze", "verify", unit], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
        ours = [line for line in verified.stdout.splitlines() if "weir" in line]
        assert verified.returncode == 0 and not ours, verified.stdout
        rated = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert rated.returncode == 0, rated.stdout[-500:]
    return None


def test_unit_comes_back_unless_its_settings_are_wrong():
    lines = (LAUNCH / "weir.service").read_text().splitlines()
    for line in ("StartLimitIntervalSec=0", "Restart=on-failure", "RestartSec=5", "RestartPreventExitStatus=2"):
        assert line in lines, line
    wrong = subprocess.run([WEIR, "node"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert wrong.returncode == 2, wrong


def filtered_calls(text: str) -> set:
    """The system calls that the unit's filters allow, by systemd's own lists."""
    def members(name: str) -> set:
        listed = subprocess.run(["systemd-analyze", "syscall-filter", name], stdout=subprocess.PIPE,
                                text=True, check=True).stdout.splitlines()[1:]
        names = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
        return {c for n in names for c in (members(n) if n.startswith("@") else [n])}

    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", text, re.M):
        named = {c for group in line.lstrip("~").split() for c in members(group)}
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def test_unit_filters_let_a_node_work():
    """A node that has topics, a job with snapshots and a clean stop makes no call that the unit forbids."""
    if not shutil.which("systemd-analyze") or not shutil.which("strace"):
        return "systemd-analyze or strace is not installed"
    allowed = filtered_calls((LAUNCH / "weir.service").read_text())
    assert "openat" in allowed and "setuid" not in allowed and "reboot" not in allowed
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        traced = subprocess.run(["strace", "-f", "-qq", "-o", folder / "probe", "true"], check=False)
        if traced.returncode != 0:
            return "strace may not trace here"
        job = folder / "job.yaml"
        job.write_text(JOB.replace("OUT", f"{folder}/out"))
        node = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", folder / "trace", WEIR, "node", "--data-dir", folder / "data",
             "--kafka", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        try:
            http = node.stdout.readline().split("http=")[1].strip()
            cluster = ["--cluster", http]
            for arguments in (["topic", "create", "t"], ["topic", "produce", "t", job],
                              ["job", "submit", job], ["topic", "consume", "t"]):
                subprocess.run([WEIR, *arguments, *cluster], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, check=True, timeout=60)
            deadline = time.monotonic() + 60
            while b"finished" not in subprocess.run(
                    [WEIR, "job", "ls", *cluster, "-o", "csv"], stdout=subprocess.PIPE, check=True,
                    timeout=60).stdout:
                assert time.monotonic() < deadline, "the job does not finish"
                time.sleep(0.2)
            # The tracer's child is the node.
            children = pathlib.Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGTERM)
            assert node.wait(timeout=60) == 0
        finally:
            node.kill()
            node.wait()
        used = set(re.findall(r"^\d+ +(\w+)\(", (folder / "trace").read_text(errors="replace"), re.M))
        assert {"pwrite64", "accept4", "fdatasync"} & used, used
        # What systemd has done itself before the filter holds.
        forbidden = used - allowed - {"execve"}
        assert not forbidden, f"the unit's filters forbid {sorted(forbidden)}"
    return None


def instructions() -> list:
    """(stage, instruction, arguments) of the Containerfile."""
    text = re.sub(r"^#.*\n", "", (LAUNCH / "container/Containerfile").read_text(), flags=re.M)
    found, stage = [], -1
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        assert word.isupper(), line
        stage += word == "FROM"
        found.append((stage, word, rest.strip()))
    return found


def image_environment() -> dict:
    words = " ".join(rest for _, word, rest in instructions() if word == "ENV")
    return dict(w.split("=", 1) for w in words.split())


def test_containerfile():
    """The rules of a linter for such files, those that apply."""
    found = instructions()
    last = max(stage for stage, _, _ in found)
    known = {"FROM", "SHELL", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "ENV", "EXPOSE", "STOPSIGNAL",
             "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {word for _, word, _ in found} <= known
    for stage, word, rest in found:
        if word == "FROM":
            assert re.match(r"\w+:\d", rest), f"FROM {rest}: a version is named"
        if word == "COPY" and not rest.startswith("--from="):
            *sources, _ = rest.split()
            for source in sources:
                assert (ROOT / source).exists(), f"COPY {source}: there is none"
        if word in ("ENTRYPOINT", "CMD", "SHELL"):
            assert isinstance(json.loads(rest), list), f"{word} {rest}: the form of a list"
        if word == "RUN" and "apt-get install" in rest:
            assert "apt-get update" in rest and "-y" in rest and "--no-install-recommends" in rest and \
                "rm -rf /var/lib/apt/lists/*" in rest, rest
        if word == "RUN" and "|" in rest.replace("||", ""):
            shells = [r for s, w, r in found if w == "SHELL" and s == stage]
            assert shells and "pipefail" in shells[0], "a pipe's failure counts"
        assert "sudo" not in rest.split() and not rest.startswith("http")
    final = {word: rest for stage, word, rest in found if stage == last}
    assert final["USER"].isdigit() and final["USER"] != "0", "no root, by number, as Kubernetes wants"
    assert final["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(final["ENTRYPOINT"]) == ["/usr/local/bin/weir"] and json.loads(final["CMD"]) == ["node"]
    env = image_environment()
    ports = {env[f"WEIR_NODE_{k}"].rsplit(":", 1)[1] for k in ("PEERS", "KAFKA", "HTTP")}
    ports |= {env["WEIR_NODE_ACTORS_PORT"], env["WEIR_NODE_ROWS_PORT"]}
    assert set(final["EXPOSE"].split()) == ports
    assert final["VOLUME"] == env["WEIR_NODE_DATA_DIR"] == final["WORKDIR"]
    assert (ROOT / ".dockerignore").read_text().split()[:3] == [".git", ".cache", "build"]


def test_health_check_of_the_image():
    """Its command against a node: healthy while it runs, not afterwards."""
    (check,) = [rest for _, word, rest in instructions() if word == "HEALTHCHECK"]
    command = json.loads(check[check.index("CMD") + 4:])
    assert command[:2] == ["/bin/bash", "-c"]
    with tempfile.TemporaryDirectory() as folder:
        node = subprocess.Popen([WEIR, "node", "--data-dir", folder], stdout=subprocess.PIPE, text=True)
        http = node.stdout.readline().split("http=")[1].strip()

        def healthy() -> bool:
            return subprocess.run(command, env={"WEIR_NODE_HTTP": http, "PATH": os.environ["PATH"]},
                                  stderr=subprocess.DEVNULL, timeout=20, check=False).returncode == 0
        try:
            assert healthy()
            node.send_signal(signal.SIGTERM)
            assert node.wait(timeout=30) == 0
            assert not healthy()
        finally:
            node.kill()
            node.wait()


def test_runtime_packages_are_what_the_binary_links():
    release = pathlib.Path("/etc/os-release").read_text()
    if 'VERSION_ID="12"' not in release or not shutil.which("dpkg-query"):
        return "the list is Debian 12's, and this is another system"
    listed = {p for p in (LAUNCH / "runtime-packages.txt").read_text().split("\n")
              if p and not p.startswith("#")}
    dump = subprocess.run(["objdump", "-p", WEIR], stdout=subprocess.PIPE, text=True, check=True).stdout
    paths = dict(re.findall(r"(\S+) => (/\S+)", subprocess.run(
        ["ldd", WEIR], stdout=subprocess.PIPE, text=True, check=True).stdout))
    lacking = {}
    for library in re.findall(r"NEEDED +(\S+)", dump):
        if re.match(r"lib[at]san|libubsan|ld-linux", library):
            continue  # of a sanitizer's build
        real = os.path.realpath(paths[library])
        # Where /lib is /usr/lib packages have either name in their lists.
        owners = subprocess.run(["dpkg-query", "-S", real, real.removeprefix("/usr"), paths[library]],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        packages = {line.split(":")[0] for line in owners.splitlines()}
        if not packages & listed:
            lacking[library] = sorted(packages)
    assert not lacking, f"runtime-packages.txt lacks the packages of {lacking}"
    return None


def effective(environment: dict) -> dict:
    """{name: value} of the settings that a node would have with these variables alone."""
    done = subprocess.run([WEIR, "node", "--print-config", "-o", "json"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment, text=True, check=False)
    assert done.returncode == 0, f"{environment}: {done.stderr}"
    shown = json.loads(done.stdout)
    used = {s["origin"].removeprefix("environment ") for s in shown if s["origin"].startswith("env")}
    unused = {k for k, v in environment.items() if k.startswith("WEIR_NODE_") and v} - used
    assert not unused, f"no setting is called {sorted(unused)}"
    return {s["name"]: str(s["value"]) for s in shown}


def check_cluster(nodes: list) -> None:
    """Nodes that find each other: names, addresses and seeds fit."""
    peers = {n["advertised_peers"] for n in nodes}
    assert len(peers) == len({n["advertised"] for n in nodes}) == len({n["name"] for n in nodes}) == len(nodes)
    for n in nodes:
        for address in ("peers", "kafka", "http"):
            assert n[address].startswith("0.0.0.0:"), n
        assert n["advertised_peers"].rsplit(":")[-1] == n["peers"].rsplit(":")[-1], n
        assert n["advertised"].rsplit(":")[-1] == n["kafka"].rsplit(":")[-1], n
        # Fixed, so that they can be let through.
        assert len({n["actors_port"], n["rows_port"], "0"}) == 3, n
        assert n["rack"] and n["data_dir"] == "/var/lib/weir", n
        # A seed is a short name of a node: weir-0.weir-peers for weir-0.weir-peers.NAMESPACE.svc.
        for seed in n["join"].split(","):
            host, port = seed.split(":")
            assert any(p.split(":")[0].startswith(host) and p.endswith(port) for p in peers), (seed, peers)
        others = [p for p in peers if p != n["advertised_peers"]]
        assert len(n["join"].split(",")) >= len(others), n


def bytes_of(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", text).groups()
    return int(number) << {"g": 30, "Gi": 30, "GiB": 30, "Mi": 20, "MiB": 20, "m": 20}[unit]


def test_compose():
    path = LAUNCH / "container/compose.yaml"
    compose = yaml.safe_load(path.read_text())
    services = compose["services"]
    assert list(services) == ["n1", "n2", "n3"]
    nodes = []
    for name, s in services.items():
        assert set(s) <= {"image", "build", "restart", "stop_grace_period", "read_only", "tmpfs", "cap_drop",
                          "security_opt", "ulimits", "mem_limit", "environment", "ports", "volumes"}, s
        assert s["restart"] == "unless-stopped", "it comes back with the machine"
        build = s["build"]
        context = (path.parent / build["context"]).resolve()
        assert context == ROOT and (context / build["dockerfile"]).exists()
        node = effective({**image_environment(), **s["environment"]})
        nodes.append(node)
        assert node["name"] == name and node["advertised_peers"].split(":")[0] == name
        inside = {p.rsplit(":", 1)[1] for p in s["ports"]}
        assert inside == {node["http"].rsplit(":")[-1], node["kafka"].rsplit(":")[-1]}
        for port in s["ports"]:
            outer, inner = port.split(":")[1:]
            assert port.startswith("127.0.0.1:"), "nothing is published beyond this machine"
            assert inner == "8080" or outer == inner == node["advertised"].rsplit(":")[-1]
        (volume,) = s["volumes"]
        assert volume == f"{name}:/var/lib/weir" and name in compose["volumes"]
        assert bytes_of(node["memory"]) * 4 <= bytes_of(s["mem_limit"]) * 3, "a quarter for all else"
        assert int(s["stop_grace_period"].rstrip("s")) > 60
    check_cluster(nodes)
    if shutil.which("docker") and subprocess.run(
            ["docker", "compose", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False).returncode == 0:
        subprocess.run(["docker", "compose", "-f", path, "config", "-q"], check=True)


# Fields that are used, by the kind of object: what is not here is misspelt or to be added on purpose.
FIELDS = {
    "pod": {"terminationGracePeriodSeconds", "automountServiceAccountToken", "enableServiceLinks",
            "securityContext", "affinity", "topologySpreadConstraints", "containers", "volumes"},
    "pod.securityContext": {"runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy",
                            "seccompProfile"},
    "container": {"name", "image", "imagePullPolicy", "args", "env", "ports", "startupProbe", "livenessProbe",
                  "readinessProbe", "resources", "securityContext", "volumeMounts"},
    "container.securityContext": {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"},
    "probe": {"httpGet", "periodSeconds", "timeoutSeconds", "failureThreshold"},
    "StatefulSet.spec": {"serviceName", "replicas", "podManagementPolicy", "updateStrategy", "minReadySeconds",
                         "selector", "template", "volumeClaimTemplates"},
    "Service.spec": {"clusterIP", "publishNotReadyAddresses", "selector", "ports"},
    "PodDisruptionBudget.spec": {"maxUnavailable", "selector"},
}


def fields(what: str, value: dict) -> dict:
    assert set(value) <= FIELDS[what], f"{what}: {sorted(set(value) - FIELDS[what])}"
    return value


def pod_environment(container: dict, ordinal: int) -> dict:
    """As a kubelet makes it: field references, then $(NAME) of those before."""
    pod = {"metadata.namespace": "streams", "metadata.name": f"weir-{ordinal}",
           "spec.nodeName": f"machine-{ordinal}"}
    env = {}
    for entry in container["env"]:
        value = entry["value"] if "value" in entry else pod[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        assert isinstance(value, str), f"{entry['name']}: values are texts"
        env[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda m: env[m.group(1)], value)
    return env


def test_kubernetes():
    objects = list(yaml.safe_load_all((LAUNCH / "kubernetes/weir.yaml").read_text()))
    by_name = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    assert sorted(by_name) == [("PodDisruptionBudget", "weir"), ("Service", "weir"), ("Service", "weir-peers"),
                               ("StatefulSet", "weir")]
    versions = {"Service": "v1", "StatefulSet": "apps/v1", "PodDisruptionBudget": "policy/v1"}
    for o in objects:
        assert set(o) == {"apiVersion", "kind", "metadata", "spec"} and o["apiVersion"] == versions[o["kind"]]
        fields(f"{o['kind']}.spec", o["spec"])
    stateful = by_name["StatefulSet", "weir"]["spec"]
    labels = stateful["template"]["metadata"]["labels"]
    assert stateful["selector"]["matchLabels"] == labels
    assert stateful["podManagementPolicy"] == "Parallel"
    pod = fields("pod", stateful["template"]["spec"])
    fields("pod.securityContext", pod["securityContext"])
    (container,) = pod["containers"]
    fields("container", container)
    fields("container.securityContext", container["securityContext"])

    # Services reach the pods, by ports that they have.
    headless = by_name["Service", stateful["serviceName"]]["spec"]
    assert headless["clusterIP"] == "None" and headless["publishNotReadyAddresses"] is True
    assert "clusterIP" not in by_name["Service", "weir"]["spec"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    for name in ("weir", "weir-peers"):
        service = by_name["Service", name]["spec"]
        assert service["selector"] == labels
        for p in service["ports"]:
            assert ports[p["targetPort"]] == p["port"], p
    assert by_name["PodDisruptionBudget", "weir"]["spec"] == {
        "maxUnavailable": 1, "selector": {"matchLabels": labels}}
    (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["topologyKey"] == "kubernetes.io/hostname" and apart["labelSelector"]["matchLabels"] == labels
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels

    # Probes ask what a node answers.
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"),
                        ("readinessProbe", "/readyz?in_sync=true")):
        asked = fields("probe", container[probe])["httpGet"]
        assert asked == {"path": path, "port": "http"} and ports["http"] == 8080, probe

    # The volume is where the node's data goes; all else is read-only.
    (claim,) = stateful["volumeClaimTemplates"]
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    volumes = {v["name"] for v in pod["volumes"]} | {claim["metadata"]["name"]}
    assert set(mounts) == volumes
    nodes = []
    for ordinal in range(stateful["replicas"]):
        env = pod_environment(container, ordinal)
        node = effective({k: v for k, v in {**image_environment(), **env}.items()})
        nodes.append(node)
        assert node["name"] == f"weir-{ordinal}" and node["data_dir"] == mounts["data"]
        assert node["advertised"] == f"weir-{ordinal}.{stateful['serviceName']}.streams.svc:{ports['kafka']}"
        for name in ("peers", "kafka", "http"):
            assert node[name] == f"0.0.0.0:{ports[name]}"
        assert {p["name"] for p in headless["ports"]} == set(ports), "nodes reach all of each other's ports"
        for name in ("actors", "rows"):
            assert node[f"{name}_port"] == str(ports[name])
        assert len(node["join"].split(",")) == stateful["replicas"]
    check_cluster(nodes)
    limit = bytes_of(container["resources"]["limits"]["memory"])
    assert bytes_of(nodes[0]["memory"]) * 4 <= limit * 3 and \
        bytes_of(container["resources"]["requests"]["memory"]) <= limit
    final = {word: rest for _, word, rest in instructions()}
    assert str(pod["securityContext"]["runAsUser"]) == final["USER"]
    assert pod["terminationGracePeriodSeconds"] > 60
    assert container["args"] == ["node"] and re.search(r":\d", container["image"])


def test_linters() -> str | None:
    """Each file by the linter, or against the schema, that its own world has (tests/launch/linters.txt)."""
    path = os.pathsep.join([str(ROOT / "build/linters/bin"), os.environ["PATH"]])
    missing = []
    for command in (["hadolint", "--ignore", "DL3008", LAUNCH / "container/Containerfile"],
                    ["check-jsonschema", "--builtin-schema", "vendor.compose-spec",
                     LAUNCH / "container/compose.yaml"],
                    ["kubernetes-validate", "--strict", LAUNCH / "kubernetes/weir.yaml"]):
        tool = shutil.which(command[0], path=path)
        if not tool:
            missing.append(command[0])
            continue
        done = subprocess.run([tool, *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return f"not installed: {', '.join(missing)} (tests/launch/linters.sh needs a network)" if missing else None


if __name__ == "__main__":
    WEIR = str(pathlib.Path(sys.argv[1]).resolve())
    for name, test in [t for t in globals().copy().items() if t[0].startswith("test_")]:
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        began = time.monotonic()
        lacking = test()
        print(f"{name}: " + (f"skipped: {lacking}" if lacking else f"ok ({time.monotonic() - began:.1f} s)"),
              flush=True)
