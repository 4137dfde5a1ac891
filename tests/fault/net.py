"""Clusters in network namespaces: hosts with addresses of their own on one switch, links that can be cut (both ways or
one way), made lossy, slow or narrow.

    with net.Network(["n1", "n2", "client"]) as network:
        node = network.start("n1", [weir, "node", ..., "--http", network.address("n1") + ":8080"])
        with network.inside("client"):
            urllib.request.urlopen(...)          # this thread's sockets belong to the client now
        network.cut("n1", "n2", one_way=True)    # what n1 sends does not reach n2
        network.heal()

The namespaces have no names: a keeper process holds them open and waits for the end of this one. However that
comes, by kill -9 too, the keeper then kills every process that is in one of them, daemons included, and ends; with the
last process the kernel takes the namespaces away. So nothing can be left over and nothing is to be cleaned.

Needs root with CAP_SYS_ADMIN and CAP_NET_ADMIN, iproute2, nftables, util-linux. NotPermitted and NotAvailable say what
is missing; tests call skip_unless_permitted() first.
"""
import contextlib
import ctypes
import heapq
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
SUBNET = "10.87.0"  # within the namespaces only: nothing of it can leave them
HOSTS_MAX = 200
KILL_SECONDS = 20
RELAY_FRAMES_MAX = 10_000  # that wait; further ones are lost
ETH_P_ALL, SOL_PACKET, SO_RCVBUFFORCE = 3, 263, 33  # of Linux; Python has no names for them
PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC, PACKET_OUTGOING, PACKET_VNET_HDR = 1, 1, 4, 15
SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt

libc = ctypes.CDLL(None, use_errno=True)


class NotPermitted(Exception):
    """Namespaces cannot be made here."""


class NotAvailable(Exception):
    """This kernel or system lacks what a kind of disturbance needs."""


def enter(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"setns: {os.strerror(code)}")
    finally:
        os.close(fd)


def processes_in(spaces: set) -> list:
    """Ids of the processes whose network namespace is one of these ("net:[4026532205]")."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):  # it has ended, or waits to be reaped
                if os.readlink(f"/proc/{entry}/ns/net") in spaces:
                    found.append(int(entry))
    return found


def kill_all_in(spaces: set) -> None:
    """SIGKILL until nothing is left: whoever forks meanwhile is found the next time."""
    deadline = time.monotonic() + KILL_SECONDS
    while pids := processes_in(spaces):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {pids} do not end")
        time.sleep(0.01)


def relay(near: str, far: str, ms: float, jitter_ms: float) -> None:
    """The way of a kernel without netem: carries frames between two devices, those from `near` later. Frames keep what the
    kernel has put off (checksums, segments of 64 KiB): virtio's header in front of each says so."""
    sockets = []
    for name in (near, far):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        s.bind((name, ETH_P_ALL))
        s.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                     struct.pack("iHH8s", socket.if_nametoindex(name), PACKET_MR_PROMISC, 0, b""))
        s.setblocking(False)
        sockets.append(s)
    from_host, from_switch = sockets
    print("ready", flush=True)
    waiting, number = [], 0
    while True:
        timeout = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select(sockets, [], [], timeout)
        for s in readable:
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, about = s.recvfrom(1 << 17)
                    if about[2] == PACKET_OUTGOING:
                        continue  # what this relay has sent itself
                    if s is from_switch:
                        send(from_host, frame)
                    elif len(waiting) < RELAY_FRAMES_MAX:
                        late = ms + random.uniform(-jitter_ms, jitter_ms)
                        heapq.heappush(waiting, (time.monotonic() + max(0, late) / 1000, number, frame))
                        number += 1
        while waiting and waiting[0][0] <= time.monotonic():
            send(from_switch, heapq.heappop(waiting)[2])


def send(s: socket.socket, frame: bytes) -> None:
    with contextlib.suppress(BlockingIOError):  # a full queue loses frames, as those of switches do
        s.send(frame)


def keep(count: int) -> None:
    """The keeper: makes `count` namespaces, says their descriptors, waits for the end of its input."""
    os.setsid()
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, signal.SIG_IGN)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    fds = []
    for _ in range(count):
        if libc.unshare(CLONE_NEWNET) != 0:
            print(f"error unshare: {os.strerror(ctypes.get_errno())}", flush=True)
            return
        fds.append(os.open("/proc/self/ns/net", os.O_RDONLY))
    # It must not be one of those that it will kill.
    if libc.setns(home, CLONE_NEWNET) != 0:
        print(f"error setns: {os.strerror(ctypes.get_errno())}", flush=True)
        return
    spaces = {os.readlink(f"/proc/self/fd/{fd}") for fd in fds}
    print(" ".join(map(str, fds)), flush=True)
    while os.read(0, 1):
        pass
    kill_all_in(spaces)


class Network:
    def __init__(self, hosts):
        """hosts: names, or {name: address} with addresses of one /24."""
        if len(hosts) > HOSTS_MAX or len(set(hosts)) != len(hosts):
            raise ValueError(f"up to {HOSTS_MAX} hosts with names of their own")
        self.hosts = list(hosts)
        self.addresses = dict(hosts) if isinstance(hosts, dict) else {
            h: f"{SUBNET}.{i + 1}" for i, h in enumerate(hosts)}
        self.relays = {}  # by host: its process
        self.lost = {}  # (from, to) -> share of packets that is dropped, 0 to 1
        missing = [p for p in ("ip", "nft", "nsenter") if not shutil.which(p)]
        if missing:
            raise NotPermitted(f"{', '.join(missing)} not installed")
        self.keeper = subprocess.Popen(
            [sys.executable, __file__, "--keep", str(len(hosts) + 1)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        answer = self.keeper.stdout.readline().decode().split(maxsplit=1)
        if not answer or answer[0] == "error":
            self.keeper.communicate(timeout=KILL_SECONDS)
            raise NotPermitted(answer[1].strip() if answer else "the keeper has ended")
        fds = [int(f) for f in " ".join(answer).split()]
        paths = [f"/proc/{self.keeper.pid}/fd/{fd}" for fd in fds]
        self.switch = paths[0]
        self.paths = dict(zip(self.hosts, paths[1:]))
        try:
            self._wire()
        except OSError as e:
            self.close()
            raise NotPermitted(str(e)) from e

    def _wire(self) -> None:
        self._command(self.switch, ["ip", "-batch", "-"],
                "link set lo up\nlink add br0 type bridge\nlink set br0 up\n" + "".join(
                    f"link add p{i} type veth peer name eth0 netns {self.paths[h]}\n"
                    f"link set p{i} master br0 up\n" for i, h in enumerate(self.hosts)))
        for h in self.hosts:
            self._command(self.paths[h], ["ip", "-batch", "-"],
                    f"link set lo up\naddr add {self.address(h)}/24 dev eth0\nlink set eth0 up\n")

    @staticmethod
    def _command(space: str, arguments: list, text: str = "") -> None:
        done = subprocess.run(["nsenter", f"--net={space}", "--", *arguments], input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        if done.returncode != 0:
            raise OSError(f"{' '.join(arguments)} exited with {done.returncode}: {done.stdout.strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Kills what runs on the hosts and takes the network away."""
        self.keeper.communicate(timeout=2 * KILL_SECONDS)
        for process in self.relays.values():
            process.communicate()

    # Hosts

    def address(self, host: str) -> str:
        return self.addresses[host]

    def start(self, host: str, arguments: list, **options) -> subprocess.Popen:
        """A process on the host; its id is that of the program itself."""
        return subprocess.Popen(["nsenter", f"--net={self.paths[host]}", "--", *arguments], **options)

    def run(self, host: str, arguments: list, **options) -> subprocess.CompletedProcess:
        return subprocess.run(["nsenter", f"--net={self.paths[host]}", "--", *arguments], check=False,
                              **options)

    @contextlib.contextmanager
    def inside(self, host: str):
        """Sockets that this thread opens meanwhile belong to the host, and go on to."""
        home = f"/proc/self/fd/{os.open('/proc/thread-self/ns/net', os.O_RDONLY)}"
        try:
            enter(self.paths[host])
            yield
        finally:
            enter(home)
            os.close(int(home.rsplit("/", 1)[1]))

    def processes(self, host: str) -> list:
        return processes_in({os.readlink(self.paths[host])})

    def kill(self, host: str) -> None:
        """kill -9 to all that runs on the host."""
        kill_all_in({os.readlink(self.paths[host])})

    # Links

    def cut(self, a: str, b: str, one_way: bool = False) -> None:
        """Nothing that `a` sends reaches `b`; unless one_way, nothing from `b` reaches `a` either."""
        self.lose(a, b, 100, one_way)

    def isolate(self, host: str) -> None:
        for other in self.hosts:
            if other != host:
                self.cut(host, other)

    def lose(self, a: str, b: str, percent: float, one_way: bool = False) -> None:
        """That share of the packets from `a` to `b` (and back, unless one_way) is lost."""
        for pair in [(a, b)] if one_way else [(a, b), (b, a)]:
            self.lost[pair] = min(1.0, max(0.0, percent / 100))
        self._filter({b} if one_way else {a, b})

    def heal(self, a: str = "", b: str = "") -> None:
        """Ends cuts and losses: between two hosts, of one host, or all."""
        if a and b:
            gone = [(a, b), (b, a)]
        else:
            gone = [pair for pair in self.lost if not a or a in pair]
        touched = {self.lost.pop(pair) and pair[1] for pair in gone if pair in self.lost}
        self._filter({h for h in touched if h})

    def _filter(self, hosts: set) -> None:
        """The receiver drops, so that a sender sees only silence. Each host's rules change in one step, before
        connections are tracked, so that packets under way are no exception."""
        for host in hosts:
            rules = ""
            for (sender, receiver), share in self.lost.items():
                if receiver != host or share == 0:
                    continue
                chance = "" if share >= 1 else f"numgen random mod 10000 < {round(share * 10000)} "
                rules += f"add rule inet weir input ip saddr {self.address(sender)} {chance}drop\n"
            self._command(self.paths[host], ["nft", "-f", "-"],
                    "add table inet weir\ndelete table inet weir\nadd table inet weir\n"
                    "add chain inet weir input { type filter hook input priority -300; }\n" + rules)

    def delay(self, host: str, ms: float, jitter_ms: float = 0) -> None:
        """What the host sends takes so much longer; 0 ends it. By netem, or where the kernel has none by a relay
        process at the switch, whose own time of some 0.1 ms comes on top."""
        self._end_relay(host)
        try:
            self._shape(host, f"netem delay {ms}ms {jitter_ms}ms".split() if ms else [],
                        "delay: this kernel has no netem (CONFIG_NET_SCH_NETEM)")
        except NotAvailable:
            self._relay(host, ms, jitter_ms)

    def _relay(self, host: str, ms: float, jitter_ms: float) -> None:
        i = self.hosts.index(host)
        self._command(self.switch, ["ip", "-batch", "-"],
                      f"link add d{i} type veth peer name r{i}\nlink set p{i} nomaster\n"
                      f"link set d{i} master br0 up\nlink set r{i} up\n")
        process = subprocess.Popen(
            ["nsenter", f"--net={self.switch}", "--", sys.executable, __file__, "--relay", f"p{i}", f"r{i}",
             str(ms), str(jitter_ms)], stdout=subprocess.PIPE)
        self.relays[host] = process
        if process.stdout.readline() != b"ready\n":
            self._end_relay(host)
            raise NotAvailable("delay: no netem, and the relay does not start")

    def _end_relay(self, host: str) -> None:
        process = self.relays.pop(host, None)
        if not process:
            return
        process.kill()
        process.communicate()
        i = self.hosts.index(host)
        self._command(self.switch, ["ip", "-batch", "-"], f"link del d{i}\nlink set p{i} master br0\n")

    def limit(self, host: str, mbit: float) -> None:
        """What the host sends goes at that rate at most, queued for up to a second; 0 ends it. Takes the place of a delay by
        netem: a host has one or the other."""
        self._shape(host, f"tbf rate {mbit}mbit burst 64k latency 1s".split() if mbit else [],
                    "limit: this kernel has no token bucket (CONFIG_NET_SCH_TBF)")

    def _shape(self, host: str, discipline: list, lacking: str) -> None:
        if not shutil.which("tc"):
            raise NotAvailable(f"{lacking.split(':')[0]}: tc is not installed")
        if not discipline:
            # Without one that was set this is an error: nothing is to be ended then.
            self.run(host, ["tc", "qdisc", "del", "dev", "eth0", "root"], stderr=subprocess.DEVNULL)
            return
        try:
            self._command(self.paths[host], ["tc", "qdisc", "replace", "dev", "eth0", "root", *discipline])
        except OSError as e:
            raise NotAvailable(f"{lacking}: {e}") from e


def running(pid: int) -> bool:
    """Not gone, and not only waiting to be reaped by whoever adopted it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def skip_unless_permitted() -> None:
    """Ends the test as skipped, with the reason, where namespaces cannot be made."""
    try:
        Network(["probe"]).close()
    except NotPermitted as e:
        print(f"skipped: network namespaces are not permitted here: {e}")
        sys.exit(SKIPPED)


def not_available() -> dict:
    """What cannot be had here, with the reason: {} or {"delay": "..."}."""
    found = {}
    with Network(["a", "b"]) as network:
        for name, attempt in (("delay", lambda: network.delay("a", 1)),
                              ("limit", lambda: network.limit("a", 1)),
                              ("loss", lambda: network.lose("a", "b", 50))):
            try:
                attempt()
            except (NotAvailable, OSError) as e:
                found[name] = str(e)
    return found


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--keep":
        keep(int(sys.argv[2]))
    elif len(sys.argv) == 6 and sys.argv[1] == "--relay":
        relay(sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
