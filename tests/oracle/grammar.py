"""Random queries over docs/sql.md. What Weir is to answer is written exactly as PostgreSQL reads it."""
import re

from scalars import ITEMS, KINDS, LITERALS, NUMBERS, Scalars, Scope
from subqueries import Subqueries
from windows import Windows

# Parts of the grammar that a caller can leave out.
FEATURES = {"arrays", "joins", "subqueries", "lateral", "sets", "with", "values", "grouping_sets", "limit", "distinct_on", "window", "series"}
LATER = set()
# Aggregates of two numbers.
PAIRS = ["corr", "covar_pop", "covar_samp", "regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy", "regr_slope", "regr_intercept", "regr_r2"]


class Relation:
    def __init__(self, name: str, columns: list):
        self.name, self.columns = name, columns  # [(name, kind)]


class Grammar(Scalars, Subqueries, Windows):
    """One query per instance. `relations` are tables and views that it may read."""

    def __init__(self, choices, relations: list, features=FEATURES):
        self.c, self.relations, self.features = choices, list(relations), features
        self.aliases = 0
        self.subqueries_left = 2 if "subqueries" in features else 0
        self.items_left = 5  # of FROM, in the whole query

    def statement(self) -> tuple:
        """(text, kinds of its columns); the columns are named c0, c1, ..."""
        if "with" in self.features and self.c.chance(15):
            name = f"w{self.c.below(2)}"
            text, kinds = self.query(1)
            self.relations.insert(0, Relation(name, [(f"c{i}", k) for i, k in enumerate(kinds)]))
            rest, kinds = self.query(2)
            return f"WITH {name} AS ({text}) {rest}", kinds
        return self.query(2)

    def query(self, depth: int, outer=None, kinds=None) -> tuple:
        if "sets" in self.features and depth > 0 and self.c.chance(15):
            return self.set_operation(depth - 1, outer, kinds)
        if "values" in self.features and not outer and self.c.chance(3):
            return self.values(kinds)
        text, kinds = self.select(depth, outer, kinds)
        if "limit" in self.features and not text.startswith("SELECT DISTINCT ON") and self.c.chance(15):
            text += self.order(len(kinds), limit=True)
        return text, kinds

    def order(self, columns: int, limit: bool) -> str:
        keys = list(range(columns))
        first = self.c.below(columns)
        keys = keys[first:] + keys[:first]
        text = " ORDER BY " + ", ".join(f"c{k}" + self.c.pick(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
                                       for k in keys)
        if limit:
            if self.c.chance(15):
                return text + f" FETCH FIRST {1 + self.c.below(4)} ROWS WITH TIES"
            text += f" LIMIT {1 + self.c.below(6)}" + (f" OFFSET {self.c.below(4)}" if self.c.chance(30) else "")
        return text

    def set_operation(self, depth: int, outer, kinds) -> tuple:
        left, kinds = self.query(depth, outer, kinds)
        right_kinds = ["int" if k == "bigint" and self.c.chance(20) else k for k in kinds]
        right, _ = self.query(depth, outer, right_kinds)
        op = self.c.pick(["UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"])
        return f"({left}) {op} ({right})", kinds

    def values(self, kinds) -> tuple:
        kinds = kinds or [self.c.pick(KINDS[:4]) for _ in range(1 + self.c.below(2))]
        rows = ["(" + ", ".join(self.literal(k) for k in kinds) + ")" for _ in range(1 + self.c.below(3))]
        names = ", ".join(f"c{i}" for i in range(len(kinds)))
        return f"SELECT * FROM (VALUES {', '.join(rows)}) AS {self.alias()} ({names})", kinds

    def alias(self) -> str:
        self.aliases += 1
        return f"x{self.aliases}"

    # FROM

    def item(self, depth: int, outer, lateral=None) -> tuple:
        """(text, alias, columns) of a table, a view or a subquery."""
        self.items_left -= 1
        name = self.alias()
        if lateral and self.c.chance(50):
            text, kinds = self.query(min(depth, 1) - 1, lateral)
            return f"LATERAL ({text}) AS {name}", name, [(f"c{i}", k) for i, k in enumerate(kinds)]
        if depth > 0 and self.c.chance(20):
            text, kinds = self.query(depth - 1, outer if outer and self.c.chance(30) else None)
            return f"({text}) AS {name}", name, [(f"c{i}", k) for i, k in enumerate(kinds)]
        if "series" in self.features and self.c.chance(4):
            first = self.c.below(3)
            last = f"{self.c.pick(outer.own('int'))} % 5" if outer and outer.own("int") and self.c.chance(40) else \
                first + self.c.below(4)
            return f"generate_series({first}, {last}) AS {name} (e)", name, [("e", "int")]
        relation = self.c.pick(self.relations)
        return f"{relation.name} AS {name}", name, relation.columns

    def sources(self, depth: int, outer) -> tuple:
        """(text of FROM, what can be read)"""
        text, alias, columns = self.item(depth, outer)
        atoms = [(f"{alias}.{name}", kind) for name, kind in columns]
        names = [columns]
        while "joins" in self.features and self.items_left > 0 and len(names) < 3 and self.c.chance(45):
            # A LATERAL subquery inside a subquery reads the query around it only.
            lateral = Scope(atoms) if "lateral" in self.features and self.c.chance(15) else None
            right, alias, columns = self.item(depth, outer, lateral)
            more = [(f"{alias}.{name}", kind) for name, kind in columns]
            kinds = ["JOIN", "LEFT JOIN", "CROSS JOIN"] if right.startswith("LATERAL") else \
                ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", ","]
            how = self.c.pick(kinds)
            if how == ",":  # binds weaker than JOIN
                text += f", {right}"
            elif how == "CROSS JOIN":
                text += f" CROSS JOIN {right}"
            else:
                common = [n for n in columns if n in names[0] and len(names) == 1 and n[1] != "bool"]
                if common and not right.startswith("LATERAL") and self.c.chance(20):
                    name, kind = self.c.pick(common)
                    atoms = [(name, kind)] + atoms
                    if self.c.chance(50):
                        text += f" {how} {right} USING ({name})"
                        names.append([])
                        names.append([])  # a third table could have the name again
                    else:
                        text += f" {how} {right} USING ({name})"
                        names += [[], []]
                else:
                    text += f" {how} {right} ON {self.join_condition(atoms, more, outer, how, depth)}"
            atoms = atoms + more
            names.append(columns)
            if how == ",":
                break  # what follows could not see what stands before the comma
        arrays = [(a, k) for a, k in atoms if k in ITEMS]
        if "arrays" in self.features and arrays and self.c.chance(30):
            array, kind = self.c.pick(arrays)
            name = self.alias()
            numbered = self.c.chance(40)
            call = f"unnest({array})" + (f" WITH ORDINALITY AS {name} (e, o)" if numbered else f" AS {name} (e)")
            text += self.c.pick([f", {call}" if " JOIN " not in text else f" CROSS JOIN {call}", f" CROSS JOIN LATERAL {call}",
                                 f" LEFT JOIN LATERAL {call} ON true", f" JOIN LATERAL {call} ON {name}.e IS NOT NULL"])
            atoms = atoms + [(f"{name}.e", ITEMS[kind])] + ([(f"{name}.o", "bigint")] if numbered else [])
        if "arrays" in self.features and self.c.chance(20) and (pairs := [a for a, k in atoms if k == "pair"]):
            name = self.alias()
            list_of = f"ARRAY[{self.c.pick(pairs)}, {self.c.pick(pairs + LITERALS['pair'])}]"
            text += f" {self.c.pick(['CROSS JOIN', 'CROSS JOIN LATERAL'])} unnest({list_of}) AS {name} (a, b)"
            atoms = atoms + [(f"{name}.a", "int"), (f"{name}.b", "text")]
        strings = [a for a, k in atoms if k == "text"]
        if "series" in self.features and strings and self.c.chance(6):
            name, a = self.alias(), self.c.pick(strings)
            call, columns = self.c.pick([
                (f"regexp_matches({a}, '([a-z])(.)?', 'g') AS {name} (e)", [("e", "texts")]),
                (f"json_each_text(json_build_object('k', {a}, 'l', {self.c.pick(strings)})) AS {name} (a, b)", [("a", "text"), ("b", "text")]),
                (f"jsonb_object_keys(jsonb_build_object('k', {a}, 'lm', 1)) AS {name} (e)", [("e", "text")]),
                (f"json_array_elements_text(json_build_array({a}, {self.c.pick(strings)})) AS {name} (e)", [("e", "text")])])
            text += self.c.pick([f" CROSS JOIN {call}", f" LEFT JOIN LATERAL {call} ON true"])
            atoms = atoms + [(f"{name}.{column}", kind) for column, kind in columns]
        ints, times = [a for a, k in atoms if k == "int"], [a for a, k in atoms if k == "ts"]
        if "series" in self.features and ints and self.c.chance(6):
            name = self.alias()
            if times and self.c.chance(40):
                at = self.c.pick(times)
                call, kind = f"generate_series({at}, {at} + interval '{self.c.below(3)} hours', interval '40 minutes')", "ts"
            else:
                call, kind = f"generate_series({self.c.below(2)}, {self.c.pick(ints)} % {2 + self.c.below(3)})", "int"
            text += self.c.pick([f" CROSS JOIN {call} AS {name} (e)", f" LEFT JOIN LATERAL {call} AS {name} (e) ON true",
                                 f" LEFT JOIN LATERAL {call} AS {name} (e) ON {name}.e IS DISTINCT FROM {self.c.pick([a for a, k in atoms if k == kind])}"])
            atoms = atoms + [(f"{name}.e", kind)]
        return text, Scope(atoms, outer)

    def join_condition(self, left: list, right: list, outer, how: str, depth: int) -> str:
        pairs = [(a, b) for a, k in left for b, j in right
                 if k == j or (k in NUMBERS[:3] and j in NUMBERS[:3])]
        both = Scope(left + right)  # ON inside a subquery reads nothing of the query outside
        terms = []
        if pairs and not self.c.chance(15):
            a, b = self.c.pick(pairs)
            terms.append(f"{a} = {b}")
        if how == "FULL JOIN" and terms:
            if len(pairs) > 1 and self.c.chance(30):
                a, b = self.c.pick(pairs)
                terms.append(f"{a} = {b}")
            # PostgreSQL takes any condition beside equal columns.
            return " AND ".join(terms + self.asked_of_sides(left, right, depth))
        held, self.subqueries_left = self.subqueries_left, 0
        if not terms or self.c.chance(30):
            terms.append(self.condition(both, min(depth, 1)))
        self.subqueries_left = held
        return " AND ".join(terms + self.asked_of_sides(left, right, depth))

    def asked_of_sides(self, left: list, right: list, depth: int) -> list:
        """Perhaps a subquery in ON, of one side or of both."""
        if self.subqueries_left <= 0 or "subqueries" not in self.features or not self.c.chance(25):
            return []
        return [self.subquery_condition(Scope(self.c.pick([left, right, left + right, left + right])), min(depth, 1))]

    # SELECT

    def select(self, depth: int, outer=None, kinds=None) -> tuple:
        text, scope = self.sources(depth, outer)
        if kinds is None:
            mine = scope.kinds() or KINDS[:2]
            kinds = [self.c.pick(mine) for _ in range(1 + self.c.below(3))]
        where = self.where(scope, depth)
        if self.c.chance(40):
            return self.grouped(text, where, scope, kinds, depth)
        if "window" in self.features and depth > 0 and self.c.chance(25):
            scope = self.with_windows(scope)
        targets = [self.value(k, scope, depth) for k in kinds]
        self.give_rows(targets, kinds, scope)
        distinct = "DISTINCT " if self.c.chance(15) else ""
        tail = ""
        if not distinct and "distinct_on" in self.features and self.c.chance(10):
            n = 1 + self.c.below(len(kinds))
            order = self.order(len(kinds), limit=False)
            first = [part.split()[0] for part in order[len(" ORDER BY "):].split(", ")][:n]
            named = ", ".join(targets[int(c[1:])] for c in first)
            if "SELECT" not in named:  # a correlated subquery there is not the same as the one in the select list to Weir
                distinct, tail = f"DISTINCT ON ({named}) ", order
        listed = ", ".join(f"{t} AS c{i}" for i, t in enumerate(targets))
        return f"SELECT {distinct}{listed} FROM {text}{where}{tail}", kinds

    def give_rows(self, targets: list, kinds: list, scope: Scope) -> None:
        """Perhaps a function that gives rows in a select list."""
        if "series" not in self.features or "int" not in kinds or not self.c.chance(4):
            return
        places = [i for i, k in enumerate(kinds) if k == "int"]
        for i in places[:1 + self.c.below(2)]:
            call = f"generate_series({self.c.below(2)}, {self.atom('int', scope)} % 3)"
            if self.c.chance(30) and (arrays := scope.own("ints")):
                call = f"unnest({self.c.pick(arrays)})"
            if self.c.chance(30):
                call = self.c.pick(["({} + 1)", "abs({})", "(- {})"]).format(call)
            targets[i] = call

    def where(self, scope: Scope, depth: int) -> str:
        terms = []
        if scope.outer and self.c.chance(75):
            pairs = [(a, b) for a, k in scope.atoms for b in scope.around(k)]
            if pairs:
                a, b = self.c.pick(pairs)
                terms.append(f"{a} {self.c.weighted((8, '='), (1, '<'), (1, '<>'))} {b}")
        if self.c.chance(35):
            terms.append(self.condition(scope, depth))
        if terms and self.c.chance(15):
            terms.append(self.condition(scope, depth))
        return " WHERE " + " AND ".join(terms) if terms else ""

    def grouped(self, text: str, where: str, scope: Scope, kinds: list, depth: int) -> tuple:
        keys = []
        for _ in range(self.c.weighted((5, 1), (3, 2), (2, 0))):
            kind = self.c.pick(scope.kinds() or ["int"])
            own = scope.own(kind)
            held, self.subqueries_left = self.subqueries_left, 0
            key = self.c.pick(own) if own and not self.c.chance(20) else self.value(kind, Scope(scope.atoms), 1)
            self.subqueries_left = held
            if any(f"{t}" in key for t, _ in scope.atoms):  # a constant is no key
                keys.append((key, kind))
        atoms = list(dict(keys).items())
        held, self.subqueries_left = self.subqueries_left, 0
        for kind in dict.fromkeys(kinds):
            for _ in range(1 + self.c.below(2)):
                call = self.aggregate(kind, Scope(scope.atoms))
                if call:
                    atoms.append((call, kind))
        self.subqueries_left = held
        # A key that can be folded to a constant is not NULL where PostgreSQL 15 does not group by it.
        folds = any(re.search(r"coalesce\((?:'|-?\d|date '|timestamp '|interval '|true|false|ARRAY|ROW)", key) for key, _ in keys)
        sets = bool(keys) and "grouping_sets" in self.features and not folds and self.c.chance(25)
        if sets:
            atoms += [(f"grouping({key})", "int") for key, _ in keys]
            if len(keys) > 1:
                atoms.append((f"grouping({', '.join(key for key, _ in keys)})", "int"))
        # PostgreSQL before 18 turns NOT (a = b) into a <> b first, and then sees no key in it that totals leave out.
        shared = [key for key in keys if key in scope.atoms]
        if self.c.chance(30) and all("." in text for text, _ in scope.atoms):
            # Aggregates that read columns here are this query's in its subqueries, too.
            shared += [(call, kind) for call, kind in atoms
                       if (call, kind) not in keys and any(text in call for text, _ in scope.atoms)]
        groups = Scope(atoms, scope.outer, shared, not_of_atoms=not sets)
        having = f" HAVING {self.condition(groups, min(depth, 1))}" if self.c.chance(25) else ""
        if keys and "window" in self.features and self.c.chance(10):
            groups = self.with_windows(groups)
        targets = []
        for k in kinds:
            own = groups.own(k)
            targets.append(self.c.pick(own) if own and not self.c.chance(25) else self.value(k, groups, min(depth, 1)))
        self.give_rows(targets, kinds, groups)
        by = ""
        if keys:
            names = []
            for key, _ in keys:
                at = targets.index(key) if key in targets else -1
                names.append(str(at + 1) if at >= 0 and self.c.chance(20) else key)
            by = " GROUP BY " + ", ".join(names)
            if sets:
                by = " GROUP BY " + self.c.pick(["ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())"]).format(
                    ", ".join(key for key, _ in keys))
        listed = ", ".join(f"{t} AS c{i}" for i, t in enumerate(targets))
        return f"SELECT {listed} FROM {text}{where}{by}{having}", kinds

    def fraction(self) -> str:
        return self.c.pick(["0", "0.25", "0.5", "0.9", "1"])

    def aggregate(self, kind: str, scope: Scope) -> str:
        v = lambda k: self.value(k, scope, 1)
        calls = []
        if kind == "bigint":
            calls = [lambda: "count(*)", lambda: f"count({v(self.c.pick(scope.kinds() or ['int']))})",
                     lambda: f"count(DISTINCT {v(self.c.pick(scope.kinds() or ['int']))})", lambda: f"sum({v('int')})"]
        if kind == "num":
            calls = [lambda: f"sum({v('num')})", lambda: f"sum({v('bigint')})", lambda: f"avg({v('num')})"]
        if kind == "dbl":
            calls = [lambda: f"sum({v('dbl')})", lambda: f"avg({v('dbl')})", lambda: f"avg({v('int')})",
                     lambda: f"avg({v('bigint')})", lambda: f"stddev_pop({v('int')})", lambda: f"var_samp({v('dbl')})"]
        if kind == "bool":
            calls = [lambda: f"bool_and({v('bool')})", lambda: f"bool_or({v('bool')})", lambda: f"every({v('bool')})"]
        elif kind == "pair":  # PostgreSQL 15 has no max of composite types
            calls = [lambda: f"ROW({self.aggregate('int', scope)}, {self.aggregate('text', scope)})::pair"]
        else:
            calls += [lambda: f"max({v(kind)})", lambda: f"min({v(kind)})"]
        if kind in ("int", "bigint"):
            calls += [lambda: f"bit_{self.c.pick(['and', 'or', 'xor'])}({v(kind)})"]
        if kind == "bigint":
            calls += [lambda: f"regr_count({v('int')}, {v('dbl')})"]
        if kind == "num":
            calls += [lambda: f"avg(DISTINCT {v('num')})", lambda: f"sum(DISTINCT {v('num')})"]
        if kind == "dbl":
            calls += [lambda: f"percentile_cont({self.fraction()}) WITHIN GROUP (ORDER BY {v(self.c.pick(['dbl', 'int']))}{self.c.pick(['', ' DESC'])})",
                      lambda: f"stddev_pop(DISTINCT {v('int')})",
                      lambda: f"{self.c.pick(PAIRS)}({v('int')}, {v('int')})"]
        if kind != "pair" and self.c.chance(40):
            sorted_by = v(kind)
            sorted_by += "::text" if sorted_by.startswith("'") and kind == "text" else ""
            calls += [lambda: f"percentile_disc({self.fraction()}) WITHIN GROUP (ORDER BY {sorted_by}{self.c.pick(['', ' DESC'])})",
                      lambda: f"mode() WITHIN GROUP (ORDER BY {sorted_by}{self.c.pick(['', ' DESC'])})"]
        if kind in ITEMS:
            x = self.value(ITEMS[kind], scope, 1)
            x += "::text" if x.startswith("'") else ""  # its type would be unknown
            how = self.c.pick(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
            calls += [lambda: f"array_agg({x} ORDER BY {x}{how})", lambda: f"array_agg(DISTINCT {x})"]
        if kind == "text":
            x = v("text")
            calls += [lambda: f"string_agg({x}, ',' ORDER BY {x})", lambda: f"string_agg(DISTINCT {x}, '')"]
        call = self.c.pick(calls)()
        if kind != "pair" and self.c.chance(15):
            call += f" FILTER (WHERE {self.condition(Scope(scope.atoms), 1)})"
        if call.startswith(("var_samp(", "stddev_pop(", *(f"{name}(" for name in PAIRS))):
            # The last bits of a variance depend on the order of its rows and on what was taken back; groups, joins and
            # comparisons would show them. To ten digits it is the same, and half of the tenth is no variance of so few rows.
            # Of rows that come and go some are NaN or infinite for a while, which no numeric is.
            call = f"CASE WHEN abs({call}) < 'Infinity' THEN round(({call})::numeric, 10)::float8 ELSE {call} END"
        elif kind == "dbl" and call.startswith("avg("):
            call = f"({call})::float8"  # avg of integers is a float in Weir, numeric in PostgreSQL
        return call
