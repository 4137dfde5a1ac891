"""Random scalar expressions and conditions in the part of SQL that both sides give the same answers to.

Nothing here can fail at run time (no overflow, no division by zero, no cast that does not fit): where an
error is raised may differ, so expressions that fail belong to expressions_test.py.
"""
KINDS = ["int", "text", "bigint", "num", "ts", "bool", "date", "dbl", "ints", "texts", "pair"]
SQL_NAMES = {"int": "int", "bigint": "bigint", "text": "text", "ts": "timestamp", "date": "date",
             "num": "numeric(12, 2)", "dbl": "double precision", "bool": "boolean", "ints": "int[]", "texts": "text[]", "pair": "pair"}
PAIR = "CREATE TYPE pair AS (a int, b text)"
LITERALS = {
    "int": ["1", "0", "2", "3", "-4", "10"],
    "bigint": ["2::bigint", "4000000000", "0::bigint", "-5::bigint"],
    "text": ["'a'", "'b'", "''", "'Ab c'", "'x%'", "'ä'"],
    "ts": ["timestamp '2024-01-01 10:00:00'", "timestamp '2024-01-02 00:00:00'", "timestamp '2023-12-31 23:59:59.5'"],
    "date": ["date '2024-01-01'", "date '2024-01-03'", "date '2024-02-29'"],
    "num": ["1.50", "0.0", "-2.25", "10.00"],
    "dbl": ["0.5::float8", "2::float8", "-1.25::float8"],
    "bool": ["true", "false"],
    "ints": ["'{1,2}'::int[]", "'{}'::int[]", "ARRAY[3, NULL]", "'{0}'::int[]"],
    "pair": ["ROW(1, 'a')::pair", "'(2,b)'::pair", "ROW(NULL, 'b')::pair", "'(3,)'::pair", "'(,)'::pair"],
    "texts": ["'{a,b}'::text[]", "'{}'::text[]", "ARRAY['Ab c', NULL]", "'{a}'::text[]"],
}
ITEMS = {"ints": "int", "texts": "text"}  # what is in an array
NUMBERS = ["int", "bigint", "num", "dbl"]


class Scope:
    """What can be read where an expression stands: texts by kind, and what is around the query."""

    def __init__(self, atoms: list, outer=None, shared=None, not_of_atoms=True):
        self.atoms, self.outer = atoms, outer  # [(text, kind)]
        self.shared = atoms if shared is None else shared  # what subqueries may read
        self.not_of_atoms = not_of_atoms

    def own(self, kind: str) -> list:
        return [text for text, k in self.atoms if k == kind]

    def kinds(self) -> list:
        return sorted({k for _, k in self.atoms}, key=KINDS.index)

    def around(self, kind: str) -> list:
        if not self.outer:
            return []
        return [text for text, k in self.outer.shared if k == kind] + self.outer.around(kind)


class Scalars:
    """Needs self.c (Choices); self.subquery_value and self.subquery_condition come from the query grammar."""

    def atom(self, kind: str, scope: Scope) -> str:
        own, around = scope.own(kind), scope.around(kind)
        if own and not (around and self.c.chance(25)):
            return self.c.pick(own)
        if around and self.c.chance(70):
            return self.c.pick(around)
        return self.c.pick(LITERALS[kind])

    def value(self, kind: str, scope: Scope, depth: int) -> str:
        if depth <= 0 or not self.c.chance(50):
            return self.c.weighted((5, self.atom), (1, self.literal))(kind, scope)
        shapes = [self.atom_, self.coalesced, self.chosen, self.of_kind]
        if self.subqueries_left > 0:
            shapes.append(self.subquery_value)
        return self.c.pick(shapes)(kind, scope, depth - 1)

    def literal(self, kind: str, _scope=None) -> str:
        if self.c.chance(8):
            return f"NULL::{'numeric' if kind == 'num' else SQL_NAMES[kind]}"
        return self.c.pick(LITERALS[kind])

    def atom_(self, kind: str, scope: Scope, _depth: int) -> str:
        return self.atom(kind, scope)

    def coalesced(self, kind: str, scope: Scope, depth: int) -> str:
        a, b = self.value(kind, scope, depth), self.value(kind, scope, depth)
        if kind in ITEMS or kind == "pair":
            return self.c.pick([f"coalesce({a}, {b})", f"nullif({a}, {b})"])
        return self.c.pick([f"coalesce({a}, {b})", f"nullif({a}, {b})", f"greatest({a}, {b})", f"least({a}, {b})"])

    def chosen(self, kind: str, scope: Scope, depth: int) -> str:
        text = f"CASE WHEN {self.condition(scope, depth)} THEN {self.value(kind, scope, depth)}"
        if self.c.chance(60):
            text += f" ELSE {self.value(kind, scope, depth)}"
        return text + " END"

    def of_kind(self, kind: str, scope: Scope, depth: int) -> str:
        v = lambda k: self.value(k, scope, depth)
        if kind == "bool":
            return f"({self.condition(scope, depth)})"
        if kind in ITEMS:
            item = ITEMS[kind]
            return self.c.pick([lambda: f"ARRAY[{v(item)}, {v(item)}]", lambda: f"({v(kind)} || {v(kind)})", lambda: f"({v(kind)} || {v(item)})",
                                lambda: f"({v(kind)})[{1 + self.c.below(2)}:]", lambda: f"array_remove({v(kind)}, {v(item)})",
                                lambda: f"array_prepend({v(item)}, {v(kind)})"])()
        if kind == "pair":
            return f"ROW({v('int')}, {v('text')})::pair"
        if kind in ("int", "text") and scope.own("pair") and self.c.chance(25):
            return f"({v('pair')}).{'a' if kind == 'int' else 'b'}"
        if kind in ("int", "text") and self.c.chance(15):
            array = "ints" if kind == "int" else "texts"
            return self.c.pick([lambda: f"({v(array)})[{self.c.below(3)}]"] + (
                [lambda: f"cardinality({v('texts')})", lambda: f"array_position({v('ints')}, {v('int')})", lambda: f"array_length({v('ints')}, 1)"]
                if kind == "int" else [lambda: f"array_to_string({v('texts')}, '+', '*')"]))()
        if kind == "int":
            return self.c.pick([lambda: f"({self.atom('int', scope)} % 7 + {self.c.below(4)})",
                                lambda: f"length({v('text')})", lambda: f"({self.small('int', scope)} * 2)",
                                lambda: f"extract(day from {v('ts')})::int",
                                lambda: f"({self.atom('date', scope)} - {self.c.pick(LITERALS['date'])})",
                                lambda: f"num_nulls({v('text')}, {v('num')}, {v('bool')})",
                                lambda: f"regexp_count({v('text')}, '[a-z]', {1 + self.c.below(3)})"])()
        if kind == "bigint":
            return self.c.pick([lambda: f"{v('int')}::bigint", lambda: f"({self.small('bigint', scope)} + {self.small('int', scope)})",
                                lambda: f"abs({v('int')}::bigint)"])()
        if kind == "num":
            return self.c.pick([lambda: f"({v('num')} + {v('num')})", lambda: f"({v('num')} - {v('int')})",
                                lambda: f"round({v('num')}, 1)", lambda: f"abs({v('num')})", lambda: f"({self.atom('num', scope)} * 2.5)"])()
        if kind == "dbl":
            return self.c.pick([lambda: f"({v('dbl')} + {v('dbl')})", lambda: f"{v('int')}::float8", lambda: f"(- {v('dbl')})",
                                lambda: f"({v('dbl')} / 2)", lambda: f"{v('num')}::float8"])()
        if kind == "ts":
            return self.c.pick([lambda: f"({v('ts')} + interval '90 minutes')", lambda: f"date_trunc('hour', {v('ts')})",
                                lambda: f"{v('date')}::timestamp", lambda: f"({v('ts')} - interval '1 day')"])()
        if kind == "date":
            return self.c.pick([lambda: f"{v('ts')}::date", lambda: f"({v('date')} + {self.small('int', scope)})"])()
        return self.c.pick([lambda: f"upper({v('text')})", lambda: f"({v('text')} || {v('text')})", lambda: f"{v('int')}::text",
                            lambda: f"substr({v('text')}, {1 + self.c.below(2)}, {self.c.below(3)})",
                            lambda: f"replace({v('text')}, 'a', 'oo')", lambda: f"concat({v('text')}, '-', {v('bool')})",
                            lambda: f"{v('date')}::text", lambda: f"left({v('text')}, {self.c.below(3)})",
                            lambda: f"quote_nullable({v('text')})", lambda: f"regexp_substr({v('text')}, '[a-z]')",
                            lambda: f"encode(sha256(convert_to({v('text')}, 'UTF8')), 'hex')",
                            lambda: f"(jsonb_build_array({v('text')}, {v('int')}) ->> {self.c.below(2)})"])()

    def small(self, kind: str, scope: Scope) -> str:
        """An operand that no sum of a few overflows."""
        return f"({self.atom(kind, scope)} % 100)"

    def comparison(self, scope: Scope, depth: int) -> str:
        kinds = scope.kinds() or KINDS[:2]
        kind = self.c.pick(kinds)
        left = self.value(kind, scope, depth)
        if kind in NUMBERS and self.c.chance(15):
            kind = self.c.pick(NUMBERS)
        op = self.c.pick(["=", "<", ">=", "<>", ">", "<="])
        right = self.c.pick(LITERALS[kind]) if self.c.chance(50) else self.value(kind, scope, depth)
        return f"{left} {op} {right}"

    def condition(self, scope: Scope, depth: int) -> str:
        shapes = [self.comparison, self.comparison, self.null_test, self.listed, self.between]
        if scope.own("bool"):
            shapes.append(lambda s, _: self.atom("bool", s))
        if scope.own("text"):
            shapes.append(self.like)
        if scope.own("ints") or scope.own("texts"):
            shapes.append(self.array_test)
        if depth > 0:
            shapes += [self.combined, self.combined, self.negated]
            if self.subqueries_left > 0:
                shapes.append(self.subquery_condition)
        return self.c.pick(shapes)(scope, depth - 1)

    def null_test(self, scope: Scope, depth: int) -> str:
        kind = self.c.pick(scope.kinds() or KINDS[:2])
        a = self.value(kind, scope, depth)
        if self.c.chance(10):
            return self.json_or_span(scope, depth)
        return self.c.pick([f"{a} IS NOT NULL", f"{a} IS NULL", f"{a} IS DISTINCT FROM {self.value(kind, scope, depth)}",
                            f"{a} IS NOT DISTINCT FROM {self.value(kind, scope, depth)}"])

    def json_or_span(self, scope: Scope, depth: int) -> str:
        v = lambda k: self.value(k, scope, depth)
        return self.c.pick([lambda: f"jsonb_build_array({v('text')}, {v('text')}) ? {self.c.pick(LITERALS['text'])}",
                            lambda: f"jsonb_build_object('k', {v('int')}, 'l', {v('text')}) @> jsonb_build_object('k', {v('int')})",
                            lambda: f"({v('ts')}, interval '1 day') OVERLAPS ({v('date')}, {v('ts')})"])()

    def listed(self, scope: Scope, depth: int) -> str:
        kind = self.c.pick([k for k in scope.kinds() if k != "bool"] or ["int"])
        items = [self.literal(kind) for _ in range(1 + self.c.below(3))]
        return f"{self.value(kind, scope, depth)} {self.c.pick(['IN', 'NOT IN'])} ({', '.join(items)})"

    def between(self, scope: Scope, depth: int) -> str:
        kind = self.c.pick([k for k in scope.kinds() if k != "bool"] or ["int"])
        a, b, d = (self.value(kind, scope, depth) for _ in range(3))
        return f"{a} {self.c.pick(['', 'NOT '])}BETWEEN {b} AND {d}"

    def like(self, scope: Scope, _depth: int) -> str:
        return f"{self.atom('text', scope)} {self.c.pick(['', 'NOT '])}LIKE {self.c.pick(['%a%', '_', 'A%', '%', '%b', ''])!r}"

    def array_test(self, scope: Scope, depth: int) -> str:
        kind = "ints" if scope.own("ints") else "texts"
        a, b, x = self.value(kind, scope, 0), self.value(kind, scope, 0), self.value(ITEMS[kind], scope, 0)
        return self.c.pick([f"{a} @> {b}", f"{a} <@ {b}", f"{a} && {b}", f"{x} = ANY ({a})", f"{x} <> ALL ({a})", f"{x} < ANY ({a})",
                            f"{a} = {b}"])

    def combined(self, scope: Scope, depth: int) -> str:
        return f"({self.condition(scope, depth)} {self.c.pick(['AND', 'OR'])} {self.condition(scope, depth)})"

    def negated(self, scope: Scope, depth: int) -> str:
        forms = ["({}) IS FALSE", "({}) IS NOT TRUE", "({}) IS TRUE", "({}) IS UNKNOWN"]
        if scope.not_of_atoms:
            forms[0] = "NOT ({})"
        return self.c.pick(forms).format(self.condition(scope, depth))
