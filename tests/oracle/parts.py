"""What sinks of changes have published, by epoch: debezium_json and upsert_json parts to rows as PostgreSQL has them.

A part is named part-TAG-TASK-EPOCH-NUMBER.json (docs/sql.md, "Change streams"): what it holds is part of that epoch, and
of all that come after it.
"""
import json
import pathlib

from rows import Rows, pair_text, plain
from scalars import ITEMS


def array_items(kind: str, text: str) -> list:
    """PostgreSQL's text of an array."""
    out, i, body = [], 0, text[1:-1]
    while i < len(body):
        if body[i] == '"':
            item, i = "", i + 1
            while body[i] != '"':
                i += body[i] == "\\"
                item += body[i]
                i += 1
            out.append(item)
            i += 2
        else:
            end = body.find(",", i)
            end = len(body) if end < 0 else end
            word = body[i:end]
            out.append(None if word == "NULL" else int(word) if kind == "ints" else word)
            i = end + 1
    return out


def as_json(rows: Rows, kinds: list) -> Rows:
    """Rows as rows.parse() gives them, with arrays spelled as `value` spells them."""
    spell = lambda k, v: json.dumps(array_items(k, v)) if k in ITEMS and v is not None else v
    out = Rows()
    for row, n in rows.items():
        out[tuple(spell(k, v) for k, v in zip(kinds, row))] += n
    return out


def value(kind: str, v):
    """A value of a JSON object, numbers as they were written."""
    if v is None:
        return None
    if kind == "bool":
        return "true" if v else "false"
    if kind == "pair":
        return pair_text(v["a"], v["b"])
    return json.dumps(v) if kind in ITEMS else plain(kind, str(v))


def row_of(names: list, kinds: list, o: dict) -> tuple:
    return tuple(value(k, o[n]) for n, k in zip(names, kinds))


def by_epoch(folder: pathlib.Path) -> dict:
    """epoch: the JSON objects of its parts. Those of one task are in order, tasks one after the other."""
    out = {}
    named = [(p.stem.rsplit("-", 3), p) for p in folder.glob("part-*.json")]
    for (_, task, epoch, number), p in sorted(named, key=lambda x: tuple(map(int, x[0][1:]))):
        lines = out.setdefault(int(epoch), [])
        lines += [json.loads(l, parse_float=str) for l in p.read_text().splitlines()]
    return dict(sorted(out.items()))


def apply_changes(standing: Rows, envelopes: list, names: list, kinds: list) -> None:
    """Adds what Debezium's envelopes say; a row that is taken back too often is negative."""
    for o in envelopes:
        for side, weight in (("before", -1), ("after", 1)):
            if o[side] is not None:
                row = row_of(names, kinds, o[side])
                standing[row] += weight
                if not standing[row]:
                    del standing[row]


def apply_upserts(standing: dict, records: list) -> None:
    """By key: the row that stands."""
    for o in records:
        key = json.dumps(o["key"])
        if o["value"] is None:
            standing.pop(key, None)
        else:
            standing[key] = o["value"]
