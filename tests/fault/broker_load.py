"""The clients of the broker's fault tests as processes: started, looked after, brought to their ends."""
import pathlib
import signal
import subprocess
import sys
import time

ROLES = [("producer", 4), ("writer", 2), ("mixer", 2), ("member", 4), ("copier", 1), ("observer", 1)]
CLIENTS_END_SECONDS_MAX = 180


def start_clients(start, address: str, folder: pathlib.Path, seed: int, more=()) -> list:
    """`start` is subprocess.Popen or what takes its arguments; `more` are roles beside ROLES."""
    here = pathlib.Path(__file__).resolve().parent
    clients = []
    for role, count in [*ROLES, *more]:
        for number in range(count):
            with open(folder / f"{role}{number}.err", "ab") as err:
                clients.append((role, number, start(
                    [sys.executable, str(here / "broker_clients.py"), role, str(number), address,
                     str(folder), str(seed)], stderr=err)))
    return clients


def look_after(clients: list, folder: pathlib.Path) -> None:
    for role, number, process in clients:
        if process.poll() not in (None, 0):
            raise SystemExit(f"{role}{number} ended with {process.returncode}: "
                             f"{tail_of(folder, role, number)}")


def tail_of(folder: pathlib.Path, role: str, number: int) -> str:
    return (folder / f"{role}{number}.err").read_text()[-3000:]


def finish(clients: list, folder: pathlib.Path) -> None:
    """Producers first, then those who read what they wrote, then the observer's last look."""
    signals = {"producer": "STOP", "scribe": "STOP", "writer": "STOP", "mixer": "STOP", "member": "READ", "copier": "READ",
               "observer": "DONE"}
    until = time.monotonic() + CLIENTS_END_SECONDS_MAX
    # The writing ones first: whoever reads is at the end when nobody writes any more.
    for role, number, process in sorted(clients, key=lambda c: list(signals).index(c[0])):
        (folder / signals[role]).touch()
        try:
            process.wait(max(1.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)
            time.sleep(1)
            raise SystemExit(f"{role}{number} does not come to its end; it is at\n{tail_of(folder, role, number)}")
    look_after(clients, folder)
