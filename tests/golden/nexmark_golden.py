"""Nexmark's golden results: how rows are compared and how they are kept.

A result is the sorted rows of a query's sink, with floating point rounded to 12 digits (an average of
another order of summation differs in the last). Results of up to 300 rows are golden/nexmark/qN.csv;
of larger ones, golden/nexmark/qN.digest has the number of rows, their SHA-256 and the first few.
"""
import csv
import hashlib
import io
import pathlib
import re
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUERIES = ROOT / "jobs" / "examples" / "nexmark"
GOLDEN = ROOT / "tests" / "golden" / "nexmark"
# The fixed input: what these options of the source give.
EVENTS, EVENT_RATE, SEED = 200_000, 1_000, 1
ROWS_KEPT = 300


def names() -> list:
    return sorted((p.stem for p in QUERIES.glob("q*.sql")), key=lambda n: int(n[1:]))


def sink_columns(query: str) -> list:
    """(name, type) of the columns that the query's sink declares."""
    text = (QUERIES / f"{query}.sql").read_text()
    body = re.search(rf"CREATE TABLE nexmark_{query} \((.*?)\n\) WITH", text, re.S).group(1)
    columns = re.split(r",\s*(?![^(]*\))", " ".join(body.split()))
    return [tuple(c.split(" ", 1)) for c in columns]


def canonical(query: str, lines: str) -> list:
    """Sorted rows, as CSV lines, of CSV text."""
    floats = [i for i, (_, kind) in enumerate(sink_columns(query)) if kind == "double precision"]
    out = []
    for row in csv.reader(io.StringIO(lines)):
        for i in floats:
            if row[i]:
                row[i] = f"{float(row[i]):.12g}"
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(row)
        out.append(line.getvalue())
    return sorted(out)


def published(folder: pathlib.Path) -> str:
    """All lines of the parts; the values of their partitions are the last columns."""
    text = []
    for part in sorted(folder.rglob("*.csv")):
        names = part.parent.relative_to(folder).parts
        values = "".join("," + urllib.parse.unquote(n.split("=", 1)[1]) for n in names)
        lines = part.read_text()
        text.append(lines.replace("\n", values + "\n") if values else lines)
    return "".join(text)


def digest_text(rows: list) -> str:
    digest = hashlib.sha256("".join(r + "\n" for r in rows).encode()).hexdigest()
    first = "".join(f"# {r}\n" for r in rows[:3])
    return f"rows {len(rows)}\nsha256 {digest}\n{first}"


def golden_file(query: str) -> pathlib.Path:
    small = GOLDEN / f"{query}.csv"
    return small if small.exists() else GOLDEN / f"{query}.digest"


def write_golden(query: str, rows: list) -> None:
    for old in ("csv", "digest"):
        (GOLDEN / f"{query}.{old}").unlink(missing_ok=True)
    if len(rows) <= ROWS_KEPT:
        (GOLDEN / f"{query}.csv").write_text("".join(r + "\n" for r in rows))
    else:
        (GOLDEN / f"{query}.digest").write_text(digest_text(rows))


def difference(query: str, rows: list) -> str:
    """What is wrong with a result; nothing when it is the golden one."""
    want = golden_file(query).read_text()
    if golden_file(query).suffix == ".digest":
        got = digest_text(rows)
        return "" if got == want else f"golden: {want}got: {got}"
    wanted = want.splitlines()
    if rows == wanted:
        return ""
    missing, surplus = set(wanted) - set(rows), set(rows) - set(wanted)
    return (f"{len(rows)} rows, expected {len(wanted)}; missing {sorted(missing)[:5]}, "
            f"surplus {sorted(surplus)[:5]}")
