#!/usr/bin/env python3
"""An endless source behind a consumer that does not read: memory stays under the budget, the CPU
near idle, and SIGTERM still stops the job. Usage: backpressure_test.py WEIR
"""
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from weir_cli import Case  # noqa: E402

JOB = """name: endless
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1}}
steps:
  - {name: doubled, from: numbers, select: [n, {m: n * 2}]}
sinks:
  - {from: doubled, into: stdout}
"""
# Program, libraries and threads need some 40 MB before the first row.
BUDGET_MIB, PROGRAM_MIB = 64, 64


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    c = Case(sys.argv[1])
    try:
        c.write("endless.yaml", JOB)
        process = c.start("run", "endless.yaml", "--quiet", "--memory", f"{BUDGET_MIB}MiB")
        time.sleep(2)
        before = cpu_seconds(process.pid)
        time.sleep(6)
        share = (cpu_seconds(process.pid) - before) / 6
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        peak = int(next(l for l in status.splitlines() if l.startswith("VmHWM")).split()[1]) / 1024
        assert process.poll() is None
        assert share < 0.05, f"{share:.1%} of a core while nobody reads"
        assert peak < BUDGET_MIB + PROGRAM_MIB, f"peak of {peak:.0f} MiB"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)  # the consumer never reads: at once
        process.communicate(timeout=20)
        print(f"ok   nobody reads: {share:.2%} of a core, peak of {peak:.0f} MiB")
    finally:
        c.close()


if __name__ == "__main__":
    main()
