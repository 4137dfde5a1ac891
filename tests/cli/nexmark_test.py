"""weir bench nexmark: events as files, queries measured; the source's tables in jobs."""
import csv
import json

from weir_cli import main

SUMS = """
CREATE TABLE bid (auction bigint, PRICE bigint, dateTime timestamp)
  WITH (connector = 'nexmark', events = '100000', event_time = 'datetime', splits = '${SPLITS:-}');
CREATE TABLE person (id bigint, city text) WITH (connector = 'nexmark', events = '100000');
SELECT count(*) AS n, sum(auction) AS auctions, sum(price) AS prices, max(datetime) AS last FROM bid;
"""


def dump(c, folder, *options, events="5000"):
    c.expect(0, "bench", "nexmark", "--dump", folder, "--events", events, *options)
    return {name: (c.dir / folder / name).read_text()
            for name in ("person.csv", "person.jsonl", "auction.csv", "auction.jsonl", "bid.csv",
                         "bid.jsonl")}


def test_a_number_that_is_none_is_named_shortly(c):
    for option, value in (("--events", "0"), ("--event-rate", "-3"), ("--seconds", "-1"), ("--rate", "x")):
        err = c.expect(2, "bench", "nexmark", "q1", option, value).err
        assert f"{option}: '{value}' is no number" in err and len(err) < 120, err


def test_dump_writes_csv_and_json_of_the_same_rows(c):
    files = dump(c, "a")
    for table, rows in (("person", 100), ("auction", 300), ("bid", 4600)):
        from_csv = list(csv.DictReader(files[f"{table}.csv"].splitlines()))
        from_json = [json.loads(line) for line in files[f"{table}.jsonl"].splitlines()]
        assert len(from_csv) == len(from_json) == rows
        assert from_csv == [{k: str(v) for k, v in row.items()} for row in from_json]
    assert files == dump(c, "again")
    assert files != dump(c, "other", "--seed", "2")
    faster = dump(c, "faster", "--event-rate", "1000000")
    assert faster["bid.csv"].splitlines()[-1].split(",")[5] == "2020-01-01 00:00:00.004999"


def test_dump_is_what_jobs_read(c):
    dumped = list(csv.DictReader(dump(c, "d", events="100000")["bid.csv"].splitlines()))
    want = [len(dumped), sum(int(r["auction"]) for r in dumped), sum(int(r["price"]) for r in dumped)]
    c.write("sums.sql", SUMS)
    for options in (("-p", "1"), ("-p", "3"), ("-p", "2", "--set", "SPLITS=1")):
        out = c.expect(0, "run", "sums.sql", "--final", "-o", "csv", *options).out.splitlines()
        assert out[1] == ",".join(map(str, want)) + ",2020-01-01 00:00:09.9999", (options, out, want)


def test_bench_prints_a_csv_line_a_run(c):
    out = c.expect(0, "bench", "nexmark", "q1", "q12", "--csv", "--events", "300000", "--seconds",
                   "0", "--runs", "2", "--seed", "3").out
    lines = list(csv.DictReader(out.splitlines()))
    assert [(r["query"], r["run"]) for r in lines] == [("q1", "1"), ("q1", "2"), ("q12", "1"),
                                                       ("q12", "2")]
    for r in lines:
        assert r["rows_in"] == "276000" and r["seed"] == "3" and float(r["peak_mib"]) > 1
        assert float(r["events_per_second"]) > 0 and r["latency_p99_ms"] == ""
    assert lines[0]["rows_out"] == "276000"
    memory = c.expect(0, "bench", "nexmark", "q1", "q12", "--csv", "--events", "3000000", "--seconds",
                      "0", "--in-memory").out
    laps = list(csv.DictReader(memory.splitlines()))
    assert [r["rows_in"] for r in laps] == ["2760000", "2760000"]
    # Two laps of one stream are the stream: the same windows.
    whole = c.expect(0, "bench", "nexmark", "q12", "--csv", "--events", "6000000", "--seconds", "0").out
    laps = c.expect(0, "bench", "nexmark", "q12", "--csv", "--events", "6000000", "--seconds", "0",
                    "--in-memory").out
    rows = [int(next(csv.DictReader(t.splitlines()))["rows_out"]) for t in (whole, laps)]
    assert abs(rows[0] - rows[1]) < rows[0] / 20, rows


def test_laps_end_with_the_events(c):
    for events in ("7", "1000", "8192", "100000", "3100007"):
        runs = [c.expect(0, "bench", "nexmark", "q0", "--csv", "--events", events, "--seconds", "0", *more).out
                for more in ((), ("--in-memory",))]
        rows = [next(csv.DictReader(out.splitlines()))["rows_in"] for out in runs]
        assert rows[0] == rows[1] != "0", (events, rows)


def test_bench_measures_latency(c):
    out = c.expect(0, "bench", "nexmark", "q1", "--csv", "--events", "100000", "--rate", "100000",
                   "--seconds", "0.5").out
    row = next(csv.DictReader(out.splitlines()))
    assert 0 < float(row["latency_p50_ms"]) <= float(row["latency_p99_ms"]), row
    assert row["latency_rate"] == "100000"


def test_bench_names_what_it_does_not_know(c):
    assert 'there is no query "q77"' in c.expect(2, "bench", "nexmark", "q77").err
    c.write("file", "")
    assert "cannot make the folder" in c.expect(1, "bench", "nexmark", "--dump", "file/x").err


def test_lint_knows_the_tables(c):
    c.write("wrong.sql", SUMS.replace("PRICE bigint", "prize bigint"))
    assert 'table bid has no column "prize"; did you mean "price"?' in \
        c.expect(2, "lint", "wrong.sql").err


if __name__ == "__main__":
    main(globals())
