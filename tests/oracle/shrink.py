"""Makes a failing script small: one query, fewer rows, simpler clauses; prints it as a case."""
import re

from choices import Choices, fewer, shrunk
from grammar import Grammar, Relation
from rows import difference
from weir_runs import Query, Wrong, script

TRIES = 150


def view_relation(v: Query) -> Relation:
    return Relation(v.name, [(f"c{i}", k) for i, k in enumerate(v.kinds)])


def case_text(tables: list, views: list, queries: list) -> str:
    used = list(queries)
    for v in reversed(views):
        if any(v.name + " " in q.text for q in used):
            used.append(v)
    texts = " ".join(q.text for q in used)
    shown = "".join(t.postgres() for t in tables if t.name + " " in texts)
    for t in tables:
        if t.history and t.name + " " in texts:
            shown += f"-- Weir reads {t.name} as changes:\n" + "".join(f"--   {l}\n" for l in t.changes(t.history).splitlines())
    shown += "".join(f"CREATE VIEW {v.name} AS {v.text};\n" for v in views if v in used)
    return shown + "".join(q.text + ";\n" for q in queries)


class Attempt:
    """Runs one query alone, over tables that may have lost rows."""

    def __init__(self, scripts, seed: int, views: list, way):
        self.scripts, self.seed, self.views, self.way = scripts, seed, views, way
        self.sort = None

    def why(self, tables: list, q: Query, views=None) -> str:
        """As below, and of the same sort as the first time: a shrunk query must not fail otherwise."""
        text = self.wrong(tables, q, views)
        if not text:
            return ""
        sort = text.split(":")[0] if text.startswith("is refused") else re.sub("[0-9]+|:.*", "", text.split("\n")[0])
        self.sort = self.sort or sort
        return text if sort == self.sort else ""

    def wrong(self, tables: list, q: Query, views=None) -> str:
        """What is wrong; empty when nothing is, or PostgreSQL refuses the query."""
        views = self.views if views is None else views
        s = self.scripts
        try:
            s.prepare(self.seed, tables)
            for v in views:
                s.db.run(f"CREATE VIEW {v.name} AS {v.text}")
            want = s.answer(q)
        except Exception:
            return ""
        if want is None:
            return ""
        s.folder.write(tables, script(tables, views, [q], self.way), self.way.files)
        try:
            for message in s.folder.refused().values():
                return "" if s.refusal(message) else f"is refused: {message}"
            return difference(s.folder.run(self.way, [q])[0], want)
        except (Wrong, ValueError) as e:
            return str(e)

    def whole(self, tables: list, queries: list) -> bool:
        """Whether these queries fail together."""
        s = self.scripts
        s.prepare(self.seed, tables)
        for v in self.views:
            s.db.run(f"CREATE VIEW {v.name} AS {v.text}")
        s.folder.write(tables, script(tables, self.views, queries, self.way), self.way.files)
        try:
            if s.folder.refused():
                return False
            results = s.folder.run(self.way, queries)
            return any(difference(r, s.answer(q)) for r, q in zip(results, queries))
        except (Wrong, ValueError):
            return True


def without_unused(views: list, q: Query) -> list:
    used, kept = q.text, []
    for v in reversed(views):
        if v.name + " " in used:
            kept.insert(0, v)
            used += v.text
    return kept


def describe(scripts, seed, tables, views, all_queries, queries, way, why, shrinking) -> str:
    title = f"script {seed}: {why}\n  run: {way}\n"
    if not shrinking:
        return title + case_text(tables, views, queries)
    if queries[0] in views:  # it is a view that fails
        views = views[:views.index(queries[0])]
    attempt = Attempt(scripts, seed, views, way)
    for q in queries:
        alone = attempt.why(tables, q)
        if alone:
            break
    else:
        kept = queries
        if len(all_queries) > 1:
            whole = lambda some: bool(some) and attempt.whole(tables, some)
            kept = fewer(all_queries, whole, TRIES) if whole(all_queries) else all_queries
        return title + "not when a query runs alone; the script:\n" + script(tables, views, kept, way) + \
            case_text(tables, views, kept)
    relations = [t.relation() for t in tables] + [view_relation(v) for v in views]

    def regenerated(taken: list):
        try:
            g = Grammar(Choices(recorded=taken), relations, scripts.features)
            return Query(q.name, *g.statement(), g.c.taken)
        except RecursionError:
            return None

    def still(taken: list) -> bool:
        smaller = regenerated(taken)
        return smaller is not None and len(smaller.text) <= len(best.text) and bool(attempt.why(tables, smaller))

    best = q
    taken = shrunk(q.taken, still, TRIES)
    best = regenerated(taken) or q
    if not attempt.why(tables, best):
        best = q
    kept_views = without_unused(views, best)
    if len(kept_views) == len(views) or attempt.why(tables, best, kept_views):
        attempt.views = views = kept_views
    smaller = list(tables)
    for at, t in enumerate(tables):
        def with_rows(rows: list) -> list:
            return [*smaller[:at], t.with_rows(rows), *smaller[at + 1:]]
        if t.history and not attempt.why(with_rows(t.rows), best):
            continue  # it is wrong only with the changes
        rows = fewer(t.rows, lambda rows: bool(attempt.why(with_rows(rows), best)), TRIES // 3)
        smaller = with_rows(rows)
    last = attempt.why(smaller, best)
    if not last:
        smaller, last = tables, alone + " (not every time)"
    s = scripts
    try:
        s.prepare(seed, smaller)
        for v in attempt.views:
            s.db.run(f"CREATE VIEW {v.name} AS {v.text}")
        want = s.db.query(best.text)
    except Exception as e:
        want = f"PostgreSQL: {e}\n"
    return (title + f"shrunk: {last}\n" + case_text(smaller, attempt.views, [best]) +
            "-- PostgreSQL:\n" + "".join(f"--   {l}\n" for l in want.splitlines()[:12]))
