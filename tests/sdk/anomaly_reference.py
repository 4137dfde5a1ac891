#!/usr/bin/env python3
"""Computes independently what the example operator anomaly_detector finds in flight data.

Counts flights per origin and hour of their scheduled departure (time_hour + minute, UTC, which is the
hour of time_hour), takes every origin's counts in order of time, and keeps mean and variance per hour
of the day (Welford's method on IEEE doubles, so that the bits agree). A count is reported when at
least MIN_SAMPLES earlier ones are known and it is more than THRESHOLD standard deviations away from
their mean. Hours without flights have no count.

Output: CSV with header origin,window_start,n,expected,score, sorted by origin and time; doubles as the
shortest text that reads back the same, whole numbers without fraction.

usage: anomaly_reference.py [options] FLIGHTS.csv...     (.zst needs the zstd program)
"""
import argparse
import collections
import csv
import io
import math
import re
import statistics
import subprocess
import sys
from decimal import Decimal


def open_text(path):
    if path.endswith(".zst"):
        text = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
        return io.StringIO(text.decode())
    return open(path, newline="")


def double_text(v):
    """As PostgreSQL prints float8: shortest digits, exponents below 1e-4 and from 1e15."""
    if v == int(v) and abs(v) < 1e15:
        return str(int(v))
    if 1e-4 <= abs(v) < 1e15:
        return format(Decimal(repr(v)), "f")
    return re.sub(r"\.0(?=e|$)", "", repr(v))


def check(values, mean, deviation):
    """The running numbers against the textbook's, computed exactly over all values."""
    assert math.isclose(mean, statistics.mean(values), rel_tol=1e-12)
    if len(values) > 1:
        assert math.isclose(deviation, statistics.stdev(values), rel_tol=1e-9, abs_tol=1e-12)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("files", nargs="+")
    p.add_argument("--departed", action="store_true", help="leave cancelled flights out")
    p.add_argument("--threshold", type=float, default=3.0)
    p.add_argument("--min-samples", type=int, default=5)
    p.add_argument("--min-deviation", type=float, default=1.0)
    p.add_argument("--all-hours-together", action="store_true")
    p.add_argument("--counts", action="store_true", help="print the counts instead")
    a = p.parse_args()

    counts = collections.Counter()
    for path in a.files:
        with open_text(path) as f:
            for row in csv.DictReader(f):
                if a.departed and row["dep_time"] == "NA":
                    continue
                if row["time_hour"] == "NA" or row["minute"] == "NA":
                    continue
                # 2013-01-01T10:00:00Z and a minute below 60: the hour's window begins at time_hour.
                assert row["time_hour"].endswith(":00:00Z") and int(row["minute"]) < 60
                start = row["time_hour"].replace("T", " ").rstrip("Z")
                counts[row["origin"], start] += 1

    out = csv.writer(sys.stdout, lineterminator="\n")
    if a.counts:
        out.writerow(["origin", "window_start", "n"])
        out.writerows([o, t, n] for (o, t), n in sorted(counts.items()))
        return
    out.writerow(["origin", "window_start", "n", "expected", "score"])
    stats = {}
    earlier = collections.defaultdict(list)
    for (origin, start), n in sorted(counts.items()):
        hour = -1 if a.all_hours_together else int(start[11:13])
        count, mean, m2 = stats.get((origin, hour), (0, 0.0, 0.0))
        if count >= a.min_samples:
            deviation = math.sqrt(m2 / float(count - 1)) if count > 1 else 0.0
            score = (float(n) - mean) / max(deviation, a.min_deviation)
            if abs(score) > a.threshold:
                check(earlier[origin, hour], mean, deviation)
                out.writerow([origin, start, n, double_text(mean), double_text(score)])
        earlier[origin, hour].append(n)
        count += 1
        delta = float(n) - mean
        mean += delta / float(count)
        m2 += delta * (float(n) - mean)
        stats[origin, hour] = (count, mean, m2)


if __name__ == "__main__":
    main()
