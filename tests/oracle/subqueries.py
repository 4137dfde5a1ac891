"""Random subqueries as values and conditions: EXISTS, IN, ANY, ALL and scalar ones, often correlated."""
from scalars import ITEMS, KINDS, Scope


class Subqueries:
    def subquery_value(self, kind: str, scope: Scope, _depth: int) -> str:
        """One row by aggregation; its aggregates read what is inside only."""
        self.subqueries_left -= 1
        if kind in ITEMS and self.c.chance(60):
            return self.gathered(kind, scope)
        text, inner = self.sources(0, scope)
        where = self.where(inner, 0)
        held, self.subqueries_left = self.subqueries_left, 0
        call = self.aggregate(kind, Scope(inner.atoms))
        self.subqueries_left = held
        having = ""
        if self.c.chance(10):
            having = f" HAVING count(*) > {self.c.below(3)}"
        if self.c.chance(20):
            larger = self.value(kind, Scope([(call, kind)], scope, []), 1)
            call = larger if call in larger else call  # without an aggregate it would give many rows
        text = f"SELECT {call} AS c0 FROM {text}{where}{having}"
        return f"({self.read_again(text, kind, scope)})" if self.c.chance(15) else f"({text})"

    def read_again(self, text: str, kind: str, scope: Scope) -> str:
        """The one row of a query, through FROM or WITH."""
        name = self.alias()
        one = Scope([(f"{name}.c0", kind)], scope)
        held, self.subqueries_left = self.subqueries_left, 0
        value = self.value(kind, one, 1)
        where = f" WHERE {self.condition(one, 0)}" if self.c.chance(30) else ""
        self.subqueries_left = held
        if self.c.chance(30):
            return f"WITH {name} AS ({text}) SELECT {value} AS c0 FROM {name}{where}"
        return f"SELECT {value} AS c0 FROM ({text}) AS {name}{where}"

    def gathered(self, kind: str, scope: Scope) -> str:
        """ARRAY (SELECT ...), in an order that is certain."""
        down = self.c.pick(["", " DESC", " NULLS FIRST"])
        if self.c.chance(40):
            text, _ = self.query(-1, scope, [ITEMS[kind]])
            return f"ARRAY(SELECT c0 FROM ({text}) AS {self.alias()} ORDER BY c0{down})"
        text, inner = self.sources(0, scope)
        where = self.where(inner, 0)
        value = self.value(ITEMS[kind], Scope(inner.atoms), 0)
        limit = f" LIMIT {1 + self.c.below(3)}" if self.c.chance(30) else ""
        return f"ARRAY(SELECT {self.c.pick(['', 'DISTINCT '])}{value} AS c0 FROM {text}{where} ORDER BY c0{down}{limit})"

    def subquery_condition(self, scope: Scope, depth: int) -> str:
        self.subqueries_left -= 1
        if self.c.chance(40):
            text, _ = self.query(min(depth, 1) - 1, scope)
            return f"{self.c.pick(['', 'NOT '])}EXISTS ({text})"
        if self.c.chance(20):
            return self.row_condition(scope, depth)
        kind = self.c.pick([k for k in scope.kinds() if k != "bool"] or KINDS[:2])
        inner = "int" if kind == "bigint" and self.c.chance(20) else kind
        text, _ = self.query(min(depth, 1) - 1, scope, [inner])
        test = self.c.weighted((4, "IN"), (3, "NOT IN"), (1, "= ANY"), (1, "<> ALL"), (1, "> ANY"), (1, "<= ALL"),
                               (1, "<> ANY"), (1, "= ALL"))
        return f"{self.value(kind, scope, 0)} {test} ({text})"

    def row_condition(self, scope: Scope, depth: int) -> str:
        """Two values on the left, of many rows or of one."""
        kinds = [self.c.pick([k for k in scope.kinds() if k not in ("bool", "pair")] or KINDS[:2]) for _ in range(2)]
        left = ", ".join(self.value(k, scope, 0) for k in kinds)
        if self.c.chance(60):
            text, _ = self.query(min(depth, 1) - 1, scope, kinds)
            test = self.c.weighted((4, "IN"), (3, "NOT IN"), (1, "= ANY"), (1, "<> ALL"), (1, "> ANY"), (1, "<= ALL"), (1, "<> ANY"))
            return f"({left}) {test} ({text})"
        text, inner = self.sources(0, scope)
        where = self.where(inner, 0)
        held, self.subqueries_left = self.subqueries_left, 0
        calls = [self.aggregate(k, Scope(inner.atoms)) for k in kinds]
        self.subqueries_left = held
        having = f" HAVING count(*) > {self.c.below(2)}" if self.c.chance(20) else ""
        test = self.c.pick(["=", "<>", "<", ">="])
        return f"({left}) {test} (SELECT {calls[0]}, {calls[1]} FROM {text}{where}{having})"
