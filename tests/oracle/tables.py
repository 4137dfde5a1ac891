"""Random tables: their columns, their rows, and how each side gets them."""
import json
import random

from grammar import Relation
from rows import pair_fields, pair_text
from scalars import ITEMS, SQL_NAMES

LETTER = {"int": "i", "bigint": "l", "text": "s", "ts": "t", "date": "d", "num": "n", "dbl": "f", "bool": "b", "ints": "a", "texts": "z", "pair": "p"}


NOT_FINITE = ("Infinity", "-Infinity", "NaN")


def random_value(r: random.Random, kind: str):
    """A value as CSV, few different ones so that rows meet in joins and groups; None is NULL."""
    if r.random() < 0.15:
        return None
    if kind == "int":
        return str(r.choice([r.randrange(0, 6), r.randrange(-20, 20)]))
    if kind == "bigint":
        return str(r.choice([r.randrange(0, 6), r.randrange(-9, 9), 4000000000, -3000000001]))
    if kind == "text":
        return r.choice(["a", "b", "c", "ab", "A", "", "Ab c", "x%", "ä", "a,b", 'q"q', " "])
    if kind == "bool":
        return r.choice(["true", "false"])
    if kind == "ts":
        return f"2024-01-0{r.randrange(1, 4)} {r.randrange(9, 12):02}:{r.choice([0, 30]):02}:00"
    if kind == "date":
        return f"2024-01-0{r.randrange(1, 6)}"
    if kind == "ints":
        return "{" + ",".join(r.choice(["0", "1", "2", "3", "NULL"]) for _ in range(r.choice([0, 1, 1, 2, 3]))) + "}"
    if kind == "texts":
        return "{" + ",".join(r.choice(["a", "b", '"Ab c"', '""', "NULL", "ä"]) for _ in range(r.choice([0, 1, 1, 2, 3]))) + "}"
    if kind == "pair":
        return pair_text(r.choice([None, "0", "1", "2", "-3"]), r.choice([None, "a", "b", "", "Ab c", "ä", "a,b", 'q"q', "(x)"]))
    if kind == "num":
        return f"{r.choice([r.randrange(-300, 300), r.randrange(0, 4) * 50]) / 100:.2f}"
    return repr(r.randrange(-12, 12) / 4)


def passing_value(r: random.Random, kind: str):
    """One that another row follows: of floats also those from which no arithmetic finds back."""
    return r.choice(NOT_FINITE) if kind == "dbl" and r.random() < 0.2 else random_value(r, kind)


def csv_line(row: tuple) -> str:
    def field(v):
        if v is None:
            return ""
        return '"' + v.replace('"', '""') + '"' if v == "" or any(c in v for c in ',"\n') else v
    return ",".join(field(v) for v in row)


def json_array(text: str) -> str:
    """PostgreSQL's text of an array whose elements hold neither commas nor quotes, as JSON."""
    items = text[1:-1].split(",") if text != "{}" else []
    return "[" + ", ".join("null" if i == "NULL" else i if i.startswith('"') or i.isdigit() else json.dumps(i) for i in items) + "]"


def json_pair(text: str) -> str:
    a, b = pair_fields(text)
    return f'{{"a": {"null" if a is None else a}, "b": {json.dumps(b)}}}'


def json_row(columns: list, row) -> str:
    """A row as JSON, numbers as they are written."""
    if row is None:
        return "null"
    texts = ("null" if v is None else json.dumps(v) if k in ("text", "ts", "date") or v in NOT_FINITE else json_array(v) if k in ITEMS else json_pair(v) if k == "pair" else v for v, (_, k) in zip(row, columns))
    return "{" + ", ".join(f'"{n}": {v}' for v, (n, _) in zip(texts, columns)) + "}"


class Table:
    """Rows are tuples of CSV texts. With `history` Weir reads a stream of changes of which they are what stands: lists,
    one for each row that was ever there, of the row's values in turn, None where it is gone. `key`: the columns of its
    PRIMARY KEY, if it has one. `upserts`: the changes say what the key's row is from now on."""

    def __init__(self, name: str, columns: list, rows: list, history=None, key=(), upserts=False):
        self.name, self.columns, self.rows, self.history, self.key, self.upserts = name, columns, rows, history, key, upserts

    def with_rows(self, rows: list):
        return Table(self.name, self.columns, rows, key=self.key)

    def records(self) -> int:
        return sum(len(h) for h in self.history) if self.history else len(self.rows)

    def relation(self) -> Relation:
        return Relation(self.name, self.columns)

    def definition(self) -> str:
        return ", ".join(f"{n} {SQL_NAMES[k]}" for n, k in self.columns)

    def postgres(self) -> str:
        """Statements that make and fill it."""
        text = f"CREATE TABLE {self.name} ({self.definition()});\n"
        if self.rows:
            rows = ",\n  ".join("(" + ", ".join("NULL" if v is None else "'" + v.replace("'", "''") + "'" for v in r) + ")"
                                for r in self.rows)
            text += f"INSERT INTO {self.name} VALUES\n  {rows};\n"
        return text

    def weir(self, options: str) -> str:
        form, kind = ("upsert_json" if self.upserts else "debezium_json", "json") if self.history else ("csv", "csv")
        key = f", PRIMARY KEY ({', '.join(self.key)})" if self.key else ""
        return (f"CREATE TABLE {self.name} ({self.definition()}{key}) WITH (connector = 'file', "
                f"path = '{self.name}_*.{kind}', format = '{form}'{options});\n")

    def write(self, folder, files: int) -> None:
        """Its rows in some files, dealt out in turn; all changes of one row are in one file."""
        for i in range(files):
            if self.history:
                (folder / f"{self.name}_{i}.json").write_text(self.changes(self.history[i::files]))
                continue
            part = "".join(csv_line(r) + "\n" for r in self.rows[i::files])
            (folder / f"{self.name}_{i}.csv").write_text(part)

    def changes(self, histories: list) -> str:
        """Debezium's envelopes, or upserts; the rows' changes in turn, so that they mix."""
        lines = []
        for turn in range(max((len(h) for h in histories), default=0)):
            for h in histories:
                if turn < len(h):
                    before = h[turn - 1] if turn else None
                    if self.upserts:
                        lines.append(self.upsert(h[turn] or before, h[turn]))
                        continue
                    op = "c" if before is None else "d" if h[turn] is None else "u"
                    lines.append(f'{{"before": {json_row(self.columns, before)}, '
                                 f'"after": {json_row(self.columns, h[turn])}, "op": "{op}"}}\n')
        return "".join(lines)


    def upsert(self, known: tuple, row) -> str:
        """`known`: a row of the key. The value has its columns once more, or not."""
        at = [i for i, (n, _) in enumerate(self.columns) if n in self.key]
        key = json_row([self.columns[i] for i in at], [known[i] for i in at])
        rest = [i for i in range(len(self.columns)) if i not in at or known[0] and len(known[0]) % 2]
        value = None if row is None else json_row([self.columns[i] for i in rest], [row[i] for i in rest])
        return f'{{"key": {key}, "value": {value or "null"}}}\n'


def keyed(rows: list, history: list) -> tuple:
    """The same with numbers of their own in the first column, one for all that a history says of its row."""
    number = {id(h): str(i) for i, h in enumerate(history)}
    with_key = [[row and (number[id(h)],) + row[1:] for row in h] for h in history]
    return [h[-1] for h in with_key if h[-1]], with_key


def random_history(r: random.Random, kinds: list, rows: list) -> list:
    """How the rows came to be, and others that came and went."""
    value = lambda: tuple(passing_value(r, k) for k in kinds)
    histories = []
    for row in rows:
        histories.append([value() for _ in range(r.choice([0, 0, 1, 2]))] + [row])
    for _ in range(len(rows) // 3 + 1):
        gone = r.choice([value(), r.choice(rows) if rows else value()])
        histories.append([gone, None] if r.random() < 0.7 else [value(), gone, None, gone, None])
    r.shuffle(histories)
    return histories


def random_tables(r: random.Random, rows_max: int) -> list:
    tables = []
    for t in range(r.randrange(2, 5)):
        kinds = ["int"] + r.sample(list(LETTER), r.randrange(1, 6)) + r.choices(list(LETTER), k=r.randrange(0, 2))
        seen, columns = {}, []
        for k in kinds:
            n = seen[k] = seen.get(k, -1) + 1
            columns.append((f"{LETTER[k]}{n}", k))
        n = r.choice([0, 2, 6, 12, 12, 20, 20, 25, rows_max, rows_max])
        rows = [tuple(random_value(r, k) for _, k in columns) for _ in range(min(n, rows_max))]
        for _ in range(len(rows) // 5):  # the same row again
            rows[r.randrange(len(rows))] = r.choice(rows)
        if len(columns) == 1:  # a line without a field is no record
            rows = [row for row in rows if row[0] is not None]
        history = random_history(r, [k for _, k in columns], rows) if r.random() < 0.35 else None
        if history and r.random() < 0.4:
            rows, history = keyed(rows, history)
            tables.append(Table(f"t{t}", columns, rows, history, (columns[0][0],), True))
            continue
        tables.append(Table(f"t{t}", columns, rows, history))
    return tables
