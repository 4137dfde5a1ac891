"""Random tables: their columns, their rows, and how each side gets them."""
import random

from grammar import Relation
from scalars import SQL_NAMES

LETTER = {"int": "i", "bigint": "l", "text": "s", "ts": "t", "date": "d", "num": "n", "dbl": "f", "bool": "b"}


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
    if kind == "num":
        return f"{r.choice([r.randrange(-300, 300), r.randrange(0, 4) * 50]) / 100:.2f}"
    return repr(r.randrange(-12, 12) / 4)


def csv_line(row: tuple) -> str:
    def field(v):
        if v is None:
            return ""
        return '"' + v.replace('"', '""') + '"' if v == "" or any(c in v for c in ',"\n') else v
    return ",".join(field(v) for v in row)


class Table:
    def __init__(self, name: str, columns: list, rows: list):
        self.name, self.columns, self.rows = name, columns, rows  # rows: tuples of CSV texts

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
        return (f"CREATE TABLE {self.name} ({self.definition()}) WITH (connector = 'file', "
                f"path = '{self.name}_*.csv', format = 'csv'{options});\n")

    def write(self, folder, files: int) -> None:
        """Its rows in some files, dealt out in turn."""
        for i in range(files):
            part = "".join(csv_line(r) + "\n" for r in self.rows[i::files])
            (folder / f"{self.name}_{i}.csv").write_text(part)


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
        tables.append(Table(f"t{t}", columns, rows))
    return tables
