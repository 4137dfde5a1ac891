#!/usr/bin/env python3
"""kill -9 of a node under load: four idempotent producers (acks=all), two transactional writers
that commit one half and abort the other, three groups of consumers, a copier that moves records and
offsets in transactions. After the last life a verifier compares the clients' journals with the
topics: nothing acknowledged is lost, nothing is there twice, order is kept per key, transactions are
whole or invisible, group offsets never ran backwards. Prints the seed.

Usage: broker_kill_test.py WEIR [--kills N] [--seed S] [--keep FOLDER]
"""
import argparse
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker import Broker  # noqa: E402
from broker_load import finish, look_after, start_clients  # noqa: E402
from broker_verify import COPIES, LOAD, MIXES, TRANSACTIONS, Verifier  # noqa: E402

PARTITIONS = 4
# Of a life, in seconds: some end during recovery and before clients are back, some are long enough
# for rebalances and segments that roll.
LIVES = (0.02, 0.3, 0.8, 1.5, 2.5)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("weir")
    arguments.add_argument("--kills", type=int, default=8)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--keep", help="a folder for everything, which stays")
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    chance = random.Random(a.seed)
    broker = Broker(a.weir, a.keep)
    clients = []
    try:
        folder = broker.dir / "journals"
        folder.mkdir()
        broker.start()
        # Small segments: recovery meets closed ones, open ones and the change between them.
        small = {"segment.bytes": str(1 << 20)}
        broker.create({t: small for t in (LOAD, TRANSACTIONS, COPIES, MIXES)}, PARTITIONS)
        clients = start_clients(subprocess.Popen, broker.address, folder, a.seed)
        time.sleep(1.5)  # they come up
        ready = []
        for kill in range(a.kills):
            time.sleep(chance.choice(LIVES) * chance.uniform(0.5, 1.0))
            broker.kill()
            look_after(clients, folder)
            # Every tenth dies while it starts, too.
            if kill % 10 == 5:
                broker.start(wait=False)
                time.sleep(chance.uniform(0, 0.1))
                broker.kill()
            ready.append(broker.start())
        time.sleep(2)
        finish(clients, folder)
        broker.kill()
        after_kill = broker.start()
        ready.append(after_kill)
        print(f"{a.kills} kills; ready after {sorted(ready)[len(ready) // 2]:.3f} s in the median, "
              f"{max(ready):.3f} s at most, {after_kill:.3f} s after the last", flush=True)
        if not Verifier(broker.address, folder, PARTITIONS).run():
            sys.exit(1)
        # A stop in good order changes nothing of it.
        broker.stop()
        print(f"ready {broker.start():.3f} s after a clean stop")
        again = Verifier(broker.address, folder, PARTITIONS)
        ok = again.run()
        complaints = [l for l in broker.said().splitlines() if "lost" in l or "damaged" in l]
        if complaints:
            sys.exit(f"the node reports damage: {complaints[:5]}")
        sys.exit(0 if ok else 1)
    finally:
        for _, _, process in clients:
            if process.poll() is None:
                process.kill()
                process.wait()
        broker.close()


if __name__ == "__main__":
    main()
