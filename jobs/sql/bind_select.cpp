// One SELECT: WHERE, the select list, DISTINCT; and what queries of every kind share.
#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/outer_names.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {

using planner::step_options;

std::string unique_name(const std::string& wanted, std::set<std::string>& taken) {
  auto out = wanted;
  for (uint32_t k = 2; !taken.insert(out).second; ++k) out = wanted + '_' + std::to_string(k);
  return out;
}

std::string query_binder::unique(const std::string& id) {
  auto out = id;
  for (uint32_t k = 2; !ids_.insert(out).second; ++k) out = id + '-' + std::to_string(k);
  return out;
}

bool query_binder::comparable(const data_type& type, uint32_t location) {
  if (is_comparable(type)) return true;
  return report(errc::type_mismatch,
                "could not identify an equality operator for type " + to_string(type) +
                    (type.id == type_id::json ? "; compare one of its fields (j ->> 'field')" : ""),
                location);
}

namespace {

/// PostgreSQL's FigureColname(): how much a name is worth, which CASE and casts ask. A type's name
/// is worth less than that of a column or a call.
enum class worth : uint8_t { nothing, type, name };

worth title_of(const syntax&, const subquery_titles* known, std::string& out);

/// Of the one column of a subquery.
worth title_of(const query& q, const subquery_titles* known, std::string& out) {
  if (known)
    if (const auto found = known->find(&q); found != known->end()) {
      out = found->second;
      return worth::name;
    }
  if (q.what == query::kind::set_operation) return title_of(*q.left, known, out);
  out = "column1";
  if (q.what == query::kind::values) return worth::name;
  const auto& first = q.targets[0];
  out = first.star ? "?column?" : first.alias.empty() ? column_title(first.value) : first.alias;
  return worth::name;
}

worth title_of(const syntax& s, const subquery_titles* known, std::string& out) {
  using k = expr::syntax_kind;
  auto named = [&out](std::string name, worth w = worth::name) {
    out = std::move(name);
    return w;
  };
  if (s.kind == k::column) return named(s.name);
  if (s.kind == k::function) return named(s.text.empty() ? s.name : s.text);
  if (s.kind == k::subquery) {
    if (s.name == "EXISTS") return named("exists");
    return s.name.empty() ? title_of(query_of(s), known, out) : worth::nothing;
  }
  if (s.kind == k::special) {
    if (s.name == "coalesce" && s.text == "array") return named(s.text);  // ARRAY (SELECT ...)
    if (s.name == "coalesce" || s.name == "greatest" || s.name == "least" || s.name == "nullif" ||
        s.name == "array" || s.name == "row")
      return named(s.name);
    if (s.name == "case")
      return title_of(s.args.back(), known, out) == worth::name ? worth::name
                                                                : named("case", worth::type);
    if (s.name == "field") return named(s.text);
    if (s.name == "subscript" || s.name == "slice") return title_of(s.args[0], known, out);
  }
  if (s.kind == k::cast)
    return title_of(s.args[0], known, out) == worth::name
               ? worth::name
               : named(s.name.substr(0, s.name.find('[')), worth::type);
  if (s.kind == k::boolean) return named("bool", worth::type);
  return worth::nothing;
}

}  // namespace

std::string column_title(const syntax& s, const subquery_titles* known) {
  std::string out;
  return title_of(s, known, out) == worth::nothing ? "?column?" : out;
}

namespace {

/// What an expression over aggregates is when no row comes; columns as rows::when_empty has them.
expr::node_ptr emptied(const expr::node_ptr& n, const std::vector<aggregate_call>& calls,
                       const schema& types, const std::vector<correlation>& correlated) {
  if (n->kind == expr::node_kind::column) {
    if (n->column >= types.size() && n->column - types.size() < calls.size()) {
      return over_nothing(calls[n->column - types.size()], n->type);
    }
    for (uint32_t i = 0; i < correlated.size(); ++i)
      if (correlated[i].own == n->column) return make_column(n->type, i);
    return make_null(n->type);
  }
  if (n->args.empty()) return n;
  auto copy = std::make_shared<expr::node>(*n);
  for (auto& a : copy->args) a = emptied(a, calls, types, correlated);
  return copy;
}

}  // namespace

namespace {

/// Items of the select list that GROUP BY names, by their position or their name.
std::vector<const target*> grouped_by(const query& q, const rows& in) {
  std::vector<const target*> out;
  const bool counted =
      std::none_of(q.targets.begin(), q.targets.end(), [](const target& t) { return t.star; });
  for (const auto& k : q.group_by)
    for (size_t i = 0; i < q.targets.size(); ++i) {
      const auto& t = q.targets[i];
      const bool by_place =
          counted && k.kind == expr::syntax_kind::integer && k.text == std::to_string(i + 1);
      const bool by_name = k.kind == expr::syntax_kind::column && k.qualifier.empty() && !t.star &&
                           !named_by(k, in) &&
                           k.name == (t.alias.empty() ? column_title(t.value) : t.alias);
      if ((by_place || by_name) && !first_aggregate(t.value) && !has_window(t.value))
        out.push_back(&t);
    }
  return out;
}

}  // namespace

/// Columns of their own for what the rows are joined by: GROUPING SETS may leave out the keys that
/// they stand for.
bool query_binder::copy_outer(rows& in, std::vector<correlation>& correlated, const context& c) {
  const auto types = types_of(in.from);
  std::vector<bound_target> targets;
  auto add = [&](uint32_t column) {
    targets.push_back(plain_target(planner::column_ref(types, column), types.fields[column].name));
    return static_cast<uint32_t>(targets.size() - 1);
  };
  for (uint32_t i = 0; i < types.size(); ++i) add(i);
  for (auto& x : correlated) {
    const auto copy = add(x.own);
    for (auto& column : in.columns)
      if (column.outer && column.index == x.own) column.index = copy;
    x.own = copy;
  }
  auto made = project(in.from, std::move(targets), part(c, "values"));
  if (!made) return false;
  in.from = made->from;
  return true;
}

std::optional<rows> query_binder::select(const query& read, const context& given) {
  auto c = given;
  c.from = nullptr;
  auto in = given.from ? std::optional(*given.from) : from(read, c);
  if (!in) return {};
  const bool one = in->single;
  if (c.outer && !correlate(read, c, *in)) return {};
  const auto called =
      with_outer_calls(read, *in, [&](const std::string& table) { return known(table, c); });
  if (called.misplaced)
    return report(errc::invalid_argument, called.why, called.misplaced->location), std::nullopt;
  const auto& q = called.body ? *called.body : read;
  auto correlated = in->correlated;
  bool ok = true;
  if (q.where) {
    auto filtered = where(*in, *q.where, c, "WHERE");
    ok = filtered.has_value();  // the select list may have mistakes of its own
    if (ok) in = std::move(filtered);
  }
  if (!q.grouping_sets.empty() && !correlated.empty() && !copy_outer(*in, correlated, c)) return {};
  clause_subqueries subqueries;
  std::vector<aggregate_call> calls;
  const bool groups = called.body || has_groups(q);
  const bool whole = q.group_by.empty() && q.grouping_sets.empty();
  subqueries.outer = correlated;
  subqueries.of_groups = !q.grouping_sets.empty() || (whole && !correlated.empty());
  for (const auto& k : q.group_by)
    if (!attach(k, *in, c, subqueries.values)) return {};
  for (const auto* t : grouped_by(q, *in))
    if (!attach(t->value, *in, c, subqueries.values)) return {};
  if (called.body && !know_calls(q, *in, called.calls, c, subqueries)) return {};
  subqueries.of_keys = subqueries.of_rows = subqueries.over_groups = subqueries.values;
  for (const auto& t : q.targets)
    if (!(groups ? attach_grouped(t.value, *in, c, subqueries)
                 : attach(t.value, *in, c, subqueries.values, &subqueries.windowed)))
      return {};
  if (q.having && has_subquery(*q.having) && has_window(*q.having))
    return report(
               errc::invalid_argument,
               "window functions are not allowed in HAVING; put the query into FROM (SELECT ...) "
               "and filter its rows",
               q.having->location),
           std::nullopt;
  if (q.having && !attach_grouped(*q.having, *in, c, subqueries)) return {};
  for (const auto& k : q.order_by)
    if (!(groups ? attach_grouped(k.value, *in, c, subqueries)
                 : attach(k.value, *in, c, subqueries.values, &subqueries.windowed)))
      return {};
  for (const auto& k : q.distinct_on)
    if (!(groups ? attach_grouped(k, *in, c, subqueries)
                 : attach(k, *in, c, subqueries.values, &subqueries.windowed)))
      return {};
  for (const auto& k : correlated) subqueries.keys.push_back(k.own);
  if (!bind_lefts(*in, calls, subqueries) || !bind_calls(called.calls, *in, calls, subqueries))
    return {};

  std::vector<bound_target> targets;
  window_calls windows(q.windows);
  ok &= bind_targets(q, *in, calls, windows, targets, subqueries);
  std::vector<bound_target> lefts;
  ok &= bind_windowed(*in, calls, windows, subqueries, lefts);
  const size_t listed = targets.size();
  const bool grouped = groups || !calls.empty();
  rows about;
  const bool total = grouped && whole;
  const bool sets_total = std::any_of(q.grouping_sets.begin(), q.grouping_sets.end(),
                                      [](const auto& set) { return set.empty(); });
  // What such a row is beside subqueries and window functions is not known before they are joined
  // to it.
  const bool more =
      !subqueries.later.empty() || !subqueries.windowed.empty() || !windows.all().empty();
  subqueries.over_nothing = !correlated.empty() && (sets_total || (total && more));
  about.single = total || (one && q.grouping_sets.size() <= 1);
  const auto visible = targets.size();
  // One row for each outer row: HAVING is asked where it is known that nothing came, too.
  const bool known = total && !subqueries.over_nothing;
  const bool marks = ok && c.outer && known && q.having && !correlated.empty();
  if (marks) {
    bound_target t;
    t.name = "is kept";
    t.location = q.having->location;
    if (!bind_having(q, *in, calls, subqueries, t.value)) return {};
    targets.push_back(std::move(t));
  }
  if (ok && c.outer && known && (!q.having || marks))
    for (const auto& t : targets)
      about.when_empty.push_back(
          expr::fold(emptied(t.value.n, calls, types_of(in->from), correlated)));
  ordering by;
  {
    select_scope names(*in, types_of(in->from), calls);
    names.know(subqueries.values);
    names.know(subqueries.groupings);
    names.allow(windows);
    ok &= bind_ordering(q, names, listed, targets, by);
  }
  const size_t correlated_at = targets.size();
  for (const auto& k : correlated) {
    bound_target t;
    t.name = "for " + types_of(in->from).fields[k.own].name;
    t.value.n = planner::column_ref(types_of(in->from), k.own);
    t.hidden = true;
    windows.partition_by(t.value.n);
    targets.push_back(std::move(t));
  }
  const size_t lefts_at = targets.size();
  for (auto& t : lefts) targets.push_back(std::move(t));
  const size_t window_inputs = targets.size();
  add_window_inputs(windows, targets);
  auto from = in->from;
  if (grouped) {
    // Keys and HAVING are checked even where the select list has mistakes.
    auto g = group(q, *in, targets, calls, c, subqueries, !marks);
    if (!g || !ok) return {};
    from = *g;
    about.single |= !q.group_by.empty() && q.grouping_sets.empty() && subqueries.by_outer;
  }
  if (!ok) return {};
  if (!windows.all().empty()) {
    auto computed = compute_windows(windows, from, targets, window_inputs, c);
    if (!computed) return {};
    from = *computed;
  }
  if (!subqueries.windowed.empty()) {
    rows computed{from, grouped ? subqueries.group_columns : in->columns};
    if (!attach_windowed(subqueries, computed, targets, lefts_at, c)) return {};
    from = computed.from;
  }
  if (c.titles)
    for (size_t i = 0; i < std::min(listed, c.titles->size()); ++i)
      targets[i].name = (*c.titles)[i];
  const bool limits = q.limit || q.offset;
  const bool main = !grouped && !q.distinct && !limits;
  auto out = project(from, std::move(targets), main ? named(c.id) : part(c, "select"));
  if (!out) return {};
  for (size_t i = 0; i < correlated.size(); ++i) {
    correlated[i].own = out->columns[correlated_at + i].index;
    correlated[i].null_safe |= subqueries.over_nothing;
  }
  if (marks) out->kept = out->columns[visible].index;
  // Columns that only order the rows have no names.
  out->columns.resize(listed);
  out->correlated = std::move(correlated);
  if (q.distinct) out = distinct(q, c, std::move(*out), by, grouped);
  if (!out) return {};
  if (limits || !q.order_by.empty())
    out = limited(q, c, std::move(*out), std::move(by.terms),
                  grouped || q.distinct ? part(c, "top") : named(c.id));
  if (out && correlated_at > listed && out->order.empty())
    out = without_hidden(std::move(*out), part(c, "columns"));
  if (!out) return {};
  out->single |= about.single;
  // The one row that there is even over nothing is not behind itself, nor left out.
  const auto bounds = limits ? bounds_of(q) : std::pair<uint64_t, uint64_t>(UINT64_MAX, 0);
  if (bounds && bounds->first > 0 && bounds->second == 0)
    out->when_empty = std::move(about.when_empty);
  return out;
}

/// The rows without columns that have no names, except those that a subquery is joined by.
std::optional<rows> query_binder::without_hidden(rows in, step_options o) {
  const auto& types = types_of(in.from);
  std::vector<planner::named_expr> columns;
  auto keep = [&](uint32_t& index) {
    columns.push_back({types.fields[index].name, planner::column_ref(types, index)});
    index = static_cast<uint32_t>(columns.size() - 1);
  };
  for (auto& c : in.columns) keep(c.index);
  for (auto& k : in.correlated) keep(k.own);
  if (in.kept) keep(*in.kept);
  const auto location = in.columns.empty() ? 0 : in.columns[0].location;
  auto made = builder_.project(in.from, std::move(columns), std::move(o));
  if (!made) return report(made.err().code, made.err().message, location), std::nullopt;
  in.from = *made;
  return in;
}

std::optional<rows> query_binder::distinct(const query& q, const context& c, rows in,
                                           const ordering& by, bool grouped) {
  auto o = grouped ? part(c, "distinct") : named(c.id);
  // What is compared must have a type.
  for (auto& k : in.columns) k.literal.reset();
  if (!q.distinct_on.empty()) return distinct_on(q, c, std::move(in), by, std::move(o));
  for (const auto& k : in.columns)
    if (!comparable(types_of(in.from).fields[k.index].type, k.location)) return {};
  auto made = builder_.distinct(in.from, std::move(o));
  if (!made) return report(made.err().code, made.err().message, q.location), std::nullopt;
  locations[made->node] = q.location;
  in.from = *made;
  return in;
}

std::optional<rows> query_binder::filter(rows in, const syntax& condition, step_options o,
                                         const std::string& clause,
                                         const subquery_values& subqueries) {
  const auto& types = types_of(in.from);
  const auto n = truth(condition, in, types, clause, &subqueries);
  if (!n) return {};
  o.what = expr::to_sql(*n, types);
  return take(builder_.filter(in.from, n, std::move(o)), std::move(in.columns), condition.location);
}

/// A condition over rows of these types; null: reported.
expr::node_ptr query_binder::truth(const syntax& condition, const rows& in, const schema& types,
                                   const std::string& clause, const subquery_values* subqueries) {
  select_scope names(in, types, clause);
  if (subqueries) names.know(*subqueries);
  expr::binder b(script_.text(), names);
  auto bound = b.bind(condition);
  if (bound && !bound->unknown && bound->n->type.id != type_id::boolean)
    bound =
        b.fail(errc::type_mismatch,
               "argument of " + clause + " must be type boolean, not type " + expr::name_of(*bound),
               expr::begin_of(condition));
  if (bound) bound = b.coerce(std::move(*bound), type_id::boolean, expr::cast_context::implicit);
  if (!bound) return report(bound.err(), condition.location), nullptr;
  return bound->n;
}

/// (row).*: a column for each of its fields.
bool query_binder::bind_fields(const target& t, expr::binder& b, std::vector<bound_target>& out) {
  auto row = b.bind(t.value.args[0]);
  if (row && (row->unknown || row->n->type.id != type_id::struct_))
    row = b.fail(errc::type_mismatch, "type " + expr::name_of(*row) + " is not composite",
                 expr::begin_of(t.value));
  if (!row) return report(row.err(), t.location);
  const auto& fields = *row->n->type.fields;
  for (size_t k = 0; k < fields.size(); ++k) {
    auto place = make_literal(scalar::of_int(type_id::int32, static_cast<int64_t>(k)));
    auto made =
        plain_target(make_call(".", fields[k].type, {row->n, std::move(place)}), fields[k].name);
    made.location = t.location;
    out.push_back(std::move(made));
  }
  return true;
}

bool query_binder::bind_targets(const query& q, const rows& in, std::vector<aggregate_call>& calls,
                                window_calls& windows, std::vector<bound_target>& out,
                                clause_subqueries& subqueries) {
  const auto& types = types_of(in.from);
  select_scope names(in, types, calls);
  names.know(subqueries.values);
  names.know(subqueries.groupings);
  names.allow(windows);
  expr::binder b(script_.text(), names);
  bool ok = true;
  for (const auto& t : q.targets) {
    if (!t.star && t.value.kind == expr::syntax_kind::special && t.value.name == "fields") {
      ok &= bind_fields(t, b, out);
      continue;
    }
    if (!t.star) {
      auto value = b.bind(t.value);
      if (!value) {
        ok = report(value.err(), t.location);
        // Its place is kept, so that positions of GROUP BY stay right.
        bound_target broken;
        broken.name = t.alias;
        out.push_back(std::move(broken));
        continue;
      }
      bound_target made;
      made.value = std::move(*value);
      made.name = t.alias.empty() ? column_title(t.value, &titles_) : t.alias;
      made.location = t.location;
      out.push_back(std::move(made));
      continue;
    }
    bool any = false;
    for (const auto& c : in.columns) {
      if (t.value.qualifier.empty() ? c.hidden : c.table != t.value.qualifier) continue;
      any = true;
      auto n = std::make_shared<expr::node>(*planner::column_ref(types, c.index));
      n->location = t.location;
      bound_target made;
      made.value.n = std::move(n);
      made.value.zoned = c.zoned;
      made.name = c.name;
      made.location = t.location;
      out.push_back(std::move(made));
    }
    if (!any)
      ok = report(errc::unknown_name,
                  t.value.qualifier.empty()
                      ? "SELECT * with no tables specified is not valid"
                      : "missing FROM-clause entry for table \"" + t.value.qualifier + "\"",
                  t.location);
  }
  return ok;
}

std::optional<rows> query_binder::project(planner::relation from, std::vector<bound_target> targets,
                                          step_options o) {
  rows out{from, {}};
  const auto& types = types_of(from);
  std::vector<planner::named_expr> columns;
  std::set<std::string> taken;
  bool identity = targets.size() == types.size();
  for (uint32_t i = 0; i < targets.size(); ++i) {
    auto& t = targets[i];
    column_name c;
    c.name = t.name;
    c.index = i;
    c.zoned = t.value.zoned;
    c.location = t.location;
    if (t.value.unknown) c.literal = t.value;
    identity = identity && planner::bare_column(t.value.n) == i;
    o.what += (i ? ", " : "") + expr::to_sql(*t.value.n, types);
    columns.push_back({unique_name(t.name, taken), t.value.n});
    out.columns.push_back(std::move(c));
  }
  // Names are the rows' own; a projection that only renames computes nothing.
  if (identity) return out;
  const auto location = targets.empty() ? 0 : targets[0].location;
  return take(builder_.project(from, std::move(columns), std::move(o)), std::move(out.columns),
              location);
}

std::optional<rows> query_binder::coerced(
    rows in, const std::vector<data_type>& types, expr::cast_context how, step_options o,
    const std::function<std::string(size_t, const data_type&)>& what) {
  const auto& have = types_of(in.from);
  rows nothing;
  select_scope names(nothing, have, "");
  expr::binder b(script_.text(), names);
  std::vector<bound_target> targets;
  bool ok = true;
  for (size_t i = 0; i < types.size(); ++i) {
    auto& c = in.columns[i];
    auto n = std::make_shared<expr::node>(*planner::column_ref(have, c.index));
    n->location = c.location;
    expr::bound value = c.literal ? *c.literal : expr::bound{std::move(n), false, c.zoned};
    const auto given = value.n->type;
    auto fits = c.literal || expr::context_of(given.id, types[i].id) <= how;
    auto r = fits ? b.coerce(value, types[i], how)
                  : b.fail(errc::type_mismatch, what(i, given), c.location);
    if (!r) {
      ok = report(r.err(), c.location);
      continue;
    }
    r->unknown = false;
    targets.push_back({std::move(*r), c.name, c.location});
  }
  if (!ok) return {};
  return project(in.from, std::move(targets), std::move(o));
}

}  // namespace weir::sql
