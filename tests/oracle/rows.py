"""Rows as the oracle tests compare them: CSV text to values whose text is one for both sides."""
import collections
import decimal
import math

WIDE = decimal.Context(60, decimal.ROUND_HALF_UP)
Rows = collections.Counter  # of tuples of text; None is NULL


def fields(line: str) -> list:
    """A CSV record without line feeds in it: None for an empty field, '' for a quoted empty one."""
    out, i = [], 0
    while True:
        if line.startswith('"', i):
            end = i + 1
            while not (line.startswith('"', end) and not line.startswith('""', end)):
                end += 2 if line.startswith('""', end) else 1
            out.append(line[i + 1:end].replace('""', '"'))
            i = end + 1
        else:
            end = line.find(",", i)
            end = len(line) if end < 0 else end
            out.append(line[i:end] if end > i else None)
            i = end
        if i >= len(line):
            return out
        i += 1
        if i == len(line):
            return out + [None]


def pair_text(a, b) -> str:
    """PostgreSQL's text of a pair, of whose attributes one is a number and one a text."""
    quoted = '"' + (b or "").replace("\\", "\\\\").replace('"', '""') + '"'
    plain_b = b is not None and b != "" and not any(c in b for c in '(),"\\ ')
    return f"({'' if a is None else a},{'' if b is None else b if plain_b else quoted})"


def pair_fields(text: str) -> tuple:
    a, _, b = text[1:-1].partition(",")
    if b.startswith('"'):
        return a or None, b[1:-1].replace('""', '"').replace("\\\\", "\\")
    return a or None, b or None


def plain(kind: str, text):
    """One spelling per value: numbers without trailing zeros, to 13 digits, floats to 10 digits, true and false."""
    if text is None or kind in ("text", "ts", "date", "int", "bigint", "ints", "texts", "pair"):
        return text
    if kind == "bool":
        return {"t": "true", "f": "false"}.get(text, text)
    if kind == "num":
        if text == "NaN":
            return text
        # Quotients have 16 digits after the point, PostgreSQL's at least 16 significant ones.
        value = WIDE.quantize(decimal.Decimal(text), decimal.Decimal("0.0000000001"))
        if value * 100 % 1 != 0:
            value = decimal.Context(13, decimal.ROUND_HALF_UP).plus(value)
        return format(WIDE.normalize(value) + 0, "f")
    value = float(text)
    if not math.isfinite(value):
        return text
    if value != 0 and abs(value) < 1e-9:
        value = 0.0
    return format(value, ".10g").replace("-0", "0") if value == 0 else format(value, ".10g")


def parse(text: str, kinds: list) -> Rows:
    """CSV without header to a multiset of rows."""
    out = Rows()
    for line in text.splitlines():
        row = fields(line)
        if len(row) != len(kinds):
            raise ValueError(f"{len(row)} fields where {len(kinds)} were expected: {line!r}")
        out[tuple(plain(k, f) for k, f in zip(kinds, row))] += 1
    return out


def consolidate(text: str, kinds: list) -> Rows:
    """Changes (first field + or -) to what stands after them; a row taken back too often is negative."""
    out = Rows()
    for line in text.splitlines():
        op, *row = fields(line)
        out[tuple(plain(k, f) for k, f in zip(kinds, row))] += {"+": 1, "-": -1}[op]
    return Rows({row: n for row, n in out.items() if n})


def difference(got: Rows, want: Rows) -> str:
    """Empty when equal; else some missing and surplus rows."""
    if got == want:
        return ""
    show = lambda r, n: f"{n} x (" + ", ".join("NULL" if f is None else repr(f) for f in r) + ")"
    lines = [f"{sum(got.values())} rows, expected {sum(want.values())}"]
    for title, a, b in (("missing", want, got), ("surplus", got, want)):
        some = [(r, n - b[r]) for r, n in a.items() if n > b[r]]
        some.sort(key=lambda x: tuple((f is None, f or "") for f in x[0]))
        lines += [f"  {title} {show(r, n)}" for r, n in some[:8]]
        if len(some) > 8:
            lines.append(f"  ... {len(some)} {title} rows in all")
    return "\n".join(lines)
