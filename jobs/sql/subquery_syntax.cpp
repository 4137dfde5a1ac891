#include "jobs/sql/subquery_syntax.hpp"

#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"

namespace weir::sql {

namespace {

using k = expr::syntax_kind;

}  // namespace

const query& query_of(const syntax& s) {
  return *static_cast<const query*>(s.query.get());
}

const syntax* first_aggregate(const syntax& s) {
  if (s.kind == expr::syntax_kind::function && !s.over_location && planner::find_aggregate(s.name))
    return &s;
  for (const auto& a : s.args)
    if (const auto* found = first_aggregate(a)) return found;
  return nullptr;
}

bool has_groups(const query& q) {
  return !q.group_by.empty() || !q.grouping_sets.empty() || q.whole || q.having ||
         std::any_of(q.targets.begin(), q.targets.end(),
                     [](const target& t) { return !t.star && first_aggregate(t.value); });
}

std::vector<const syntax*> parts_of_left(const syntax& s) {
  const auto& left = s.args[0];
  if (left.kind != k::special || left.name != "row") return {&left};
  std::vector<const syntax*> out;
  for (const auto& a : left.args) out.push_back(&a);
  return out;
}

void split(const syntax& s, std::vector<const syntax*>& out) {
  if (s.kind == k::special && s.name == "and")
    for (const auto& a : s.args) split(a, out);
  else
    out.push_back(&s);
}

bool has_subquery(const syntax& s) {
  return s.kind == k::subquery || std::any_of(s.args.begin(), s.args.end(), has_subquery) ||
         std::any_of(s.filter.begin(), s.filter.end(), has_subquery);
}

bool has_window(const syntax& s) {
  return s.over_location || std::any_of(s.args.begin(), s.args.end(), has_window);
}

namespace {

void collect_from(const from_item&, std::vector<const syntax*>& out);

}  // namespace

/// Column references of an expression and of the subqueries in it.
void collect(const syntax& s, std::vector<const syntax*>& out) {
  if (s.kind == k::column) out.push_back(&s);
  for (const auto& a : s.args) collect(a, out);
  for (const auto& f : s.filter) collect(f, out);
  if (s.order)
    for (const auto& o : *s.order) collect(o.value, out);
  if (s.query) collect(query_of(s), out);
  if (s.over) {
    for (const auto& p : s.over->partition) collect(p, out);
    for (const auto& o : s.over->order) collect(o.value, out);
  }
}

namespace {

void collect_from(const from_item& f, std::vector<const syntax*>& out) {
  if (f.inner) collect(*f.inner, out);
  if (f.on) collect(*f.on, out);
  // What windows are made of is a table.
  if (f.what == from_item::kind::function && !is_window_function(f.call.name)) collect(f.call, out);
  for (const auto& side : f.sides) collect_from(side, out);
}

}  // namespace

bool names_result(const syntax& s, const query& q) {
  if (s.kind != k::column || !s.qualifier.empty()) return false;
  if (q.what != query::kind::select) return true;
  return std::any_of(q.targets.begin(), q.targets.end(), [&s](const target& t) {
    return !t.star && s.name == (t.alias.empty() ? column_title(t.value) : t.alias);
  });
}

void collect(const query& q, std::vector<const syntax*>& out) {
  for (const auto& t : q.targets)
    if (!t.star) collect(t.value, out);
  for (const auto& f : q.from) collect_from(f, out);
  if (q.where) collect(*q.where, out);
  if (q.having) collect(*q.having, out);
  // A name that the query has itself is none of the query outside.
  auto collect_item = [&](const syntax& s) {
    if (!names_result(s, q)) collect(s, out);
  };
  for (const auto& g : q.group_by) collect_item(g);
  for (const auto& d : q.distinct_on) collect_item(d);
  for (const auto& o : q.order_by) collect_item(o.value);
  for (const auto& row : q.rows)
    for (const auto& v : row) collect(v, out);
  if (q.left) collect(*q.left, out);
  if (q.right) collect(*q.right, out);
}

void collect_titles(const from_item& f, std::set<std::string>& out) {
  for (const auto& side : f.sides) collect_titles(side, out);
  if (f.what == from_item::kind::join) return;
  out.insert(!f.alias.empty()                      ? f.alias
             : f.what == from_item::kind::function ? f.call.name
                                                   : f.table.text);
}

namespace {

bool reads_beyond(const syntax& s, const std::set<std::string>& titles) {
  std::vector<const syntax*> refs;
  collect(s, refs);
  return std::any_of(refs.begin(), refs.end(), [&titles](const syntax* r) {
    return !r->qualifier.empty() && !titles.count(r->qualifier);
  });
}

syntax all_of(std::vector<syntax> parts, uint32_t location) {
  if (parts.size() == 1) return std::move(parts[0]);
  syntax out;
  out.kind = k::special;
  out.name = "and";
  out.location = location;
  out.args = std::move(parts);
  return out;
}

void move_from(from_item& f, const std::set<std::string>& titles, std::vector<syntax>& moved) {
  if (f.what != from_item::kind::join) return;
  // Below an outer join WHERE asks of other rows than the condition does.
  if (f.how == join_kind::inner || f.how == join_kind::left) move_from(f.sides[0], titles, moved);
  if (f.how == join_kind::inner || f.how == join_kind::right) move_from(f.sides[1], titles, moved);
  auto moves = [&titles](const syntax& s) { return has_subquery(s) || reads_beyond(s, titles); };
  if (f.how != join_kind::inner || !f.on || !moves(*f.on)) return;
  std::vector<const syntax*> parts;
  split(*f.on, parts);
  std::vector<syntax> staying;
  for (const auto* p : parts) (moves(*p) ? moved : staying).push_back(*p);
  const auto location = f.on->location;
  f.on.reset();
  if (!staying.empty()) f.on = all_of(std::move(staying), location);
}

}  // namespace

namespace {

void titles_within(const query&, std::set<std::string>& out);

void titles_within(const syntax& s, std::set<std::string>& out) {
  if (s.query) titles_within(query_of(s), out);
  for (const auto* part : {&s.args, &s.filter})
    for (const auto& a : *part) titles_within(a, out);
}

void titles_within(const from_item& f, std::set<std::string>& out) {
  if (f.inner) titles_within(*f.inner, out);
  if (f.on) titles_within(*f.on, out);
  for (const auto& side : f.sides) titles_within(side, out);
}

/// Names of tables anywhere in a query: references to them are its own affair.
void titles_within(const query& q, std::set<std::string>& out) {
  for (const auto& w : q.with) titles_within(*w.body, out);
  for (const auto& f : q.from) {
    collect_titles(f, out);
    titles_within(f, out);
  }
  for (const auto& t : q.targets) titles_within(t.value, out);
  for (const auto* part : {&q.where, &q.having})
    if (*part) titles_within(**part, out);
  for (const auto* list : {&q.group_by, &q.distinct_on})
    for (const auto& s : *list) titles_within(s, out);
  for (const auto& o : q.order_by) titles_within(o.value, out);
  for (const auto& side : {q.left, q.right})
    if (side) titles_within(*side, out);
}

}  // namespace

void move_outer_conditions(query& q) {
  std::set<std::string> titles;
  for (const auto& f : q.from) collect_titles(f, titles);
  std::vector<syntax> moved;
  for (auto& f : q.from) move_from(f, titles, moved);
  if (moved.empty()) return;
  const auto location = moved[0].location;
  if (q.where) moved.insert(moved.begin(), std::move(*q.where));
  q.where = all_of(std::move(moved), location);
}

namespace {

bool is_row_function(const from_item& f) {
  return f.what == from_item::kind::function && is_table_function(f.call.name) &&
         !is_window_function(f.call.name);
}

/// Whether a join has something on a right side that may read what stands before it: a function
/// that gives rows, or LATERAL with one of these names.
bool has_lateral(const from_item& f, const std::set<std::string>& before) {
  if (f.what != from_item::kind::join) return is_row_function(f);
  const auto& right = f.sides[1];
  if (is_row_function(right) || has_lateral(f.sides[0], before)) return true;
  if (!right.lateral || !right.inner) return false;
  std::vector<const syntax*> refs;
  collect(*right.inner, refs);
  return std::any_of(refs.begin(), refs.end(),
                     [&before](const syntax* r) { return before.count(r->qualifier) > 0; });
}

}  // namespace

bool join_behind_comma(std::vector<from_item>& items, size_t i) {
  auto* first = &items[i];
  for (; first->what == from_item::kind::join; first = &first->sides[0])
    if (first->how != join_kind::inner && first->how != join_kind::left) return false;
  auto cross = [](from_item left, from_item right) {
    from_item both;
    both.what = from_item::kind::join;
    both.location = right.location;
    both.sides.push_back(std::move(left));
    both.sides.push_back(std::move(right));
    return both;
  };
  from_item before = std::move(items[0]);
  for (size_t k = 1; k < i; ++k) before = cross(std::move(before), std::move(items[k]));
  *first = cross(std::move(before), std::move(*first));
  items.erase(items.begin(), items.begin() + static_cast<ptrdiff_t>(i));
  return true;
}

void join_laterals(query& q) {
  std::set<std::string> before;
  for (size_t i = 0; i < q.from.size(); ++i) {
    auto next = before;
    collect_titles(q.from[i], next);
    const bool joins = i > 0 && q.from[i].what == from_item::kind::join;
    if (joins && has_lateral(q.from[i], before) && join_behind_comma(q.from, i)) i = 0;
    before = std::move(next);
  }
}

std::vector<const column_name*> read_by(const from_item& f, const std::set<std::string>& titles,
                                        const rows& outer) {
  std::vector<const syntax*> refs;
  std::set<std::string> own = titles;
  if (f.inner) {
    titles_within(*f.inner, own);
    collect(*f.inner, refs);
  }
  if (f.on) collect(*f.on, refs);
  if (f.what == from_item::kind::function && !is_window_function(f.call.name))
    collect(f.call, refs);
  std::vector<const column_name*> out;
  auto add = [&out](const column_name* c) {
    if (std::none_of(out.begin(), out.end(),
                     [c](const column_name* k) { return k->index == c->index; }))
      out.push_back(c);
  };
  for (const auto* r : refs)
    if (!r->qualifier.empty() && !own.count(r->qualifier))
      if (const auto* c = named_by(*r, outer)) add(c);
  for (const auto& side : f.sides)
    for (const auto* c : read_by(side, titles, outer)) add(c);
  return out;
}

std::vector<const column_name*> read_by_from(const query& q, const rows& outer) {
  std::set<std::string> titles;
  for (const auto& f : q.from) collect_titles(f, titles);
  std::vector<const column_name*> out;
  auto add = [&out](const column_name* c) {
    if (std::none_of(out.begin(), out.end(),
                     [c](const column_name* k) { return k->index == c->index; }))
      out.push_back(c);
  };
  for (const auto& f : q.from)
    for (const auto* c : read_by(f, titles, outer)) add(c);
  // A function that stands first reads nothing that stands before it.
  if (q.from.empty()) return out;
  const auto* first = &q.from[0];
  while (first->what == from_item::kind::join) first = &first->sides[0];
  if (first->what != from_item::kind::function || is_window_function(first->call.name)) return out;
  std::vector<const syntax*> refs;
  collect(first->call, refs);
  for (const auto* r : refs)
    if (r->qualifier.empty())
      if (const auto* c = named_by(*r, outer)) add(c);
  return out;
}

namespace {

void put_in_place(query&, const named_query&);

void put_in_place(syntax& s, const named_query& n) {
  for (auto* part : {&s.args, &s.filter})
    for (auto& a : *part) put_in_place(a, n);
  if (!s.query) return;
  auto inner = std::make_shared<query>(query_of(s));
  put_in_place(*inner, n);
  s.query = std::move(inner);
}

void put_in_place(from_item& f, const named_query& n) {
  for (auto& side : f.sides) put_in_place(side, n);
  if (f.on) put_in_place(*f.on, n);
  if (f.inner) {
    auto inner = std::make_shared<query>(*f.inner);
    put_in_place(*inner, n);
    f.inner = std::move(inner);
  }
  if (f.what != from_item::kind::table || f.table.text != n.called.text) return;
  f.what = from_item::kind::subquery;
  f.inner = n.body;
  if (f.alias.empty()) f.alias = n.called.text;
  for (size_t i = f.columns.size(); i < n.columns.size(); ++i) f.columns.push_back(n.columns[i]);
}

/// Names of tables that are the WITH query's are that query from here on.
void put_in_place(query& q, const named_query& n) {
  for (auto& w : q.with) {
    auto body = std::make_shared<query>(*w.body);
    put_in_place(*body, n);
    w.body = std::move(body);
    if (w.called.text == n.called.text) return;  // the name means another one below
  }
  for (auto* side : {&q.left, &q.right}) {
    if (!*side) continue;
    auto inner = std::make_shared<query>(**side);
    put_in_place(*inner, n);
    *side = std::move(inner);
  }
  for (auto& f : q.from) put_in_place(f, n);
  for (auto& t : q.targets) put_in_place(t.value, n);
  for (auto* part : {&q.where, &q.having})
    if (*part) put_in_place(**part, n);
  for (auto* list : {&q.group_by, &q.distinct_on})
    for (auto& s : *list) put_in_place(s, n);
  for (auto& o : q.order_by) put_in_place(o.value, n);
  for (auto& row : q.rows)
    for (auto& v : row) put_in_place(v, n);
}

}  // namespace

query_ptr with_in_place(const query& q, const rows& outer) {
  std::shared_ptr<query> out;
  for (size_t i = 0; i < (out ? out->with : q.with).size();) {
    from_item f;
    f.what = from_item::kind::subquery;
    f.inner = (out ? out->with : q.with)[i].body;
    if (read_by(f, {}, outer).empty()) {
      ++i;
      continue;
    }
    if (!out) out = std::make_shared<query>(q);
    const auto n = out->with[i];
    out->with.erase(out->with.begin() + static_cast<ptrdiff_t>(i));
    std::vector<named_query> before(out->with.begin(),
                                    out->with.begin() + static_cast<ptrdiff_t>(i));
    out->with.erase(out->with.begin(), out->with.begin() + static_cast<ptrdiff_t>(i));
    put_in_place(*out, n);
    out->with.insert(out->with.begin(), before.begin(), before.end());
  }
  return out;
}

std::vector<const column_name*> all_named_by(const syntax& s, const rows& in) {
  std::vector<const column_name*> out;
  for (const auto& c : in.columns) {
    const bool hidden = c.outer ? c.was_hidden : c.hidden;
    if (c.name != s.name || (s.qualifier.empty() ? hidden : c.table != s.qualifier)) continue;
    if (!out.empty() && c.levels > out.front()->levels) continue;
    if (!out.empty() && c.levels < out.front()->levels) out.clear();
    // What the query outside has may be there several times.
    if (!c.outer || std::none_of(out.begin(), out.end(), [&c](const column_name* other) {
          return other->table == c.table;
        }))
      out.push_back(&c);
  }
  if (!out.empty() || !s.qualifier.empty()) return out;
  // A table of one column, whose name stands for that: the innermost one.
  for (const auto& c : in.columns)
    if (c.row && c.table == s.name && (out.empty() || c.levels < out.front()->levels)) out = {&c};
  return out;
}

const column_name* named_by(const syntax& s, const rows& in) {
  const auto all = all_named_by(s, in);
  return all.empty() ? nullptr : all.front();
}

bool reads_only(const syntax& s, const rows& in) {
  if (has_subquery(s)) return false;
  std::vector<const syntax*> all;
  collect(s, all);
  return std::all_of(all.begin(), all.end(),
                     [&in](const syntax* c) { return named_by(*c, in) != nullptr; });
}

expr::node_ptr same(const expr::node_ptr& a, const expr::node_ptr& b, bool null_safe) {
  if (!null_safe) return make_call("=", type_id::boolean, {a, b});
  return make_call("not", type_id::boolean, {make_call("is distinct", type_id::boolean, {a, b})});
}

expr::node_ptr is_null(expr::node_ptr e) {
  return make_call("is null", type_id::boolean, {std::move(e)});
}

}  // namespace weir::sql
