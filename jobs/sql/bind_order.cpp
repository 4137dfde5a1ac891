// ORDER BY, LIMIT, OFFSET and DISTINCT ON: which columns a query's rows are ordered by, and the
// step that keeps the first of them.
#include <algorithm>

#include "jobs/sql/query_binder.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {

using planner::step_options;

namespace {

bool reads_columns(const syntax& s) {
  return s.kind == expr::syntax_kind::column ||
         std::any_of(s.args.begin(), s.args.end(), reads_columns);
}

}  // namespace

/// The target that an item of ORDER BY or DISTINCT ON stands for: a position, a name of the select
/// list, or an expression over the input, which becomes a target of its own where the list has not
/// got it.
std::optional<size_t> query_binder::sort_target(const syntax& s, std::string_view clause,
                                                select_scope& names, size_t listed,
                                                std::vector<bound_target>& targets) {
  using k = expr::syntax_kind;
  auto fail = [&](errc code, const std::string& what) {
    report(code, what, expr::begin_of(s));
    return std::optional<size_t>();
  };
  if (s.kind == k::integer) {
    const auto position = std::strtoull(s.text.c_str(), nullptr, 10);
    if (s.text[0] == '-' || position < 1 || position > listed)
      return fail(errc::invalid_argument,
                  std::string(clause) + " position " + s.text + " is not in select list");
    return position - 1;
  }
  if (s.kind == k::text || s.kind == k::number || s.kind == k::null)
    return fail(errc::parse, "non-integer constant in " + std::string(clause));
  auto same = [](const bound_target& a, const expr::node_ptr& n) {
    return a.value.n && n && expr::same_tree(*a.value.n, *n);
  };
  if (s.kind == k::column && s.qualifier.empty()) {
    // A name of the select list goes before a column of the input.
    std::optional<size_t> found;
    for (size_t i = 0; i < listed; ++i) {
      if (targets[i].name != s.name) continue;
      if (found && !same(targets[*found], targets[i].value.n))
        return fail(errc::invalid_argument,
                    std::string(clause) + " \"" + s.name + "\" is ambiguous");
      if (!found) found = i;
    }
    if (found) return found;
  }
  expr::binder b(script_.text(), names);
  auto value = b.bind(s);
  if (!value) return report(value.err(), s.location), std::nullopt;
  for (size_t i = 0; i < targets.size(); ++i)
    if (same(targets[i], value->n)) return i;
  bound_target made;
  made.value = b.settle(std::move(*value));
  made.name = column_title(s);
  made.location = expr::begin_of(s);
  made.hidden = true;
  targets.push_back(std::move(made));
  return targets.size() - 1;
}

bool query_binder::sortable(const data_type& type, uint32_t location) {
  if (is_comparable(type)) return true;
  return report(
      errc::type_mismatch,
      "could not identify an ordering operator for type " + to_string(type) +
          (type.id == type_id::json ? "; order by one of its fields (j ->> 'field')" : ""),
      location);
}

bool query_binder::bind_ordering(const query& q, select_scope& names, size_t listed,
                                 std::vector<bound_target>& targets, ordering& out) {
  bool ok = true;
  for (const auto& s : q.distinct_on) {
    auto t = sort_target(s, "SELECT DISTINCT ON", names, listed, targets);
    if (!t) {
      ok = false;
    } else if (std::find(out.keys.begin(), out.keys.end(), *t) == out.keys.end()) {
      out.keys.push_back(static_cast<uint32_t>(*t));
    }
  }
  std::set<uint32_t> matched;
  for (const auto& item : q.order_by) {
    auto t = sort_target(item.value, "ORDER BY", names, listed, targets);
    if (!t) {
      ok = false;
      continue;
    }
    const auto column = static_cast<uint32_t>(*t);
    const auto location = expr::begin_of(item.value);
    if (q.distinct && q.distinct_on.empty() && *t >= listed)
      ok = report(errc::invalid_argument,
                  "for SELECT DISTINCT, ORDER BY expressions must appear in select list", location);
    if (ok && !q.distinct_on.empty()) {
      // One value may stand in the list twice: a column of the query around it that equals one
      // here.
      const auto key = std::find_if(out.keys.begin(), out.keys.end(), [&](uint32_t k) {
        return k == column || (targets[k].value.n && targets[column].value.n &&
                               expr::same_tree(*targets[k].value.n, *targets[column].value.n));
      });
      if (key != out.keys.end())
        matched.insert(*key);
      else if (matched.size() < out.keys.size())
        ok = report(errc::invalid_argument,
                    "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                    location);
    }
    if (targets[*t].value.n && !sortable(targets[*t].value.n->type, location)) ok = false;
    out.terms.push_back({column, item.descending, item.nulls_first});
  }
  return ok;
}

/// LIMIT and OFFSET: how many rows, and how many before them. Nothing: reported.
std::optional<std::pair<uint64_t, uint64_t>> query_binder::bounds_of(const query& q) {
  rows nothing;
  schema no_types;
  auto count = [&](const syntax& s, const char* clause) -> std::optional<std::optional<uint64_t>> {
    select_scope none(nothing, no_types, clause);
    expr::binder b(script_.text(), none);
    if (reads_columns(s)) {
      report(errc::invalid_argument,
             "argument of " + std::string(clause) + " must not contain variables", s.location);
      return {};
    }
    auto value = b.bind(s);
    if (value) value = b.coerce(std::move(*value), type_id::int64, expr::cast_context::assignment);
    if (!value) return report(value.err(), s.location), std::nullopt;
    auto n = expr::fold(value->n);
    if (n->kind != expr::node_kind::literal) {
      report(errc::unsupported, "the argument of " + std::string(clause) + " must be a constant",
             s.location);
      return {};
    }
    if (n->literal.null) return std::optional<uint64_t>();
    if (n->literal.i < 0) {
      report(errc::invalid_argument, std::string(clause) + " must not be negative",
             expr::begin_of(s));
      return {};
    }
    return std::optional<uint64_t>(static_cast<uint64_t>(n->literal.i));
  };
  std::pair<uint64_t, uint64_t> out{UINT64_MAX, 0};
  bool ok = true;
  for (auto [s, clause, into] :
       {std::tuple{&q.limit, "LIMIT", &out.first}, {&q.offset, "OFFSET", &out.second}}) {
    if (!*s) continue;
    auto n = count(**s, clause);
    ok &= n.has_value();
    if (n && *n) *into = **n;
  }
  if (!ok) return {};
  return out;
}

/// The first of the rows as LIMIT and OFFSET say, in the order of columns of their relation.
std::optional<rows> query_binder::limited(const query& q, const context& c, rows in,
                                          std::vector<order_term> terms, step_options o) {
  auto bounds = bounds_of(q);
  if (!bounds) return {};
  const bool kept = c.ordered == &q && !terms.empty();
  if (bounds->first == UINT64_MAX && bounds->second == 0 && !(kept && c.final_rows)) {
    // DISTINCT ON has made use of the order by now.
    if (kept) {
      in.order = std::move(terms);
    } else if (!terms.empty() && q.distinct_on.empty()) {
      report(errc::unsupported,
             "ORDER BY without LIMIT is not supported: rows leave as they are computed; add LIMIT, "
             "or run a SELECT with --final, which prints the table that stands at the end in order",
             expr::begin_of(q.order_by[0].value));
      return {};
    }
    return in;
  }
  planner::top_n_def def;
  // Of a subquery: the first rows for each row outside.
  for (const auto& k : in.correlated) def.keys.push_back(k.own);
  def.order = terms;
  std::tie(def.limit, def.offset) = *bounds;
  def.with_ties = q.with_ties;
  def.final_only = c.final_rows;
  const auto& types = types_of(in.from);
  for (const auto& t : terms)
    o.what += types.fields[t.column].name + (t.descending ? " desc" : "") +
              (t.nulls_first ? " nulls first" : "") + ", ";
  o.what += std::to_string(def.limit) + " from " + std::to_string(def.offset) +
            (def.with_ties ? " with ties" : "") + (def.final_only ? " final" : "");
  const auto location = q.limit_location ? q.limit_location : q.location;
  const bool one = def.limit == 1 && !def.with_ties;
  auto made = builder_.top_n(in.from, std::move(def), std::move(o));
  if (!made) return report(made.err().code, made.err().message, location), std::nullopt;
  in.from = *made;
  in.single |= one;
  change_locations[made->node] = locations[made->node] = location;
  if (kept && !c.final_rows) in.order = std::move(terms);
  return in;
}

/// The first row of each key of DISTINCT ON.
std::optional<rows> query_binder::distinct_on(const query& q, const context& c, rows in,
                                              const ordering& by, step_options o) {
  planner::top_n_def def;
  def.keys = by.keys;
  for (const auto& k : in.correlated) def.keys.push_back(k.own);
  def.order = by.terms;
  def.final_only = c.final_rows;
  const auto& types = types_of(in.from);
  bool ok = true;
  for (size_t i = 0; i < by.keys.size(); ++i) {
    o.what += types.fields[by.keys[i]].name + ", ";
    ok = comparable(types.fields[by.keys[i]].type, q.distinct_on[i].location) && ok;
  }
  if (!ok) return {};
  for (const auto& t : by.terms)
    o.what += types.fields[t.column].name + (t.descending ? " desc, " : ", ");
  // Within a key its own terms say nothing.
  def.order.erase(std::remove_if(def.order.begin(), def.order.end(),
                                 [&by](const order_term& t) {
                                   return std::find(by.keys.begin(), by.keys.end(), t.column) !=
                                          by.keys.end();
                                 }),
                  def.order.end());
  const auto location = expr::begin_of(q.distinct_on[0]);
  auto made = builder_.top_n(in.from, std::move(def), std::move(o));
  if (!made) return report(made.err().code, made.err().message, location), std::nullopt;
  in.from = *made;
  change_locations[made->node] = locations[made->node] = location;
  return in;
}

/// ORDER BY and LIMIT over VALUES and set operations, which know their columns by name and position
/// only.
std::optional<rows> query_binder::ordered(const query& q, const context& c, rows in) {
  if (q.order_by.empty() && !q.limit && !q.offset) return in;
  const auto& types = types_of(in.from);
  std::vector<order_term> terms;
  bool ok = true;
  for (const auto& item : q.order_by) {
    const auto& s = item.value;
    const auto location = expr::begin_of(s);
    std::optional<uint32_t> column;
    if (s.kind == expr::syntax_kind::integer) {
      const auto position = std::strtoull(s.text.c_str(), nullptr, 10);
      if (s.text[0] == '-' || position < 1 || position > in.columns.size()) {
        ok = report(errc::invalid_argument,
                    "ORDER BY position " + s.text + " is not in select list", location);
        continue;
      }
      column = in.columns[position - 1].index;
    } else if (s.kind == expr::syntax_kind::column && s.qualifier.empty()) {
      for (const auto& k : in.columns)
        if (k.name == s.name && !column) column = k.index;
      if (!column) {
        ok = report(errc::unknown_name, "column \"" + s.name + "\" does not exist", location);
        continue;
      }
    } else {
      ok = report(errc::unsupported,
                  "invalid UNION/INTERSECT/EXCEPT ORDER BY clause: only result column names can be "
                  "used, not expressions or functions; put the query into FROM (SELECT ...)",
                  location);
      continue;
    }
    ok = sortable(types.fields[*column].type, location) && ok;
    terms.push_back({*column, item.descending, item.nulls_first});
  }
  if (!ok) return {};
  // What is compared must have a type.
  for (auto& k : in.columns) k.literal.reset();
  return limited(q, c, std::move(in), std::move(terms), part(c, "top"));
}

}  // namespace weir::sql
