"""Many scripts at a time, each from a seed, against one PostgreSQL."""
import argparse
import threading
import time
import traceback

from postgres import Server


def arguments(scripts: int, jobs: int) -> argparse.ArgumentParser:
    a = argparse.ArgumentParser()
    a.add_argument("weir")
    a.add_argument("--scripts", type=int, default=scripts)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--jobs", type=int, default=jobs, help="at a time; they wait for the most part")
    a.add_argument("--scripts-of", type=int, nargs="*", help="only these")
    return a


def run_scripts(options, first: int, make, report, seconds: float = 1e9) -> float:
    """make(db, seed) gives a script with run(), which says what is wrong, and close(). report(seed, script, wrong) is called by one
    thread at a time; script is None where it could not be made. `first`: its seed; no script begins after `seconds`. The seconds
    that all took."""
    began, lock = time.time(), threading.Lock()
    seeds = options.scripts_of or list(range(first, first + options.scripts))

    def work(server) -> None:
        with server.connect() as db:
            while time.time() - began < seconds:
                with lock:
                    if not seeds:
                        return
                    seed = seeds.pop(0)
                script = None
                try:
                    script = make(db, seed)
                    wrong = script.run()
                except Exception:  # a bug of the test is a failure, too
                    wrong = traceback.format_exc()
                with lock:
                    report(seed, script, wrong)
                if script:
                    script.close()

    with Server() as server:
        threads = [threading.Thread(target=work, args=(server,)) for _ in range(options.jobs)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    return time.time() - began
