#include "jobs/sql/row_rewrites.hpp"

#include <algorithm>

#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"

namespace weir::sql {
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

/// What the query's columns are called; nothing: it has not one, or it is not known yet.
std::optional<std::string> only_title(const query& q, bool& several) {
  if (q.what == query::kind::set_operation) return only_title(*q.left, several);
  if (q.what == query::kind::values) {
    several = !q.rows.empty() && q.rows[0].size() > 1;
    if (several) return {};
    return "column1";
  }
  several = q.targets.size() > 1;
  if (several || q.targets[0].star) return {};
  return q.targets[0].alias.empty() ? column_title(q.targets[0].value) : q.targets[0].alias;
}

/// Whether each row of FROM that WHERE accepts gives one value.
bool is_plain(const query& q) {
  const auto simple = [](const syntax& s) {
    return !first_aggregate(s) && !has_window(s) && !gives_rows(s);
  };
  return q.what == query::kind::select && q.with.empty() && !q.distinct && !has_groups(q) &&
         q.windows.empty() && !q.limit && !q.offset && simple(q.targets[0].value) &&
         std::all_of(q.order_by.begin(), q.order_by.end(),
                     [&](const auto& o) { return simple(o.value); });
}

}  // namespace

std::optional<query> gathered(const query& q, bool& several) {
  const auto title = only_title(q, several);
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

void move_row_functions(query& q) {
  target* found = nullptr;
  for (auto& t : q.targets) {
    if (t.star ? t.value.qualifier.empty() : first_aggregate(t.value) || has_window(t.value))
      return;  // * must not see the function's column; groups and windows come before it
    if (t.star || !gives_rows(t.value)) continue;
    if (found || t.value.kind != k::function || !is_table_function(t.value.name) ||
        is_window_function(t.value.name) || !t.value.is_plain_call())
      return;
    found = &t;
  }
  if (!found || !q.group_by.empty() || !q.grouping_sets.empty() || q.whole || q.having ||
      !q.distinct_on.empty())
    return;
  for (const auto& o : q.order_by)
    if (gives_rows(o.value) || first_aggregate(o.value) || has_window(o.value)) return;
  if (std::any_of(found->value.args.begin(), found->value.args.end(), gives_rows)) return;
  if (found->alias.empty()) found->alias = column_title(found->value);
  // A name that nothing else in the query can mean.
  const auto name = found->value.name + "()";
  from_item f;
  f.what = from_item::kind::function;
  f.location = found->location;
  f.alias = name;
  f.columns.push_back(name);
  f.whole = true;
  f.call = std::move(found->value);
  found->value = column(name, name, f.location);
  q.from.push_back(std::move(f));
}

}  // namespace weir::sql
