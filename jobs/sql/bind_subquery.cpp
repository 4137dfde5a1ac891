// Subqueries in expressions, and what they read of the query outside. A subquery is never computed
// row by row: it becomes a relation that carries, beside its own columns, the outer columns that it
// depends on, and is joined by them (Neumann and Kemper, "Unnesting Arbitrary Queries", BTW 2015).
// Where WHERE says that an outer column equals something inside, that stands for it; for the other
// outer columns the subquery runs over the distinct values that the outer query has of them.
#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/plan/tree.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

using k = expr::syntax_kind;

const query& query_of(const syntax& s) {
  return *static_cast<const query*>(s.query.get());
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

void collect(const query& q, std::vector<const syntax*>& out);

/// Column references of an expression and of the subqueries in it.
void collect(const syntax& s, std::vector<const syntax*>& out) {
  if (s.kind == k::column) out.push_back(&s);
  for (const auto& a : s.args) collect(a, out);
  for (const auto& f : s.filter) collect(f, out);
  if (s.query) collect(query_of(s), out);
  if (s.over) {
    for (const auto& p : s.over->partition) collect(p, out);
    for (const auto& o : s.over->order) collect(o.value, out);
  }
}

void collect(const from_item& f, std::vector<const syntax*>& out) {
  if (f.inner) collect(*f.inner, out);
  if (f.on) collect(*f.on, out);
  for (const auto& side : f.sides) collect(side, out);
}

void collect(const query& q, std::vector<const syntax*>& out) {
  for (const auto& t : q.targets)
    if (!t.star) collect(t.value, out);
  for (const auto& f : q.from) collect(f, out);
  if (q.where) collect(*q.where, out);
  if (q.having) collect(*q.having, out);
  for (const auto& g : q.group_by) collect(g, out);
  for (const auto& d : q.distinct_on) collect(d, out);
  for (const auto& o : q.order_by) collect(o.value, out);
  for (const auto& row : q.rows)
    for (const auto& v : row) collect(v, out);
  if (q.left) collect(*q.left, out);
  if (q.right) collect(*q.right, out);
}

const column_name* named_by(const syntax& s, const rows& in) {
  for (const auto& c : in.columns)
    if (c.name == s.name && (s.qualifier.empty() ? !c.hidden || c.outer : c.table == s.qualifier))
      return &c;
  return nullptr;
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

}  // namespace

bool query_binder::correlate(const query& q, const context& c, rows& in) {
  std::vector<const syntax*> refs;
  collect(q, refs);
  std::vector<const column_name*> read;  // of the outer rows, each once
  for (const auto* s : refs) {
    if (named_by(*s, in)) continue;
    const auto* found = named_by(*s, *c.outer);
    if (found && std::none_of(read.begin(), read.end(), [found](const column_name* other) {
          return other->index == found->index && other->name == found->name &&
                 other->table == found->table;
        }))
      read.push_back(found);
  }
  if (read.empty()) return true;
  const auto outer_types = types_of(c.outer->from);

  // outer.x = inside: `inside` stands for outer.x.
  std::vector<expr::node_ptr> stands_for(read.size());
  std::vector<const syntax*> parts;
  if (q.where) split(*q.where, parts);
  for (const auto* p : parts) {
    if (p->kind != k::op || p->name != "=" || p->args.size() != 2) continue;
    for (size_t side : {0, 1}) {
      const auto& a = p->args[side];
      const auto& b = p->args[1 - side];
      if (a.kind != k::column || named_by(a, in) || !reads_only(b, in)) continue;
      const auto* outer = named_by(a, *c.outer);
      if (!outer) continue;
      const auto at = static_cast<size_t>(
          std::find_if(read.begin(), read.end(),
                       [outer](const column_name* r) { return r->index == outer->index; }) -
          read.begin());
      select_scope names(in, types_of(in.from), "WHERE");
      auto value = expr::binder(script_.text(), names).bind(b);
      if (at < read.size() && !stands_for[at] && value && !value->unknown &&
          value->n->type == outer_types.fields[outer->index].type)
        stands_for[at] = value->n;
    }
  }

  // With values from outside in it the relation is joined to them, and best by all that must be
  // equal.
  if (std::any_of(stands_for.begin(), stands_for.end(), [](const auto& n) { return !n; }))
    stands_for.assign(read.size(), nullptr);

  std::vector<correlation> correlated;
  std::vector<column_name> columns;
  // Values from inside, as columns.
  const auto types = types_of(in.from);
  std::vector<bound_target> targets;
  for (uint32_t i = 0; i < types.size(); ++i)
    targets.push_back(plain_target(planner::column_ref(types, i), types.fields[i].name));
  for (size_t i = 0; i < read.size(); ++i) {
    if (!stands_for[i]) continue;
    auto column = *read[i];
    column.outer = column.hidden = true;
    if (auto bare = planner::bare_column(stands_for[i])) {
      column.index = *bare;
    } else {
      column.index = static_cast<uint32_t>(targets.size());
      targets.push_back(plain_target(stands_for[i], column.name));
    }
    correlated.push_back({read[i]->index, column.index, false});
    columns.push_back(std::move(column));
  }
  if (targets.size() > types.size()) {
    auto made = project(in.from, std::move(targets), part(c, "values"));
    if (!made) return false;
    in.from = made->from;
  }
  in.columns.insert(in.columns.end(), columns.begin(), columns.end());

  // Values from outside: the distinct ones.
  std::vector<bound_target> wanted;
  columns.clear();
  for (size_t i = 0; i < read.size(); ++i) {
    if (stands_for[i]) continue;
    if (!comparable(outer_types.fields[read[i]->index].type, q.location)) return false;
    auto column = *read[i];
    column.outer = column.hidden = true;
    column.index = static_cast<uint32_t>(wanted.size());
    correlated.push_back({read[i]->index, 0, true});
    wanted.push_back(plain_target(planner::column_ref(outer_types, read[i]->index), column.name));
    columns.push_back(std::move(column));
  }
  if (!wanted.empty()) {
    const auto inside = static_cast<uint32_t>(types_of(in.from).size());
    auto outer = project(c.outer->from, std::move(wanted), part(c, "outer"));
    if (!outer) return false;
    outer = take(builder_.distinct(outer->from, part(c, "outer-values")), std::move(columns),
                 q.location);
    if (!outer) return false;
    auto both = combine(in, std::move(*outer), join_kind::inner, nullptr, c, q.location);
    if (!both) return false;
    in = std::move(*both);
    uint32_t next = inside;
    for (auto& x : correlated)
      if (x.null_safe) x.own = next++;
  }
  in.correlated = std::move(correlated);
  return true;
}

std::optional<rows> query_binder::subquery(const syntax& s, const rows& outer, const context& c) {
  context inner = c;
  if (!inner.id.empty()) inner.id += "/subquery";
  inner.wanted = nullptr;
  inner.titles = nullptr;
  inner.outer = &outer;
  return bind(query_of(s), inner);
}

/// Which rows of a subquery belong to which outer row, over the outer columns, then its own.
std::vector<expr::node_ptr> query_binder::pairing(const rows& outer, const rows& inner,
                                                  size_t lefts) const {
  std::vector<expr::node_ptr> out;
  for (const auto& x : inner.correlated) {
    const auto& type = types_of(outer.from).fields[x.outer].type;
    out.push_back(same(make_column(type, x.outer),
                       make_column(type, x.own + static_cast<uint32_t>(lefts)), x.null_safe));
  }
  return out;
}

std::optional<rows> query_binder::where(rows in, const syntax& condition, const context& c,
                                        const std::string& clause) {
  std::vector<const syntax*> parts;
  split(condition, parts);
  syntax plain, rest;
  for (auto* s : {&plain, &rest}) {
    s->kind = k::special;
    s->name = "and";
    s->location = condition.location;
  }
  std::vector<std::pair<const syntax*, bool>> joins;
  for (const auto* p : parts) {
    const bool negated = p->kind == k::special && p->name == "not";
    const auto& inner = negated ? p->args[0] : *p;
    if (inner.kind == k::subquery && !inner.name.empty() &&
        std::none_of(inner.args.begin(), inner.args.end(), has_subquery))
      joins.emplace_back(&inner, negated);
    else
      (has_subquery(*p) ? rest : plain).args.push_back(*p);
  }
  auto one = [](syntax s) { return s.args.size() == 1 ? s.args[0] : s; };
  const subquery_values none;
  std::optional<rows> out = std::move(in);
  if (joins.empty() && rest.args.empty())
    return filter(std::move(*out), condition, part(c, "where"), clause, none);
  if (!plain.args.empty()) out = filter(*out, one(plain), part(c, "where"), clause, none);
  for (const auto& [s, negated] : joins)
    if (out) out = semi_join(std::move(*out), *s, negated, c);
  if (!out || rest.args.empty()) return out;
  subquery_values values;
  if (!attach(rest, *out, c, values)) return {};
  return filter(std::move(*out), one(rest), part(c, "where"), clause, values);
}

namespace {

/// Both sides' columns, the inner ones first to be found.
rows both_sides(const rows& outer, const rows& inner, size_t lefts) {
  rows out{outer.from, {}};
  for (auto c : inner.columns) {
    c.index += static_cast<uint32_t>(lefts);
    c.literal.reset();
    out.columns.push_back(std::move(c));
  }
  for (auto c : outer.columns) {
    c.outer = true;
    c.literal.reset();
    out.columns.push_back(std::move(c));
  }
  return out;
}

schema both_sides(const schema& outer, const schema& inner) {
  schema out = outer;
  out.event_time.reset();
  out.fields.insert(out.fields.end(), inner.fields.begin(), inner.fields.end());
  return out;
}

bool has_aggregate(const syntax& s) {
  return (s.kind == k::function && (s.over_location || planner::find_aggregate(s.name))) ||
         std::any_of(s.args.begin(), s.args.end(), has_aggregate);
}

bool is_plain(const query& q) {
  return q.what == query::kind::select && q.with.empty() && q.group_by.empty() && !q.having &&
         !q.from.empty() && !q.limit && !q.offset && q.distinct_on.empty() && q.windows.empty() &&
         std::none_of(q.targets.begin(), q.targets.end(),
                      [](const target& t) { return !t.star && has_aggregate(t.value); });
}

}  // namespace

std::optional<rows> query_binder::paired(const syntax& s, const rows& outer, rows& from,
                                         const context& c, std::vector<expr::node_ptr>& conditions,
                                         bool& ok) {
  const auto& q = query_of(s);
  std::vector<const syntax*> parts, asked;
  if (q.where) split(*q.where, parts);
  auto reads_outer = [&](const syntax& e) {
    std::vector<const syntax*> refs;
    collect(e, refs);
    return std::any_of(refs.begin(), refs.end(),
                       [&](const syntax* r) { return !named_by(*r, from) && named_by(*r, outer); });
  };
  syntax rest;
  rest.kind = k::special;
  rest.name = "and";
  for (const auto* p : parts) {
    if (!reads_outer(*p)) {
      rest.location = p->location;
      rest.args.push_back(*p);
    } else if (has_subquery(*p)) {
      return {};
    } else {
      asked.push_back(p);
    }
  }
  if (s.name != "EXISTS" &&
      (q.targets.size() != 1 || q.targets[0].star || has_subquery(q.targets[0].value)))
    return {};
  std::optional<rows> inner = from;
  if (rest.args.size() == 1) rest = syntax(rest.args[0]);
  if (rest.kind != k::special || !rest.args.empty()) inner = where(from, rest, c, "WHERE");
  if (!inner) return ok = false, std::nullopt;
  const auto lefts = types_of(outer.from).size();
  const auto both = both_sides(outer, *inner, lefts);
  const auto types = both_sides(types_of(outer.from), types_of(inner->from));
  for (const auto* p : asked) {
    auto condition = truth(*p, both, types, "WHERE");
    if (!condition) return ok = false, std::nullopt;
    conditions.push_back(std::move(condition));
  }
  return inner;
}

std::optional<rows> query_binder::semi_join(rows in, const syntax& s, bool negated,
                                            const context& c) {
  const bool every = s.name == "ALL";
  const std::string op = s.text.empty() ? "=" : s.text;
  const bool knows_null =
      s.name != "EXISTS" && ((!every && negated && op == "=") || (every && !negated && op == "<>"));
  context inside = c;
  if (!inside.id.empty()) inside.id += "/subquery";
  inside.wanted = nullptr;
  inside.titles = nullptr;
  inside.outer = nullptr;
  std::optional<rows> inner, from_rows;
  std::vector<expr::node_ptr> all;
  bool ok = true, direct = false;
  if (is_plain(query_of(s)) && !knows_null) {
    from_rows = from(query_of(s), inside);
    if (!from_rows) return {};
    inner = paired(s, in, *from_rows, inside, all, ok);
    if (!ok) return {};
    direct = inner.has_value();
  }
  if (!inner) {
    inside.outer = &in;
    inside.from = from_rows ? &*from_rows : nullptr;
    inner = bind(query_of(s), inside);
    if (!inner) return {};
    if (!inner->when_empty.empty()) {
      auto test = attach_single(s, std::move(*inner), in, c, {});
      if (!test) return {};
      auto o = part(c, "where");
      if (negated) test = make_call("not", type_id::boolean, {test});
      o.what = expr::to_sql(*test, types_of(in.from));
      return take(builder_.filter(in.from, std::move(test), std::move(o)), in.columns, s.location);
    }
    all = pairing(in, *inner, types_of(in.from).size());
  }
  const auto types = types_of(in.from);
  auto kind = negated ? join_kind::anti : join_kind::semi;
  if (s.name != "EXISTS") {
    if (!direct && inner->columns.size() != 1) {
      report(errc::type_mismatch,
             inner->columns.empty() ? "subquery has no columns" : "subquery has too many columns",
             s.location);
      return {};
    }
    if (knows_null) return not_in(std::move(in), s, std::move(*inner), c);
    select_scope names(in, types, "WHERE");
    auto left = expr::binder(script_.text(), names).bind(s.args[0]);
    if (!left) return report(left.err(), s.args[0].location), std::nullopt;
    expr::bound right;
    if (direct) {
      const auto both = both_sides(in, *inner, types.size());
      const auto both_types = both_sides(types, types_of(inner->from));
      select_scope inner_names(both, both_types, "here");
      const auto& value = query_of(s).targets[0].value;
      auto bound = expr::binder(script_.text(), inner_names).bind(value);
      if (!bound) return report(bound.err(), value.location), std::nullopt;
      right = std::move(*bound);
    } else {
      const auto& column = inner->columns[0];
      right = {make_column(types_of(inner->from).fields[column.index].type,
                           column.index + static_cast<uint32_t>(types.size())),
               false, column.zoned};
    }
    two_values two(std::move(*left), std::move(right));
    auto test = expr::binder(script_.text(), two).bind(two_values::of(k::op, op, s.location));
    if (!test) return report(test.err(), s.location), std::nullopt;
    // ANY: a row for which it holds. ALL: no row for which it does not, and NULL does not.
    const char* form = every     ? (negated ? "is false" : "is not true")
                       : negated ? "is not false"
                                 : nullptr;
    if (every) kind = negated ? join_kind::semi : join_kind::anti;
    all.push_back(form ? make_call(form, type_id::boolean, {test->n}) : test->n);
  }
  return combine(std::move(in), std::move(*inner), kind, planner::join_and(std::move(all)), c,
                 s.location);
}

/// x NOT IN (...): true when nothing is there; else x and all values must be known and different.
std::optional<rows> query_binder::not_in(rows in, const syntax& s, rows inner, const context& c) {
  auto counts = counted(inner, c);
  if (!counts) return {};
  const auto lefts = static_cast<uint32_t>(types_of(in.from).size());
  if (!left_join(in, *counts, {}, c, s.location)) return {};
  const auto types = types_of(in.from);
  const auto all = make_column(type_id::int64, lefts + counts->columns[0].index);
  const auto known = make_column(type_id::int64, lefts + counts->columns[1].index);
  select_scope names(in, types, "WHERE");
  auto x = expr::binder(script_.text(), names).bind(s.args[0]);
  if (!x) return report(x.err(), s.args[0].location), std::nullopt;
  auto may = make_call("or", type_id::boolean,
                       {is_null(all), make_call("=", type_id::boolean, {all, make_number(0)}),
                        make_call("and", type_id::boolean,
                                  {make_call("is not null", type_id::boolean, {x->n}),
                                   make_call("=", type_id::boolean, {all, known})})});
  auto o = part(c, "not-in");
  o.what = expr::to_sql(*may, types);
  auto kept = take(builder_.filter(in.from, std::move(may), std::move(o)), in.columns, s.location);
  if (!kept) return {};
  auto pairs = pairing(*kept, inner, types.size());
  const auto& column = inner.columns[0];
  two_values two(std::move(*x), {make_column(types_of(inner.from).fields[column.index].type,
                                             column.index + static_cast<uint32_t>(types.size())),
                                 false, column.zoned});
  auto equal = expr::binder(script_.text(), two).bind(two_values::of(k::op, "=", s.location));
  if (!equal) return report(equal.err(), s.location), std::nullopt;
  pairs.push_back(equal->n);
  return combine(std::move(*kept), std::move(inner), join_kind::anti,
                 planner::join_and(std::move(pairs)), c, s.location);
}

/// Rows and values of a subquery's one column, for each outer row: columns 0 and 1.
std::optional<rows> query_binder::counted(const rows& inner, const context& c) {
  const auto types = types_of(inner.from);
  planner::aggregate_def def;
  def.by_window = false;
  def.final_only = c.final_rows;
  std::set<std::string> taken{"rows", "values", "window_start", "window_end"};
  rows out;
  for (const auto& x : inner.correlated) {
    out.correlated.push_back({x.outer, static_cast<uint32_t>(def.keys.size()), x.null_safe});
    def.keys.push_back(
        {unique_name(types.fields[x.own].name, taken), planner::column_ref(types, x.own)});
  }
  aggregate_call all, known;
  all.name = "rows";
  known.name = "values";
  known.function = aggregate_function::count;
  known.argument = planner::column_ref(types, inner.columns[0].index);
  def.calls = {all, known};
  const auto keys = static_cast<uint32_t>(def.keys.size());
  auto made = builder_.aggregate(inner.from, std::move(def), part(c, "counts"));
  if (!made) return report(made.err().code, made.err().message, 0), std::nullopt;
  out.from = *made;
  out.columns.resize(2);
  out.columns[0].index = keys;
  out.columns[1].index = keys + 1;
  return out;
}

/// The columns `kept` of a subquery, then those of its correlations, then true.
std::optional<rows> query_binder::marked(rows inner, std::vector<uint32_t> kept, bool distinct,
                                         const context& c) {
  const auto types = types_of(inner.from);
  std::vector<bound_target> targets;
  for (auto i : kept) targets.push_back(plain_target(planner::column_ref(types, i), "value"));
  for (auto& x : inner.correlated) {
    targets.push_back(plain_target(planner::column_ref(types, x.own), "for"));
    x.own = static_cast<uint32_t>(targets.size() - 1);
  }
  targets.push_back(plain_target(make_truth(true), "is there"));
  auto made = project(inner.from, std::move(targets), part(c, "marked"));
  if (!made) return {};
  for (auto& column : made->columns) column.literal.reset();
  made->correlated = std::move(inner.correlated);
  if (!distinct) return made;
  auto once = take(builder_.distinct(made->from, part(c, "values")), made->columns, 0);
  if (once) once->correlated = std::move(made->correlated);
  return once;
}

bool query_binder::left_join(rows& in, const rows& inner, std::vector<expr::node_ptr> more,
                             const context& c, uint32_t location) {
  auto all = pairing(in, inner, types_of(in.from).size());
  all.insert(all.end(), more.begin(), more.end());
  const auto columns = in.columns;
  const auto correlated = in.correlated;
  auto made = combine(in, inner, join_kind::left, planner::join_and(std::move(all)), c, location);
  if (!made) return false;
  in = {made->from, columns, correlated};
  return true;
}

bool query_binder::attach(const syntax& s, rows& in, const context& c, subquery_values& values) {
  for (const auto& a : s.args)
    if (!attach(a, in, c, values)) return false;
  for (const auto& f : s.filter)
    if (!attach(f, in, c, values)) return false;
  if (s.kind != k::subquery) return true;
  if (s.name.empty())
    // GROUP BY, ORDER BY and DISTINCT ON compare trees: equal subqueries are one value. (What is
    // boolean may be the answer of an EXISTS instead.)
    for (const auto& [known, value] : values)
      if (value.n->type.id != type_id::boolean &&
          static_cast<const query*>(known)->shape ==
              static_cast<const query*>(s.query.get())->shape) {
        const expr::bound same = value;
        values[s.query.get()] = same;
        return true;
      }
  auto inner = subquery(s, in, c);
  if (!inner) return false;
  if (s.name.empty()) return attach_value(s, std::move(*inner), in, c, values);
  if (!inner->when_empty.empty()) {
    auto value = attach_single(s, std::move(*inner), in, c, values);
    if (value) values[s.query.get()] = {value, false, false};
    return value != nullptr;
  }
  if (s.name == "EXISTS") return attach_exists(s, std::move(*inner), in, c, values);
  return attach_in(s, std::move(*inner), in, c, values);
}

bool query_binder::attach_grouped(const syntax& s, rows& in, const context& c,
                                  clause_subqueries& out) {
  if (s.kind == k::function && planner::find_aggregate(s.name))
    return attach(s, in, c, out.values);  // its arguments are those of single rows
  if (s.kind != k::subquery) {
    for (const auto& a : s.args)
      if (!attach_grouped(a, in, c, out)) return false;
    return true;
  }
  auto inner = subquery(s, in, c);
  if (!inner) return false;
  if (!s.name.empty() && s.name != "EXISTS")
    return report(errc::unsupported,
                  s.name +
                      " (SELECT ...) beside aggregates is not supported; put the groups into "
                      "a subquery of FROM and ask in its WHERE",
                  s.location);
  if (inner->correlated.empty()) {
    // The same for all groups: joined to them.
    if (s.name.empty() && !check_value(s, *inner)) return false;
    const auto type = s.name.empty() ? types_of(inner->from).fields[inner->columns[0].index].type
                                     : data_type(type_id::boolean);
    const auto at = clause_subqueries::first_later + static_cast<uint32_t>(out.later.size());
    out.values[s.query.get()] = {make_column(type, at), false,
                                 s.name.empty() && inner->columns[0].zoned};
    out.later.push_back({&s, std::move(*inner)});
    return true;
  }
  for (const auto& x : inner->correlated) out.keys.push_back(x.outer);
  const auto columns = types_of(in.from).size();
  const bool ok = s.name.empty() ? attach_value(s, std::move(*inner), in, c, out.values)
                                 : attach_exists(s, std::move(*inner), in, c, out.values);
  if (!ok) return false;
  // What depends on the group's keys alone is one more key of it.
  for (auto column : expr::columns_of(*out.values[s.query.get()].n))
    if (column >= columns) out.keys.push_back(column);
  return true;
}

bool query_binder::attach_later(const clause_subqueries& all, rows& groups, const context& c,
                                subquery_values& values) {
  for (const auto& l : all.later) {
    const bool ok = l.of->name.empty() ? attach_value(*l.of, l.inner, groups, c, values)
                                       : attach_exists(*l.of, l.inner, groups, c, values);
    if (!ok) return false;
  }
  return true;
}

bool query_binder::check_value(const syntax& s, const rows& inner) {
  if (inner.columns.size() != 1)
    return report(errc::type_mismatch, "subquery must return only one column", s.location);
  return inner.single ||
         report(errc::unsupported,
                "a subquery that is used as a value must give one row at most; aggregate it, as in "
                "(SELECT max(x) FROM ...)",
                s.location);
}

bool query_binder::attach_value(const syntax& s, rows inner, rows& in, const context& c,
                                subquery_values& values) {
  if (!check_value(s, inner)) return false;
  const auto zoned = inner.columns[0].zoned;
  auto all = values_of(std::move(inner), in, c, s.location);
  if (!all) return false;
  auto value = all->columns.front();
  if (all->kept) value = make_call("case", value->type, {all->kept, value, make_null(value->type)});
  values[s.query.get()] = {std::move(value), false, zoned};
  return true;
}

expr::node_ptr query_binder::attach_single(const syntax& s, rows inner, rows& in, const context& c,
                                           const subquery_values& values) {
  if (s.name != "EXISTS" && inner.columns.size() != 1)
    return report(errc::type_mismatch, "subquery has too many columns", s.location), nullptr;
  const bool zoned = !inner.columns.empty() && inner.columns[0].zoned;
  auto one = values_of(std::move(inner), in, c, s.location);
  if (!one) return nullptr;
  if (s.name == "EXISTS")
    return one->kept ? make_call("is true", type_id::boolean, {one->kept}) : make_truth(true);
  select_scope names(in, types_of(in.from), "here");
  names.know(values);
  auto x = expr::binder(script_.text(), names).bind(s.args[0]);
  if (!x) return report(x.err(), s.args[0].location), nullptr;
  two_values two(std::move(*x), {one->columns.front(), false, zoned});
  const std::string op = s.text.empty() ? "=" : s.text;
  auto test = expr::binder(script_.text(), two).bind(two_values::of(k::op, op, s.location));
  if (!test) return report(test.err(), s.location), nullptr;
  if (!one->kept) return test->n;
  return make_call("case", type_id::boolean, {one->kept, test->n, make_truth(s.name == "ALL")});
}

/// Joins a subquery of one row to `in`; its columns, over what `in` is then.
std::optional<query_binder::one_row> query_binder::values_of(rows inner, rows& in, const context& c,
                                                             uint32_t location) {
  std::vector<uint32_t> kept;
  for (const auto& column : inner.columns) kept.push_back(column.index);
  if (inner.kept) kept.push_back(*inner.kept);
  const bool marks = inner.kept.has_value();
  const auto empty = inner.when_empty;
  auto one = marked(std::move(inner), kept, false, c);
  const auto lefts = static_cast<uint32_t>(types_of(in.from).size());
  if (!one || !left_join(in, *one, {}, c, location)) return {};
  const auto types = types_of(in.from);
  std::vector<planner::named_expr> outer;
  for (const auto& x : one->correlated) outer.push_back({"", planner::column_ref(types, x.outer)});
  const auto there = planner::column_ref(types, static_cast<uint32_t>(types.size() - 1));
  one_row out;
  for (uint32_t i = 0; i < kept.size(); ++i) {
    auto value = planner::column_ref(types, lefts + i);
    if (i < empty.size() && !(empty[i]->kind == expr::node_kind::literal && empty[i]->literal.null))
      value = make_call("case", value->type,
                        {is_null(there), planner::substitute(empty[i], outer), value});
    out.columns.push_back(std::move(value));
  }
  if (marks) {
    out.kept = std::move(out.columns.back());
    out.columns.pop_back();
  }
  return out;
}

/// LATERAL: `right` was bound for the rows of `left`. Without a condition (null) all pairs.
std::optional<rows> query_binder::lateral(rows left, rows right, join_kind how, const syntax* on,
                                          const context& c, uint32_t location) {
  const auto lefts = types_of(left.from);
  auto columns = left.columns;
  for (uint32_t i = 0; i < right.columns.size(); ++i) {
    auto column = right.columns[i];
    column.index =
        static_cast<uint32_t>(lefts.size()) + (right.when_empty.empty() ? column.index : i);
    columns.push_back(std::move(column));
  }
  for (auto& column : columns) column.literal.reset();
  if (right.when_empty.empty()) {
    auto all = pairing(left, right, lefts.size());
    if (on) {
      schema types = lefts;
      types.event_time.reset();
      const auto& more = types_of(right.from).fields;
      types.fields.insert(types.fields.end(), more.begin(), more.end());
      auto condition = truth(*on, {left.from, columns}, types, "JOIN/ON");
      if (!condition) return {};
      all.push_back(std::move(condition));
    }
    auto out = combine(std::move(left), std::move(right), how, planner::join_and(std::move(all)), c,
                       location);
    if (out) out->columns = std::move(columns);
    return out;
  }
  // One row for each on the left.
  auto values = values_of(std::move(right), left, c, location);
  if (!values) return {};
  std::vector<bound_target> targets;
  for (uint32_t i = 0; i < lefts.size(); ++i)
    targets.push_back(plain_target(planner::column_ref(lefts, i), lefts.fields[i].name));
  for (size_t i = 0; i < values->columns.size(); ++i)
    targets.push_back(plain_target(values->columns[i], columns[left.columns.size() + i].name));
  if (values->kept) {
    targets.push_back(plain_target(values->kept, "is kept"));
  }
  auto made = project(left.from, std::move(targets), part(c, "lateral"));
  if (!made) return {};
  rows out{made->from, std::move(columns)};
  if (!on && !values->kept) return out;
  const auto types = types_of(out.from);
  expr::node_ptr condition;
  if (values->kept) condition = planner::column_ref(types, static_cast<uint32_t>(types.size() - 1));
  if (on) {
    auto more = truth(*on, out, types, "JOIN/ON");
    if (!more) return {};
    condition = condition ? planner::join_and({condition, more}) : more;
  }
  if (how == join_kind::inner) {
    auto o = part(c, "on");
    o.what = expr::to_sql(*condition, types);
    return take(builder_.filter(out.from, std::move(condition), std::move(o)),
                std::move(out.columns), location);
  }
  targets.clear();
  for (uint32_t i = 0; i < types.size(); ++i) {
    auto value = planner::column_ref(types, i);
    if (i >= lefts.size())
      value = make_call("case", value->type, {condition, value, make_null(value->type)});
    targets.push_back(plain_target(std::move(value), types.fields[i].name));
  }
  made = project(out.from, std::move(targets), part(c, "on"));
  if (!made) return {};
  out.from = made->from;
  return out;
}

bool query_binder::attach_exists(const syntax& s, rows inner, rows& in, const context& c,
                                 subquery_values& values) {
  auto once = marked(std::move(inner), {}, true, c);
  if (!once || !left_join(in, *once, {}, c, s.location)) return false;
  const auto types = types_of(in.from);
  const auto there = planner::column_ref(types, static_cast<uint32_t>(types.size() - 1));
  values[s.query.get()] = {make_call("is not null", type_id::boolean, {there}), false, false};
  return true;
}

/// x IN (...) as a value: true, false or, where NULL hides the answer, NULL.
bool query_binder::attach_in(const syntax& s, rows inner, rows& in, const context& c,
                             subquery_values& values) {
  const std::string op = s.text.empty() ? "=" : s.text;
  const bool negated = s.name == "ALL" && op == "<>";
  if (!negated && (s.name == "ALL" || op != "="))
    return report(errc::unsupported,
                  op + ' ' + s.name +
                      " (SELECT ...) inside a larger expression is not supported; "
                      "it may stand in WHERE, between ANDs",
                  s.location);
  if (inner.columns.size() != 1)
    return report(errc::type_mismatch, "subquery has too many columns", s.location);
  const auto zoned = inner.columns[0].zoned;
  auto counts = counted(inner, c);
  auto once = marked(inner, {inner.columns[0].index}, true, c);
  if (!counts || !once) return false;
  select_scope names(in, types_of(in.from), "here");
  names.know(values);
  auto x = expr::binder(script_.text(), names).bind(s.args[0]);
  if (!x) return report(x.err(), s.args[0].location);
  auto lefts = static_cast<uint32_t>(types_of(in.from).size());
  two_values two(*x, {make_column(types_of(once->from).fields[0].type, lefts), false, zoned});
  auto equal = expr::binder(script_.text(), two).bind(two_values::of(k::op, "=", s.location));
  if (!equal) return report(equal.err(), s.location);
  if (!left_join(in, *once, {equal->n}, c, s.location)) return false;
  const auto there = static_cast<uint32_t>(types_of(in.from).size() - 1);
  lefts = there + 1;
  if (!left_join(in, *counts, {}, c, s.location)) return false;
  const auto types = types_of(in.from);
  const auto all = planner::column_ref(types, lefts + counts->columns[0].index);
  const auto known = planner::column_ref(types, lefts + counts->columns[1].index);
  auto hidden = make_call("or", type_id::boolean,
                          {is_null(x->n), make_call("<>", type_id::boolean, {all, known})});
  auto empty = make_call("or", type_id::boolean,
                         {is_null(all), make_call("=", type_id::boolean, {all, make_number(0)})});
  auto found = make_call("is not null", type_id::boolean, {planner::column_ref(types, there)});
  auto value = make_call("case", type_id::boolean,
                         {std::move(found), make_truth(true), std::move(empty), make_truth(false),
                          std::move(hidden), make_null(type_id::boolean), make_truth(false)});
  if (negated) value = make_call("not", type_id::boolean, {std::move(value)});
  values[s.query.get()] = {std::move(value), false, false};
  return true;
}

}  // namespace weir::sql
