#include "jobs/sql/row_rewrites.hpp"

#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"

namespace weir::sql {

namespace {

bool same_all(const std::vector<syntax>& a, const std::vector<syntax>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_syntax);
}
bool same_order(const std::vector<expr::sort_item>& a, const std::vector<expr::sort_item>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.descending == y.descending && x.nulls_first == y.nulls_first &&
           same_syntax(x.value, y.value);
  });
}
bool same_window(const expr::window_syntax& a, const expr::window_syntax& b) {
  return a.name == b.name && a.copied == b.copied && a.framed == b.framed && a.frame == b.frame &&
         a.start == b.start && a.end == b.end && a.without == b.without &&
         same_all(a.partition, b.partition) && same_order(a.order, b.order) &&
         same_all(a.start_offset, b.start_offset) && same_all(a.end_offset, b.end_offset);
}

}  // namespace

bool same_syntax(const syntax& a, const syntax& b) {
  if (a.query || b.query || !a.order != !b.order || !a.over != !b.over) return false;
  if (a.order && !same_order(*a.order, *b.order)) return false;
  if (a.over && !same_window(*a.over, *b.over)) return false;
  return a.kind == b.kind && a.name == b.name && a.qualifier == b.qualifier && a.text == b.text &&
         a.modifiers == b.modifiers && a.negated == b.negated && a.simple_case == b.simple_case &&
         a.star == b.star && a.distinct == b.distinct && same_all(a.args, b.args) &&
         same_all(a.filter, b.filter);
}

namespace {

using k = expr::syntax_kind;

syntax column(std::string name, std::string qualifier, uint32_t location) {
  syntax s;
  s.kind = k::column;
  s.name = std::move(name);
  s.qualifier = std::move(qualifier);
  s.location = location;
  return s;
}

bool gives_rows(const syntax& s) {
  return (s.kind == k::function && is_table_function(s.name) && !is_window_function(s.name)) ||
         std::any_of(s.args.begin(), s.args.end(), gives_rows);
}

syntax array_agg(syntax value, std::vector<expr::sort_item> order) {
  syntax call;
  call.kind = k::function;
  call.name = "array_agg";
  call.location = value.location;
  if (!order.empty()) {
    call.order_location = expr::begin_of(order[0].value);
    call.order = std::make_shared<const std::vector<expr::sort_item>>(std::move(order));
  }
  call.args.push_back(std::move(value));
  return call;
}

/// Whether an item of ORDER BY names the query's one column: by its position or its name.
bool is_the_column(const syntax& s, const std::string& title) {
  if (s.kind == k::integer) return s.text == "1";
  return s.kind == k::column && s.qualifier.empty() && s.name == title;
}

/// What the query's column is called, empty where * says so; nothing: it has several.
std::optional<std::string> only_title(const query& q) {
  if (q.what == query::kind::set_operation) return only_title(*q.left);
  if (q.what == query::kind::values) {
    if (!q.rows.empty() && q.rows[0].size() > 1) return {};
    return "column1";
  }
  if (q.targets.size() > 1) return {};
  if (q.targets[0].star) return "";
  return q.targets[0].alias.empty() ? column_title(q.targets[0].value) : q.targets[0].alias;
}

/// Whether each row of FROM that WHERE accepts gives one value.
bool is_plain(const query& q) {
  const auto simple = [](const syntax& s) {
    // A subquery may have an aggregate of this query.
    return !first_aggregate(s) && !has_window(s) && !gives_rows(s) && !has_subquery(s);
  };
  return q.what == query::kind::select && q.with.empty() && !q.distinct && !has_groups(q) &&
         !q.targets[0].star && q.windows.empty() && !q.limit && !q.offset &&
         simple(q.targets[0].value) &&
         std::all_of(q.order_by.begin(), q.order_by.end(),
                     [&](const auto& o) { return simple(o.value); });
}

}  // namespace

std::optional<query> gathered(const query& q) {
  const auto title = only_title(q);
  if (!title) return {};
  auto inner = q;
  std::vector<expr::sort_item> order = inner.order_by;
  if (is_plain(q)) {
    auto& value = inner.targets[0].value;
    for (auto& o : order)
      if (is_the_column(o.value, *title)) o.value = value;
    value = array_agg(std::move(value), std::move(order));
    inner.order_by.clear();
    return inner;
  }
  // The values in a subquery, with what orders them beside them.
  const std::string table = "array";
  from_item f;
  f.what = from_item::kind::subquery;
  f.alias = table;
  f.location = q.location;
  f.all_named = true;
  f.columns.push_back("value");
  for (auto& o : order) {
    const auto at = expr::begin_of(o.value);
    if (!is_the_column(o.value, *title) && q.what == query::kind::select &&
        (!q.distinct || !q.distinct_on.empty()) && o.value.kind != k::integer) {
      const auto name = "order " + std::to_string(f.columns.size());
      target more;
      more.value = o.value;
      more.alias = name;
      more.location = at;
      inner.targets.push_back(std::move(more));
      f.columns.push_back(name);
      o.value = column(name, table, at);
      continue;
    }
    // What else a set operation or DISTINCT can be ordered by is its one column. Positions that
    // are not there are the inner query's error.
    o.value = column("value", table, at);
  }
  const bool chooses = q.limit || q.offset || !q.distinct_on.empty();
  if (!chooses && std::all_of(q.order_by.begin(), q.order_by.end(), [&](const auto& o) {
        return is_the_column(o.value, *title) || o.value.kind != k::integer;
      }))
    inner.order_by.clear();
  f.inner = std::make_shared<const query>(std::move(inner));
  query out;
  out.location = q.location;
  target t;
  t.value = array_agg(column("value", table, q.location), std::move(order));
  t.location = q.location;
  out.targets.push_back(std::move(t));
  out.from.push_back(std::move(f));
  return out;
}

namespace {

/// A call whose rows are those of the select list.
bool is_row_call(const syntax& s) {
  return s.kind == k::function && is_table_function(s.name) && !is_window_function(s.name);
}

/// What may not have a function that gives rows in it, as PostgreSQL says it; empty: it may.
std::string row_taboo(const syntax& s) {
  if (s.kind == k::special && (s.name == "case" || s.name == "coalesce"))
    return std::string("set-returning functions are not allowed in ") +
           (s.name == "case" ? "CASE" : "COALESCE");
  if (s.kind != k::function) return {};
  if (s.over_location) return "window function calls cannot contain set-returning function calls";
  if (planner::find_aggregate(s.name))
    return "aggregate function calls cannot contain set-returning function calls";
  return {};
}

/// Collects the calls that give rows in an expression. `ok` is false where one stands in another,
/// or where its rows are not those of the select list; `wrong` says why PostgreSQL refuses it.
void row_calls(syntax& s, std::vector<syntax*>& out, bool& ok,
               std::optional<std::pair<std::string, uint32_t>>& wrong) {
  if (!gives_rows(s)) return;
  if (is_row_call(s)) {
    ok &= s.is_plain_call() && std::none_of(s.args.begin(), s.args.end(), gives_rows);
    out.push_back(&s);
    return;
  }
  ok &= s.kind != k::subquery && s.is_plain_call();
  const auto first = out.size();
  for (auto& a : s.args) row_calls(a, out, ok, wrong);
  if (const auto taboo = row_taboo(s); !taboo.empty() && out.size() > first) {
    ok = false;
    if (!wrong) wrong.emplace(taboo, out[first]->location);
  }
}

/// Takes the calls out of a select list: they are functions of FROM, and `found` its columns.
void move_calls(query& q, const std::vector<syntax*>& found) {
  // Names that nothing else in the query can mean.
  from_item f;
  f.what = from_item::kind::function;
  f.location = found[0]->location;
  f.alias = found[0]->name + "()";
  f.whole = f.unlisted = true;
  f.call.kind = k::function;
  f.call.name = rows_from;
  f.call.location = f.location;
  for (auto* call : found) {
    auto name = call->name + "()";
    if (!f.columns.empty()) name += ' ' + std::to_string(f.columns.size() + 1);
    auto read = column(name, f.alias, call->location);
    f.columns.push_back(std::move(name));
    f.call.args.push_back(std::exchange(*call, std::move(read)));
  }
  if (found.size() == 1) f.call = syntax(f.call.args[0]);
  q.from.push_back(std::move(f));
}

/// GROUP BY 2: what the select list has there. False: the function that gives rows.
bool place_to_target(syntax& s, const query& q) {
  if (s.kind != k::integer) return true;
  const auto place = std::strtoull(s.text.c_str(), nullptr, 10);
  if (s.text[0] == '-' || place < 1 || place > q.targets.size()) return true;
  const auto& value = q.targets[place - 1].value;
  if (gives_rows(value)) return false;
  s = syntax(value);
  return true;
}

/// A query whose groups and window functions are computed in a subquery of its FROM, before its
/// function gives rows.
class rows_behind {
 public:
  explicit rows_behind(query& q) : inner_(q), outer_(q) {
    auto& o = outer_;
    inner_.with.clear();
    inner_.distinct = inner_.with_ties = false;
    inner_.distinct_on.clear();
    inner_.targets.clear();
    inner_.order_by.clear();
    inner_.limit.reset();
    inner_.offset.reset();
    o.from.clear();
    o.where.reset();
    o.having.reset();
    o.group_by.clear();
    o.grouping_sets.clear();
    o.whole = false;
    o.windows.clear();
  }

  query made() {
    for (auto& t : outer_.targets) {
      if (t.alias.empty()) t.alias = column_title(t.value);
      lift(t.value, t.alias);
    }
    for (auto& s : outer_.distinct_on) lift_item(s);
    for (auto& o : outer_.order_by) lift_item(o.value);
    from_item f;
    f.what = from_item::kind::subquery;
    f.alias = table;
    f.location = outer_.location;
    f.inner = std::make_shared<const query>(std::move(inner_));
    outer_.from.push_back(std::move(f));
    return std::move(outer_);
  }

 private:
  static constexpr const char* table = "before rows";

  /// All that a call of rows does not stand in becomes a column of the subquery. `title`: what
  /// GROUP BY may call it.
  void lift(syntax& s, const std::string& title = {}) {
    if (gives_rows(s)) {
      for (auto& a : s.args) lift(a);
      return;
    }
    const bool constant = s.kind == k::integer || s.kind == k::number || s.kind == k::text ||
                          s.kind == k::boolean || s.kind == k::null;
    if (constant) return;
    for (const auto& t : inner_.targets)
      if (same_syntax(t.value, s)) {
        s = column(t.alias, table, s.location);
        return;
      }
    target t;
    const bool known = std::any_of(inner_.targets.begin(), inner_.targets.end(),
                                   [&title](const target& other) { return other.alias == title; });
    t.alias =
        title.empty() || known ? "column " + std::to_string(inner_.targets.size() + 1) : title;
    t.location = expr::begin_of(s);
    auto read = column(t.alias, table, s.location);
    t.value = std::exchange(s, std::move(read));
    inner_.targets.push_back(std::move(t));
  }
  /// Names and places of the select list stay.
  void lift_item(syntax& s) {
    if (!names_result(s, outer_)) lift(s);
  }

  query inner_, outer_;
};

}  // namespace

status move_row_functions(query& q, std::string_view sql) {
  std::vector<syntax*> calls;
  std::vector<target*> found;
  std::optional<std::pair<std::string, uint32_t>> wrong;
  bool ok = true, grouped = has_groups(q), starred = false;
  for (auto [clause, called] : {std::pair{&q.where, "WHERE"}, {&q.having, "HAVING"}})
    if (*clause && gives_rows(**clause))
      wrong.emplace(std::string("set-returning functions are not allowed in ") + called,
                    expr::begin_of(**clause));
  for (auto& t : q.targets) {
    starred |= t.star;
    if (t.star) continue;
    grouped |= has_window(t.value);
    const auto before = calls.size();
    row_calls(t.value, calls, ok, wrong);
    if (calls.size() > before) found.push_back(&t);
  }
  if (wrong)
    return expr::error_at(errc::invalid_argument, wrong->first + "; write them in FROM", sql,
                          wrong->second);
  if (found.empty() || !ok) return {};
  auto name_place = [&](syntax& s) {
    if (!gives_rows(s) || starred) return;
    for (const auto* t : found) {
      if (!same_syntax(s, t->value)) continue;
      const auto at = s.location;
      s = syntax();
      s.kind = k::integer;
      s.text = std::to_string(t - q.targets.data() + 1);
      s.location = at;
      return;
    }
  };
  for (auto& s : q.distinct_on) name_place(s);
  for (auto& o : q.order_by) name_place(o.value);
  auto plain = [](const syntax& s) { return !gives_rows(s); };
  for (const auto& o : q.order_by) {
    if (gives_rows(o.value)) return {};
    grouped |= first_aggregate(o.value) || has_window(o.value);
  }
  if (!std::all_of(q.distinct_on.begin(), q.distinct_on.end(), plain) ||
      !std::all_of(q.group_by.begin(), q.group_by.end(), plain) || (grouped && starred))
    return {};
  for (auto* t : found)
    if (t->alias.empty()) t->alias = column_title(t->value);
  if (grouped) {
    for (auto& s : q.group_by)
      if (!place_to_target(s, q)) return {};
    q = rows_behind(q).made();
  }
  calls.clear();
  for (auto& t : q.targets)
    if (!t.star) row_calls(t.value, calls, ok, wrong);
  move_calls(q, calls);
  return {};
}

}  // namespace weir::sql
