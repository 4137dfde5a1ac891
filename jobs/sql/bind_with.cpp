// A query as a whole: its WITH, and by what it is.
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/outer_names.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"

namespace weir::sql {

/// The columns of a table, a view or a query of WITH around this one.
known_relation query_binder::known(const std::string& table, const context& c) const {
  known_relation out;
  for (const auto* e = c.with; e; e = e->outer)
    if (auto it = e->names.find(table); it != e->names.end()) {
      out.known = it->second.has_value();
      if (out.known)
        for (const auto& column : it->second->columns) out.columns.insert(column.name);
      return out;
    }
  const auto d = definitions.find(table);
  if (d == definitions.end()) return out;
  out.known = !d->second.broken;
  if (!d->second.is_table) {
    out.body = d->second.body;
    out.titles = d->second.columns;
  }
  for (const auto& column : d->second.table.columns) out.columns.insert(column.name);
  return out;
}

std::optional<query_ptr> query_binder::with_names_of(const query& q, const rows& outer,
                                                     const context& c) {
  if (q.with.empty() && q.from.empty()) return nullptr;
  std::optional<syntax> ambiguous;
  auto out = with_outer_names(
      q, outer, [&](const std::string& table) { return known(table, c); }, ambiguous);
  if (!ambiguous) return out;
  report(errc::invalid_argument, ambiguous_name(*ambiguous), ambiguous->location);
  return {};
}

std::optional<rows> query_binder::bind(const query& q, const context& outer) {
  if (outer.outer) {
    const auto named = with_names_of(q, *outer.outer, outer);
    if (!named) return {};
    if (*named) return bind(**named, outer);
    if (const auto inlined = with_in_place(q, *outer.outer)) return bind(*inlined, outer);
  }
  environment here;
  here.outer = outer.with;
  context c = outer;
  c.with = &here;
  for (const auto& n : q.with) {
    context inner = c;
    inner.id = c.id.empty() ? n.called.text : c.id + '/' + n.called.text;
    inner.wanted = nullptr;
    inner.titles = &n.columns;
    inner.outer = nullptr;
    auto r = bind(*n.body, inner);
    if (r && !rename(*r, n.columns, n.called.text, n.called.location)) r.reset();
    here.names[n.called.text] = std::move(r);
  }
  if (q.what == query::kind::select) return select(q, c);
  auto all = q.what == query::kind::values ? values(q, c) : set_operation(q, c);
  if (!all) return {};
  return ordered(q, c, std::move(*all));
}

}  // namespace weir::sql
