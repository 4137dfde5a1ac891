#!/usr/bin/env python3
"""The SQL job that README.md begins with, word by word, against its golden file: plainly, killed, and
restored at another parallelism. Usage: readme_test.py WEIR"""
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from weir_jobs import GOLDEN, JOBS, ROOT, published


def main() -> None:
    weir = str(pathlib.Path(sys.argv[1]).resolve())
    script = re.search(r"^```sql\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    want = (GOLDEN / "busy.csv").read_bytes()
    with tempfile.TemporaryDirectory(prefix="weir-readme-") as name:
        folder = pathlib.Path(name)
        (folder / "flights_2013_01.csv").symlink_to(JOBS / "data" / "flights_2013_01.csv")
        (folder / "busy.sql").write_text(script)

        def run(*options: str) -> None:
            subprocess.run([weir, "run", "busy.sql", "--quiet", *options], cwd=folder, check=True,
                           timeout=60)
            if published(folder / "out" / "busy") != want:
                raise SystemExit(f"{options}: the rows are not those of busy.csv")

        run()
        run("-p", "1")
        # The job takes some hundredths of a second: kills hit its start, its reading and its end.
        chance = random.Random(1)
        for kill in range(8):
            process = subprocess.Popen([weir, "run", "busy.sql", "--quiet", "--data-dir", "state",
                                        "--snapshot-interval", "100ms", "-p", str(1 + kill % 3)],
                                       cwd=folder, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, 0.12))
            process.send_signal(signal.SIGKILL)
            process.wait()
        run("--data-dir", "state", "-p", "2")


if __name__ == "__main__":
    main()
