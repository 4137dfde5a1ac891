#!/usr/bin/env python3
"""The namespaces of net.py with plain sockets: addresses, cuts both ways and one way, healing, loss, delay, rate, and that
nothing is left when a test is killed.

Usage: net_test.py [TEST...]
"""
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import net

PORT = 7000
SILENCE_SECONDS = 0.3  # a lost datagram is awaited so long
ANSWER_SECONDS = 10  # another one comes at once, but on a machine that does other things too


class Echo:
    """UDP echo on a host; counts what reaches it."""

    def __init__(self, network, host):
        with network.inside(host):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((network.address(host), PORT))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.heard = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            data, sender = self.socket.recvfrom(65536)
            self.heard += 1
            self.socket.sendto(data, sender)


class Client:
    def __init__(self, network, host):
        with network.inside(host):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.network, self.asked = network, 0

    def ask(self, host, seconds):
        """Seconds until the answer; None when there is none."""
        self.asked += 1
        text, began = str(self.asked).encode(), time.monotonic()
        self.socket.settimeout(seconds)
        self.socket.sendto(text, (self.network.address(host), PORT))
        try:
            while self.socket.recv(65536) != text:
                pass  # an answer to an earlier question
        except TimeoutError:
            return None
        return time.monotonic() - began

    def reaches(self, host):
        return self.ask(host, ANSWER_SECONDS) is not None

    def hears_nothing_of(self, host):
        return self.ask(host, SILENCE_SECONDS) is None


def until(holds) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "not within 10 s"
        time.sleep(0.01)


def test_hosts_have_addresses_of_their_own_and_nothing_else():
    outside = socket.if_nameindex()
    with net.Network(["a", "b", "c"]) as network:
        assert [network.address(h) for h in "abc"] == ["10.87.0.1", "10.87.0.2", "10.87.0.3"]
        shown = network.run("b", ["ip", "-4", "-br", "addr"], stdout=subprocess.PIPE).stdout.decode()
        assert [line.split()[0].split("@")[0] + " " + line.split()[2] for line in shown.splitlines()
                ] == ["lo 127.0.0.1/8", "eth0 10.87.0.2/24"], shown
        Echo(network, "b")
        assert Client(network, "a").reaches("b")
        # Two networks with the same addresses do not meet.
        with net.Network(["a", "b"]) as other:
            assert Client(other, "a").hears_nothing_of("b")
        # Nor are the links seen from outside.
        assert socket.if_nameindex() == outside


def test_cut_and_heal():
    with net.Network(["a", "b", "c"]) as network:
        echo, client, third = Echo(network, "b"), Client(network, "a"), Client(network, "c")
        assert client.reaches("b")
        network.cut("a", "b")
        heard = echo.heard
        assert client.hears_nothing_of("b") and echo.heard == heard
        assert third.reaches("b"), "only that link is cut"
        network.heal("b", "a")
        assert client.reaches("b")
        network.isolate("b")
        assert client.hears_nothing_of("b") and third.hears_nothing_of("b")
        network.heal("b")
        assert client.reaches("b") and third.reaches("b")


def test_one_way_cut():
    with net.Network(["a", "b"]) as network:
        echo, client = Echo(network, "b"), Client(network, "a")
        assert client.reaches("b")
        # Questions arrive, answers do not.
        network.cut("b", "a", one_way=True)
        heard = echo.heard
        assert client.hears_nothing_of("b") and echo.heard == heard + 1
        network.heal()
        # Questions do not even arrive; what b says by itself reaches a.
        network.cut("a", "b", one_way=True)
        heard = echo.heard
        assert client.hears_nothing_of("b") and echo.heard == heard
        client.socket.sendto(b"", ("127.0.0.1", 9))  # binds a port
        echo.socket.sendto(b"hello", (network.address("a"), client.socket.getsockname()[1]))
        client.socket.settimeout(ANSWER_SECONDS)
        assert client.socket.recv(10) == b"hello"
        network.heal()
        assert client.reaches("b")


def test_a_connection_outlives_a_cut():
    """TCP under a cut: no reset, silence; what was sent meanwhile comes after the healing."""
    with net.Network(["a", "b"]) as network:
        with network.inside("b"):
            listener = socket.create_server((network.address("b"), PORT))
        with network.inside("a"):
            client = socket.create_connection((network.address("b"), PORT), timeout=5)
        server, _ = listener.accept()
        server.settimeout(ANSWER_SECONDS)
        client.sendall(b"before")
        assert server.recv(100) == b"before"
        server.settimeout(SILENCE_SECONDS)
        network.cut("a", "b")
        client.sendall(b"meanwhile")
        try:
            raise AssertionError(server.recv(100))
        except TimeoutError:
            pass
        with network.inside("a"), socket.socket() as late:
            late.settimeout(SILENCE_SECONDS)
            try:
                late.connect((network.address("b"), PORT))
                raise AssertionError("connected over a cut link")
            except TimeoutError:
                pass
        network.heal()
        server.settimeout(10)
        assert server.recv(100) == b"meanwhile"
        # A process that dies resets its connections: that is another thing than a cut, and passes.
        server.close()
        client.settimeout(10)
        assert client.recv(100) == b""


def test_loss():
    """30% of 4,000 packets one way: within 4 standard deviations."""
    if "loss" in MISSING:
        return MISSING["loss"]
    with net.Network(["a", "b"]) as network:
        echo, client = Echo(network, "b"), Client(network, "a")
        assert client.reaches("b")
        network.lose("a", "b", 30, one_way=True)
        before = echo.heard
        for i in range(4_000):
            client.socket.sendto(b"x", (network.address("b"), PORT))
            if i % 50 == 0:
                time.sleep(0.005)  # else the receiver's queue loses some of its own
        deadline = time.monotonic() + 10
        last = -1
        while echo.heard != last and time.monotonic() < deadline:
            last = echo.heard
            time.sleep(0.2)
        arrived = echo.heard - before
        assert 2_684 <= arrived <= 2_916, f"{arrived} of 4000 arrived"
        network.heal("a", "b")
        assert Client(network, "a").reaches("b")


def test_delay():
    """One way, of packets and of bulk data, whichever way the kernel has."""
    if "delay" in MISSING:
        return MISSING["delay"]
    with net.Network(["a", "b", "c"]) as network:
        Echo(network, "b")
        client, third = Client(network, "a"), Client(network, "c")
        assert client.reaches("b")
        network.delay("b", 150)
        times = [client.ask("b", ANSWER_SECONDS) for _ in range(5)]
        assert min(times) >= 0.15, times
        network.cut("a", "b", one_way=True)
        assert client.hears_nothing_of("b") and third.ask("b", ANSWER_SECONDS) >= 0.15
        network.heal()

        # Bulk data over TCP, whole: segments and checksums that the kernel puts off pass too.
        with network.inside("a"):
            listener = socket.create_server((network.address("a"), PORT))
        with network.inside("b"):
            sender = socket.create_connection((network.address("a"), PORT), timeout=ANSWER_SECONDS)
        receiver, _ = listener.accept()
        sent = random.Random(7).randbytes(4 << 20)
        threading.Thread(target=lambda: (sender.sendall(sent), sender.close()), daemon=True).start()
        received = bytearray()
        receiver.settimeout(ANSWER_SECONDS)
        while chunk := receiver.recv(1 << 16):
            received += chunk
        assert bytes(received) == sent

        network.delay("b", 0)
        assert client.reaches("b") and min(client.ask("b", ANSWER_SECONDS) for _ in range(20)) < 0.15
    return None


def test_limit():
    """4 Mbit/s: 0.5 MB take a second and more, and a fraction of it without."""
    if "limit" in MISSING:
        return MISSING["limit"]
    with net.Network(["a", "b"]) as network:
        with network.inside("b"):
            listener = socket.create_server((network.address("b"), PORT))

        def seconds() -> float:
            with network.inside("a"):
                client = socket.create_connection((network.address("b"), PORT), timeout=20)
            server, _ = listener.accept()
            began = time.monotonic()
            client.sendall(bytes(500_000))
            client.shutdown(socket.SHUT_WR)
            total = 0
            while chunk := server.recv(1 << 16):
                total += len(chunk)
            assert total == 500_000
            return time.monotonic() - began

        network.limit("a", 4)
        slow = seconds()
        network.limit("a", 0)
        quick = seconds()
        assert slow >= 0.8 and quick < slow / 2, f"{slow:.2f} s at 4 Mbit/s, {quick:.2f} s without"


def test_kill_reaches_all_of_a_host_and_no_other():
    with net.Network(["a", "b"]) as network:
        # A daemon: another session, its parent gone.
        network.run("a", ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & :"])
        here = network.start("a", ["sleep", "1000"])
        there = network.start("b", ["sleep", "1000"])
        # A process is started before it enters its host, and the daemon's shell is on the host until it has gone.
        until(lambda: here.pid in network.processes("a") and len(network.processes("a")) == 2)
        until(lambda: network.processes("b") == [there.pid])
        network.kill("a")
        assert here.wait(timeout=5) == -signal.SIGKILL and network.processes("a") == []
        assert there.poll() is None
    assert there.wait(timeout=5) == -signal.SIGKILL, "close() leaves nothing"


def test_nothing_is_left_of_a_killed_test():
    victim = subprocess.Popen([sys.executable, __file__, "--victim"], stdout=subprocess.PIPE)
    pids = [int(p) for p in victim.stdout.readline().split()]
    assert len(pids) == 3, pids
    alive = [p for p in pids if net.running(p)]
    assert alive == pids
    victim.kill()
    victim.wait()
    deadline = time.monotonic() + 10
    while any(net.running(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [p for p in pids if net.running(p)]


def victim() -> None:
    network = net.Network(["a", "b"])
    network.run("b", ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & :"])
    child = network.start("a", ["sleep", "1000"])
    until(lambda: len(network.processes("b")) == 1 and network.processes("a") == [child.pid])
    print(network.keeper.pid, child.pid, *network.processes("b"), flush=True)
    time.sleep(1000)


if __name__ == "__main__":
    if sys.argv[1:] == ["--victim"]:
        victim()
    net.skip_unless_permitted()
    MISSING = net.not_available()
    for name, test in [t for t in globals().copy().items() if t[0].startswith("test_")]:
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        began = time.monotonic()
        lacking = test()
        what = f"not available: {lacking}" if lacking else f"ok ({time.monotonic() - began:.1f} s)"
        print(f"{name}: {what}", flush=True)
