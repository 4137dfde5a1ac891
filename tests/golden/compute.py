#!/usr/bin/env python3
"""Computes what the flights jobs (jobs/examples/flights) must write, from the data, without Weir. Results of routes.sql, turnarounds.sql and
weather.sql are PostgreSQL's: flights_postgres.py.

usage: compute.py [--check]        writes tests/golden/flights/*.csv; --check only compares
       compute.py --logbook        writes jobs/examples/flights/data/logbook.txt, the text of wordcount

Rows are sorted as lines of bytes (LC_ALL=C sort); no header line. See README.md.
"""
import collections
import csv
import datetime
import decimal
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "jobs/examples/flights/data"
GOLDEN = ROOT / "tests/golden/flights"


def rows(name):
    with open(DATA / name, newline="", encoding="utf-8") as f:
        yield from csv.DictReader(f)


def number(text):
    return None if text == "NA" else int(text)


def double(v):
    """The shortest text that reads back the same; whole numbers without a fraction."""
    if v == int(v) and abs(v) < 1e15:
        return str(int(v))
    assert 1e-4 <= abs(v) < 1e15, v
    return repr(v)


def timestamp(t):
    return t.strftime("%Y-%m-%d %H:%M:%S")


def four_digits(v):
    """A double as decimal(38,4): of its shortest text, half away from zero. Four digits, since means
    of up to 31 counts are never exactly between two of them, so that how a mean is summed up cannot
    decide how it is rounded."""
    return str(decimal.Decimal(repr(v)).quantize(decimal.Decimal("0.0001"), decimal.ROUND_HALF_UP))


def carriers():
    groups = collections.defaultdict(list)
    for r in rows("flights_2013_01.csv"):
        groups[r["carrier"]].append(r)
    for carrier, flights in groups.items():
        delays = [number(r["dep_delay"]) for r in flights if r["dep_delay"] != "NA"]
        yield [
            carrier,
            len(flights),
            sum(r["dep_time"] == "NA" for r in flights),
            sum(d > 15 for d in delays),
            double(sum(delays) / len(delays)),
            max(delays),
            sum(number(r["distance"]) for r in flights),
        ]


def hourly(cancelled=False):
    """(origin, hour) -> departures; with `cancelled` also those that did not take place."""
    counts = collections.Counter()
    for r in rows("flights_2013_01.csv"):
        if r["dep_time"] == "NA" and not cancelled:
            continue
        sched = datetime.datetime.strptime(r["time_hour"], "%Y-%m-%dT%H:%M:%SZ")
        sched += datetime.timedelta(minutes=int(r["minute"]))
        counts[r["origin"], sched.replace(minute=0, second=0)] += 1
    return counts


def departures():
    for (origin, hour), n in hourly().items():
        yield [origin, timestamp(hour), n]


def busy():
    for (origin, hour), n in hourly(cancelled=True).items():
        yield [origin, timestamp(hour), n]


def anomalies():
    """Per origin and hour of the day, in order of time: counts more than 3 standard deviations (at
    least 1) from the mean of those before, once five are known. Two passes over what came before,
    in exact sums: not the running formula that the operator uses."""
    before = collections.defaultdict(list)
    for (origin, hour), n in sorted(hourly().items(), key=lambda e: e[0][1]):
        known = before[origin, hour.hour]
        if len(known) >= 5:
            mean = sum(known) / len(known)
            variance = math.fsum((x - mean) ** 2 for x in known) / (len(known) - 1)
            score = (n - mean) / max(math.sqrt(variance), 1.0)
            if abs(score) > 3:
                yield [origin, timestamp(hour), n, four_digits(mean), four_digits(score)]
        known.append(n)


def scheduled(r):
    sched = datetime.datetime.strptime(r["time_hour"], "%Y-%m-%dT%H:%M:%SZ")
    return sched + datetime.timedelta(minutes=int(r["minute"]))


def departures_due():
    """Flights with the time at which they were to leave."""
    for r in rows("flights_2013_01.csv"):
        yield scheduled(r), r


def worst(flights):
    """The longest delay; empty where all were cancelled."""
    delays = [number(r["dep_delay"]) for r in flights if r["dep_delay"] != "NA"]
    return max(delays) if delays else ""


def hops():
    """Every quarter of an hour, over the two hours before it."""
    quarter = datetime.timedelta(minutes=15)
    windows = collections.defaultdict(list)
    for sched, r in departures_due():
        end = sched - (sched - datetime.datetime(1970, 1, 1)) % quarter + quarter
        for k in range(8):
            windows[r["origin"], end + k * quarter].append(r)
    for (origin, end), flights in windows.items():
        yield [origin, timestamp(end), len(flights), worst(flights),
               len({r["carrier"] for r in flights}), min(r["dest"] for r in flights)]


def growth():
    """The day so far at each full hour, from the first hour with a flight on."""
    days = collections.defaultdict(list)
    for sched, r in departures_due():
        days[r["carrier"], sched.date()].append((sched, r))
    for (carrier, day), flights in days.items():
        midnight = datetime.datetime.combine(day, datetime.time())
        for hour in range(1, 25):
            end = midnight + datetime.timedelta(hours=hour)
            so_far = [r for sched, r in flights if sched < end]
            if so_far:
                delays = [number(r["dep_delay"]) for r in so_far if r["dep_delay"] != "NA"]
                yield [carrier, timestamp(end), len(so_far), sum(delays) if delays else ""]


def rotations():
    """Runs of an aircraft's flights with less than eight hours between."""
    aircraft = collections.defaultdict(list)
    for sched, r in departures_due():
        if r["tailnum"] != "NA":
            aircraft[r["tailnum"]].append((sched, r))
    for tailnum, flights in aircraft.items():
        flights.sort(key=lambda f: f[0])
        runs = [[flights[0]]]
        for before, flight in zip(flights, flights[1:]):
            if flight[0] - before[0] >= datetime.timedelta(hours=8):
                runs.append([])
            runs[-1].append(flight)
        for run in runs:
            if len(run) > 1:
                yield [tailnum, timestamp(run[0][0]), timestamp(run[-1][0]), len(run),
                       len({r["origin"] for _, r in run}), worst([r for _, r in run])]


def words():
    text = (DATA / "logbook.txt").read_text(encoding="ascii")
    counts = collections.Counter(re.findall("[a-z]+", text.lower()))
    for word, n in counts.items():
        yield [word, n]


def logbook():
    """A traveller's log, a paragraph per airport, made of airports.csv alone."""
    openings = ["We came down at", "The morning found us at", "Nobody expected to land at",
                "After a long day we reached", "Fog kept us for an hour above", "Once more we saw"]
    heights = [(100, "so low that the sea was never far"), (1000, "among fields and low hills"),
               (5000, "where the air begins to thin"), (99999, "high up between the mountains")]
    endings = ["and the wind had turned by evening.", "and we left before the rain came.",
               "and the coffee was better than the weather.", "and the runway lights stayed on all night.",
               "and the next leg would be longer."]
    out = []
    for i, r in enumerate(rows("airports.csv")):
        if i % 2:  # every other airport: enough text
            continue
        height = next(text for limit, text in heights if int(r["alt"]) < limit)
        side = "north" if float(r["lat"]) > 40 else "south"
        out.append(f"{openings[i % len(openings)]} {r['name']}, which the charts call {r['faa']}, "
                   f"{r['alt']} feet above the sea, {height},")
        out.append(f"on the clock of {r['tzone'].replace('_', ' ')}; we had come from the {side}, "
                   f"{endings[i % len(endings)]}")
        out.append("")
    text = "\n".join(out)
    assert text.isascii()
    (DATA / "logbook.txt").write_text(text, encoding="ascii")


def main():
    if "--logbook" in sys.argv:
        return logbook()
    status = 0
    for job in (carriers, departures, busy, anomalies, words, hops, growth, rotations):
        lines = sorted(",".join(map(str, row)) + "\n" for row in job())
        text = "".join(lines)
        path = GOLDEN / f"{job.__name__}.csv"
        if "--check" in sys.argv:
            if path.read_text() != text:
                print(f"{path} differs", file=sys.stderr)
                status = 1
        else:
            path.write_text(text)
            print(f"{path.relative_to(ROOT)}: {len(lines)} rows")
    return status


if __name__ == "__main__":
    sys.exit(main())
