"""Random window functions, ordered so that their values are certain: what ties could decide is asked over all columns."""
from scalars import Scope


class Windows:
    def with_windows(self, scope: Scope) -> Scope:
        """What can be read, and some window functions over it."""
        atoms = list(scope.atoms)
        texts = [t for t, _ in scope.atoms]
        part = f"PARTITION BY {self.c.pick(texts)} " if self.c.chance(70) else ""
        first = self.c.below(len(texts))
        everything = ", ".join(t + self.direction() for t in texts[first:] + texts[:first])
        # Rows that are equal in all columns are numbered in any order, but in the same one by all: which of them has a
        # value of one window beside that of another is open.
        for _ in range(1 + self.c.below(2)):
            atoms.append(self.window(scope, part, f"{part}ORDER BY {everything}"))
        return Scope(atoms, scope.outer, scope.shared, scope.not_of_atoms)

    def direction(self) -> str:
        return self.c.pick(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])

    def window(self, scope: Scope, part: str, whole: str) -> tuple:
        texts = [t for t, _ in scope.atoms]
        direction = self.direction
        some = f"{part}ORDER BY {self.c.pick(texts)}{direction()}"  # ties are peers: for what treats peers alike
        text, kind = self.c.pick(scope.atoms)
        frame = self.c.pick(["", " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
                             " ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING", " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
                             " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"])
        if frame and self.c.chance(20):
            frame += self.c.pick([" EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"])
        over = f"OVER ({whole}{frame})"
        ints = scope.own("int")
        numbers = ints or ["1"]
        filtered = f" FILTER (WHERE {text} IS NOT NULL)" if self.c.chance(15) else ""
        choices = [
            (f"row_number() OVER ({whole})", "bigint"), (f"rank() OVER ({some})", "bigint"), (f"dense_rank() OVER ({some})", "bigint"),
            (f"percent_rank() OVER ({some})", "dbl"), (f"cume_dist() OVER ({some})", "dbl"), (f"ntile({1 + self.c.below(3)}) OVER ({whole})", "int"),
            (f"lag({text}) OVER ({whole})", kind), (f"lead({text}, 2) OVER ({whole})", kind), (f"first_value({text}) {over}", kind),
            (f"last_value({text}) {over}", kind), (f"nth_value({text}, 2) {over}", kind), (f"count({text}){filtered} {over}", "bigint"),
            (f"count(*){filtered} OVER ({part.strip()})", "bigint"), (f"sum({self.c.pick(numbers)}){filtered} {over}", "bigint"),
            (f"count(*) OVER ({some})", "bigint")]
        if kind not in ("bool", "pair"):
            choices += [(f"max({text}){filtered} {over}", kind), (f"min({text}) OVER ({some})", kind)]
        for item, array in (("int", "ints"), ("text", "texts")):
            if kind == item:
                choices.append((f"array_agg({text}){filtered} {over}", array))
        if kind == "text":
            choices.append((f"string_agg({text}, '-'){filtered} {over}", "text"))
        if ints:
            choices += [(f"bit_{self.c.pick(['and', 'or', 'xor'])}({self.c.pick(ints)}){filtered} {over}", "int"),
                        (f"round((var_pop({self.c.pick(ints)}){filtered} {over})::numeric, 10)::float8", "dbl")]
            by = self.c.pick(ints)
            choices.append((f"sum({by}) OVER ({part}ORDER BY {by} RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING)", "bigint"))
        return self.c.pick(choices)
