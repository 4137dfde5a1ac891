// As-of joins: a LATERAL subquery that looks for the newest row of a table at the event time of the
// row outside. Written so it means the same in PostgreSQL; recognised, it needs no more than the
// newest row of each key, and its rows are final. What it looks at may be a view, too, that chooses
// rows and columns of such a table.
#include "jobs/plan/joins.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

using k = expr::syntax_kind;

const column_name* find(const syntax& s, const rows& in) {
  if (s.kind != k::column) return nullptr;
  const column_name* found = nullptr;
  for (const auto& c : in.columns) {
    if (c.name != s.name || (s.qualifier.empty() ? c.hidden : c.table != s.qualifier)) continue;
    if (found) return nullptr;
    found = &c;
  }
  return found;
}

bool is_one(const std::optional<syntax>& s) {
  return s && s->kind == k::integer && s->text == "1";
}

/// A table, a view, or rows of one by a condition: what can be more is found when it is bound.
bool is_relation(const from_item& f) {
  if (f.what == from_item::kind::table) return true;
  if (f.what != from_item::kind::subquery || f.lateral) return false;
  const auto& q = *f.inner;
  return q.what == query::kind::select && q.with.empty() && !q.distinct && q.distinct_on.empty() &&
         !has_groups(q) && q.windows.empty() && q.order_by.empty() && !q.limit && !q.offset &&
         q.from.size() == 1 && is_relation(q.from[0]);
}

/// The shape that can be looked for without binding anything.
bool looks_like_as_of(const query& q) {
  return q.what == query::kind::select && q.with.empty() && !q.distinct && q.distinct_on.empty() &&
         q.group_by.empty() && q.grouping_sets.empty() && !q.whole && !q.having &&
         q.windows.empty() && q.from.size() == 1 && is_relation(q.from[0]) && q.where &&
         is_one(q.limit) && !q.offset && !q.with_ties && !q.order_by.empty() &&
         q.order_by[0].descending && q.order_by[0].value.kind == k::column;
}

}  // namespace

/// Whether the tables and views are there, so that binding them says nothing new.
bool query_binder::is_known(const from_item& f, const context& c) const {
  if (f.what == from_item::kind::subquery) return is_known(f.inner->from[0], c);
  for (const auto* e = c.with; e; e = e->outer)
    if (auto it = e->names.find(f.table.text); it != e->names.end()) return it->second.has_value();
  const auto d = definitions.find(f.table.text);
  return d != definitions.end() && !d->second.broken;
}

std::optional<rows> query_binder::as_of(const from_item& f, const rows& left, join_kind how,
                                        const context& c) {
  not_as_of_.clear();
  if (f.what != from_item::kind::subquery || !f.lateral || !looks_like_as_of(*f.inner)) return {};
  if (how != join_kind::inner && how != join_kind::left) return {};
  auto no = [this](std::string why) {
    not_as_of_ = std::move(why);
    return std::nullopt;
  };
  const auto& q = *f.inner;
  const auto lefts = types_of(left.from);
  if (!lefts.event_time) return no("the rows on its left have no event time");
  if (builder_.emits_changes(left.from)) return {};  // what makes them change says so
  if (!is_known(q.from[0], c) || !read_by(q.from[0], {}, left).empty()) return {};
  auto right = item(q.from[0], c);
  if (!right) return {};
  if (builder_.emits_changes(right->from))
    return no("the rows that it looks at change, and an as-of join reads a table that only grows");
  const auto rights = types_of(right->from);
  if (!rights.event_time) return no("the rows that it looks at have no event time");
  const auto* newest = find(q.order_by[0].value, *right);
  if (!newest || newest->index != *rights.event_time)
    return no("its ORDER BY is not by the event time of the rows that it looks at");
  if (q.order_by.size() > 1)
    return no("its ORDER BY has more than the event time of the rows that it looks at");
  for (const auto& t : q.targets)
    if (!t.star && !find(t.value, *right)) return no("its select list has more than columns");

  const std::string beyond =
      "it asks for more than equal columns, one bound of the two event times (<= or <) and "
      "conditions on the rows that it looks at";
  // Equal columns, one bound of the times, and conditions on the right rows alone.
  std::vector<const syntax*> parts;
  split(*q.where, parts);
  std::vector<expr::node_ptr> pairs;
  syntax own;
  own.kind = k::special;
  own.name = "and";
  int bounds = 0;
  for (const auto* p : parts) {
    const bool compares = p->kind == k::op && p->args.size() == 2;
    const column_name* l = nullptr;
    const column_name* r = nullptr;
    bool turned = false;  // left OP right
    if (compares)
      for (size_t side : {0, 1}) {
        const auto* inner = find(p->args[side], *right);
        const auto* outer =
            find(p->args[1 - side], *right) ? nullptr : find(p->args[1 - side], left);
        if (!inner || !outer) continue;
        r = inner;
        l = outer;
        turned = side == 1;
      }
    if (!l) {
      own.location = p->location;
      own.args.push_back(*p);
      continue;
    }
    const auto& lt = lefts.fields[l->index].type;
    const auto& rt = rights.fields[r->index].type;
    if (!(lt == rt)) return no("it compares columns of different types");
    const auto a = make_column(lt, l->index);
    const auto b = make_column(rt, r->index + static_cast<uint32_t>(lefts.size()));
    if (p->name == "=") {
      pairs.push_back(make_call("=", type_id::boolean, {a, b}));
      continue;
    }
    const auto below = turned ? ">" : "<";
    if ((p->name != below && p->name != std::string(below) + "=") ||
        l->index != *lefts.event_time || r->index != *rights.event_time)
      return no(beyond);
    ++bounds;
    pairs.push_back(make_call(p->name == below ? "<" : "<=", type_id::boolean, {b, a}));
  }
  if (bounds != 1) return no(beyond);
  if (!own.args.empty()) {
    auto condition = own.args.size() == 1 ? own.args[0] : own;
    // A condition that reads the row outside, or is wrong, is the general form's.
    std::vector<const syntax*> open{&condition};
    while (!open.empty()) {
      const auto* s = open.back();
      open.pop_back();
      if (s->kind == k::subquery || (s->kind == k::column && !find(*s, *right))) return no(beyond);
      for (const auto& arg : s->args) open.push_back(&arg);
    }
    right = filter(std::move(*right), condition, part(c, "where"), "WHERE", {});
    if (!right) return {};
  }
  rows result;
  result.columns = left.columns;
  auto add = [&](const column_name& from, const std::string& title) {
    column_name made;
    made.table = f.alias;
    made.name = title;
    made.zoned = from.zoned;
    made.index = from.index + static_cast<uint32_t>(lefts.size());
    result.columns.push_back(std::move(made));
  };
  for (const auto& t : q.targets) {
    if (!t.star) {
      const auto* from = find(t.value, *right);
      add(*from, t.alias.empty() ? from->name : t.alias);
      continue;
    }
    for (const auto& from : right->columns)
      if (!from.hidden) add(from, from.name);
  }
  for (size_t i = 0; i < f.columns.size(); ++i) {
    const auto at = left.columns.size() + i;
    if (at >= result.columns.size()) return {};
    result.columns[at].name = f.columns[i];
  }
  auto joined = combine(left, std::move(*right),
                        how == join_kind::left ? join_kind::as_of_left : join_kind::as_of,
                        planner::join_and(std::move(pairs)), c, f.location);
  if (!joined) return {};
  result.from = joined->from;
  result.single = left.single;
  return result;
}

void query_binder::tell_why(const std::optional<rows>& made, const std::string& not_as_of) {
  if (not_as_of.empty() || !made) return;
  if (const auto step = builder_.changing_step(made->from))
    change_reasons.try_emplace(step->node,
                               "this LATERAL subquery is no as-of join, as " + not_as_of +
                                   ": it updates rows that it has emitted as more input arrives; "
                                   "write it as one (docs/sql.md, as-of joins)");
}

}  // namespace weir::sql
