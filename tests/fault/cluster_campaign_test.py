#!/usr/bin/env python3
"""Faults of a cluster on real processes in network namespaces, from a seed: kill -9, SIGSTOP, links cut both ways or
one way, a full disk, restarts, of any node and of several one after the other, while four idempotent producers
(acks=all), two transactional writers, groups of consumers and a copier work on topics of three replicas of which two
have to be in sync. Afterwards the clients' journals are compared with the topics: nothing acknowledged is lost, nothing
is there twice, order is kept, transactions are whole or invisible, offsets of groups never ran backwards, and none of the
anomalies is there that Jepsen's Kafka workload looks for (log_anomalies.py). Three jobs run meanwhile (campaign_jobs.py): after
every heal they go on, and in the end their outputs are those of runs that nothing disturbed. Prints the seed.

Usage: cluster_campaign_test.py WEIR [--rounds N] [--nodes N] [--seed S] [--faults NAME,...] [--keep FOLDER] [--no-jobs]
       [--hold SECONDS]
"""
import argparse
import ctypes
import functools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import net  # noqa: E402
from broker_load import finish, look_after, start_clients  # noqa: E402
from broker_verify import COPIES, LOAD, MIXES, TRANSACTIONS, Verifier  # noqa: E402
from campaign_jobs import TOPICS, Jobs  # noqa: E402

PARTITIONS = 4
READY_SECONDS_MAX = 30
HEALTHY_SECONDS_MAX = 60
# Nothing is deleted, so that all can be compared at the end: a round adds some 0.7 MiB a node.
DISK_BYTES, ROUND_BYTES = 700 << 20, 2 << 20
RECORDS_PER_SECOND, RATE_ROUNDS = 500, 60  # of a producer; with more rounds each writes less
KAFKA, PEERS, HTTP = 9092, 9100, 8080
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18
SETTINGS = {"offsets.topic.num.partitions": 4, "transaction.state.log.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 100, "min.insync.replicas": 2}
FAULTS = ("kill", "pause", "cut", "cut_one_way", "isolate", "full_disk", "restart", "kill_two")


def own_mounts() -> None:
    """Disks of the nodes are small file systems that nobody else sees and that go with this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or \
            libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise SystemExit(f"no mounts of its own: {os.strerror(ctypes.get_errno())}")


class Node:
    def __init__(self, cluster, name: str):
        self.cluster, self.name = cluster, name
        self.ip = cluster.network.address(name)
        self.dir = cluster.dir / name
        self.dir.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={cluster.disk_bytes}", "tmpfs", str(self.dir)],
                       check=True)
        self.log = cluster.dir / f"{name}.log"
        self.process, self.paused = None, False

    def start(self, wait: bool = True) -> None:
        assert self.process is None
        others = [f"{self.cluster.network.address(n)}:{PEERS}" for n in self.cluster.names
                  if n != self.name]
        command = [self.cluster.weir, "node", "--data-dir", str(self.dir / "data"), "--name", self.name,
                   "--kafka", f"{self.ip}:{KAFKA}", "--peers", f"{self.ip}:{PEERS}", "--http",
                   f"{self.ip}:{HTTP}"]
        # All name each other: of those that start for the first time one begins the cluster.
        command += ["--join", ",".join(others)]
        for name, value in SETTINGS.items():
            command += ["--broker-config", f"{name}={value}"]
        with open(self.log, "ab") as log:
            self.process = self.cluster.network.start(self.name, command, stdout=subprocess.PIPE,
                                                      stderr=log)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS_MAX
        os.set_blocking(self.process.stdout.fileno(), False)
        out = b""
        while not out.endswith(b"\n"):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}:\n{self.said()}")
            if time.monotonic() > until:
                raise SystemExit(f"{self.name} is not ready:\n{self.said()}")
            out += self.process.stdout.read() or b""
            time.sleep(0.005)

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def kill(self) -> None:
        code = self.process.poll()
        if code is not None:
            raise SystemExit(f"{self.name} ended by itself with {code}:\n{self.said()}")
        self.process.send_signal(signal.SIGKILL)
        self.ended()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(READY_SECONDS_MAX)
        if code != 0:
            raise SystemExit(f"{self.name} stopped with {code}:\n{self.said()}")
        self.ended()

    def ended(self) -> None:
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def pause(self, on: bool) -> None:
        self.process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def fill(self, on: bool) -> None:
        ballast = self.dir / "ballast"
        if not on:
            return ballast.unlink(missing_ok=True)
        disk = os.statvfs(self.dir)
        with open(ballast, "wb") as f:
            try:
                os.posix_fallocate(f.fileno(), 0, disk.f_bavail * disk.f_frsize)
            except OSError:
                pass  # somebody was faster: it is full


class Cluster:
    def __init__(self, weir: str, nodes: int, rounds: int, folder):
        self.weir = str(pathlib.Path(weir).resolve())
        self.disk_bytes = DISK_BYTES + rounds * ROUND_BYTES
        self.own_folder = folder is None
        self.dir = pathlib.Path(folder or tempfile.mkdtemp(prefix="weir-campaign-"))
        self.dir.mkdir(parents=True, exist_ok=True)
        self.names = [f"n{i + 1}" for i in range(nodes)]
        self.network = net.Network([*self.names, "client"])
        self.nodes = {n: Node(self, n) for n in self.names}
        self.address = ",".join(f"{n.ip}:{KAFKA}" for n in self.nodes.values())

    def start(self) -> float:
        began = time.monotonic()
        for n in self.nodes.values():
            n.start(wait=False)
        for n in self.nodes.values():
            n.wait_ready()
        return time.monotonic() - began

    def state(self):
        """What some node says of the cluster; None: nobody answers, and `refusals` has what they said."""
        self.refusals = {}
        for n in self.nodes.values():
            done = self.network.run("client", ["curl", "-sS", "--fail-with-body", "-m", "2",
                                               f"http://{n.ip}:{HTTP}/cluster"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if done.returncode == 0:
                return json.loads(done.stdout)
            self.refusals[n.name] = (done.stderr + done.stdout).decode(errors="replace")
        return None

    def wait_healthy(self) -> float:
        """Until every node lives and every replica is in sync."""
        began = time.monotonic()
        state = None
        while time.monotonic() - began < HEALTHY_SECONDS_MAX:
            state = self.state()
            # A node that has just begun has no state of the cluster yet.
            if state and "partitions" in state and all(n["alive"] for n in state["nodes"]) and \
                    state["partitions"]["under_replicated"] == 0 and \
                    state["partitions"]["leaderless"] == 0:
                return time.monotonic() - began
            time.sleep(0.1)
        logs = "".join(f"\n{n.name}:\n{n.said()}" for n in self.nodes.values())
        if state:
            del state["jobs"]
        raise SystemExit(f"not healthy after {HEALTHY_SECONDS_MAX} s: {state or self.refusals}{logs}")

    def create(self, topics: dict) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic
        with self.network.inside("client"):
            admin = AdminClient({"bootstrap.servers": self.address})
            made = admin.create_topics([NewTopic(name, PARTITIONS, min(3, len(self.names)), config=config)
                                        for name, config in topics.items()])
            for future in made.values():
                future.result(30)

    def close(self) -> None:
        for n in self.nodes.values():
            if n.process is not None:
                n.process.kill()
                n.process.wait()
        self.network.close()
        for n in self.nodes.values():
            subprocess.run(["umount", "-l", str(n.dir)], check=False)
        if self.own_folder:
            shutil.rmtree(self.dir, ignore_errors=True)


class Campaign:
    def __init__(self, cluster: Cluster, chance: random.Random):
        self.cluster, self.chance = cluster, chance
        self.told = []

    def node(self) -> Node:
        return self.chance.choice(list(self.cluster.nodes.values()))

    def hold(self) -> None:
        time.sleep(self.chance.choice((0.3, 1.0, 2.0, 5.0)) * self.chance.uniform(0.5, 1.0))

    def round(self, fault: str) -> None:
        node = self.node()
        other = self.chance.choice([n for n in self.cluster.nodes.values() if n is not node])
        self.told.append(f"{fault} {node.name} {other.name}")
        print(f"round {len(self.told)}: {self.told[-1]}", flush=True)
        getattr(self, fault)(node, other)

    def kill(self, node: Node, _) -> None:
        node.kill()
        self.hold()
        node.start()

    def kill_two(self, node: Node, other: Node) -> None:
        node.kill()
        time.sleep(self.chance.uniform(0, 1.0))
        other.kill()
        self.hold()
        other.start(wait=False)
        time.sleep(self.chance.uniform(0, 1.0))
        node.start(wait=False)
        other.wait_ready()
        node.wait_ready()

    def restart(self, node: Node, _) -> None:
        node.stop()
        self.hold()
        node.start()

    def pause(self, node: Node, _) -> None:
        node.pause(True)
        self.hold()
        node.pause(False)

    def cut(self, node: Node, other: Node) -> None:
        self.cluster.network.cut(node.name, other.name)
        self.hold()
        self.cluster.network.heal()

    def cut_one_way(self, node: Node, other: Node) -> None:
        self.cluster.network.cut(node.name, other.name, one_way=True)
        self.hold()
        self.cluster.network.heal()

    def isolate(self, node: Node, _) -> None:
        self.cluster.network.isolate(node.name)
        self.hold()
        self.cluster.network.heal()

    def full_disk(self, node: Node, _) -> None:
        node.fill(True)
        self.hold()
        node.fill(False)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("weir")
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--nodes", type=int, default=3)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--faults", default=",".join(FAULTS))
    arguments.add_argument("--keep", help="a folder for everything, which stays")
    arguments.add_argument("--no-jobs", action="store_true")
    arguments.add_argument("--hold", type=int, default=0, help="seconds for a look at what went wrong")
    a = arguments.parse_args()
    net.skip_unless_permitted()
    own_mounts()
    print(f"seed {a.seed}", flush=True)
    chance = random.Random(a.seed)
    cluster = Cluster(a.weir, a.nodes, a.rounds, a.keep)
    # What is written has to fit on the nodes' disks and into the verifier's memory.
    os.environ["RECORDS_PER_SECOND"] = str(max(30, RECORDS_PER_SECOND * RATE_ROUNDS // max(a.rounds, RATE_ROUNDS)))
    clients, jobs = [], None if a.no_jobs else Jobs(cluster, PARTITIONS)
    try:
        folder = cluster.dir / "journals"
        folder.mkdir()
        print(f"{a.nodes} nodes ready after {cluster.start():.2f} s", flush=True)
        small = {"segment.bytes": str(1 << 20), "min.insync.replicas": "2"}
        cluster.create({t: small for t in (LOAD, TRANSACTIONS, COPIES, MIXES, *(TOPICS if jobs else ()))})
        clients = start_clients(functools.partial(cluster.network.start, "client"), cluster.address,
                                folder, a.seed, [("scribe", 1)] if jobs else [])
        if jobs:
            jobs.start()
        time.sleep(2)  # they come up
        campaign = Campaign(cluster, chance)
        healed = []
        for _ in range(a.rounds):
            campaign.round(chance.choice(a.faults.split(",")))
            look_after(clients, folder)
            # Sometimes the next fault meets a cluster that has not recovered from the last.
            if chance.random() < 0.6:
                healed.append(cluster.wait_healthy())
                if jobs:
                    jobs.wait_progress()
                time.sleep(chance.uniform(0.2, 1.0))
        cluster.wait_healthy()
        finish(clients, folder)
        if jobs:
            jobs.wait_progress()
            jobs.finish()
        if healed:
            print(f"{a.rounds} rounds; healthy {sorted(healed)[len(healed) // 2]:.1f} s after a fault in "
                  f"the median, {max(healed):.1f} s at most", flush=True)
        with cluster.network.inside("client"):
            ok = Verifier(cluster.address, folder, PARTITIONS).run()
        ok = (not jobs or jobs.verify()) and ok
        complaints = [f"{n.name}: {line}" for n in cluster.nodes.values()
                      for line in n.log.read_text(errors="replace").splitlines()
                      if " are lost (" in line or "damaged" in line]
        if complaints:
            sys.exit(f"nodes report damage: {complaints[:5]}")
        sys.exit(0 if ok else 1)
    except BaseException as e:
        if isinstance(e, SystemExit) and e.code == 0:
            raise
        if a.hold:
            print(f"held: {e}"[:4000], flush=True)
            time.sleep(a.hold)
        for n in cluster.nodes.values():
            print(f"--- {n.name}\n{n.said()}", file=sys.stderr)
        raise
    finally:
        for _, _, process in clients:
            if process.poll() is None:
                process.kill()
                process.wait()
        cluster.close()


if __name__ == "__main__":
    main()
