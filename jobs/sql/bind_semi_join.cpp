// Conditions with EXISTS, IN, ANY and ALL: semi and anti joins.
#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/plan/tree.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {

namespace {

using k = expr::syntax_kind;

}  // namespace

std::optional<rows> query_binder::where(rows in, const syntax& condition, const context& c,
                                        const std::string& clause) {
  if (has_subquery(condition) && has_window(condition)) {
    report(errc::invalid_argument,
           "window functions are not allowed in " + clause +
               "; put the query into FROM (SELECT ...) and filter its rows",
           condition.location);
    return {};
  }
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
    if (inner.kind == k::subquery && !inner.name.empty() && inner.name != "ROW" &&
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
    c = seen_from_inside(std::move(c));
    c.literal.reset();
    out.columns.push_back(std::move(c));
  }
  return out;
}

/// Whether the rows are those of FROM that WHERE accepts, but for repeated ones.
bool is_rows_of_from(const query& q) {
  return q.what == query::kind::select && q.with.empty() && !has_groups(q) && !q.from.empty() &&
         !q.limit && !q.offset && q.distinct_on.empty() && q.windows.empty() &&
         std::none_of(q.order_by.begin(), q.order_by.end(),
                      [](const auto& o) { return has_subquery(o.value); }) &&
         std::none_of(q.targets.begin(), q.targets.end(), [](const target& t) {
           // A subquery may have an aggregate of this query.
           return !t.star && (has_window(t.value) || has_subquery(t.value));
         });
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
  if (s.name != "EXISTS" && (q.targets.size() != parts_of_left(s).size() ||
                             std::any_of(q.targets.begin(), q.targets.end(), [](const target& t) {
                               return t.star || has_subquery(t.value);
                             })))
    return {};
  std::optional<rows> inner = from;
  if (rest.args.size() == 1) rest = syntax(rest.args[0]);
  if (rest.kind != k::special || !rest.args.empty()) inner = where(from, rest, c, "WHERE");
  if (!inner) return ok = false, std::nullopt;
  const auto lefts = types_of(outer.from).size();
  const auto both = both_sides(outer, *inner, lefts);
  const auto types = both_types(types_of(outer.from), types_of(inner->from));
  for (const auto* p : asked) {
    auto condition = truth(*p, both, types, "WHERE");
    if (!condition) return ok = false, std::nullopt;
    conditions.push_back(std::move(condition));
  }
  return inner;
}

std::optional<rows> query_binder::semi_join(rows in, const syntax& s, bool negated,
                                            const context& c) {
  auto named = with_names_of(query_of(s), in, c);
  if (!named) return {};
  if (*named) {
    auto copy = s;
    copy.query = std::move(*named);
    return semi_join(std::move(in), copy, negated, c);
  }
  const bool every = s.name == "ALL";
  const std::string op = s.text.empty() ? "=" : s.text;
  const auto width = s.name == "EXISTS" ? 0 : parts_of_left(s).size();
  const bool knows_null =
      width == 1 && ((!every && negated && op == "=") || (every && !negated && op == "<>"));
  auto inside = inside_of(c, nullptr);
  std::optional<rows> inner, from_rows;
  std::vector<expr::node_ptr> all;
  bool ok = true, direct = false;
  if (is_rows_of_from(query_of(s)) && !knows_null && read_by_from(query_of(s), in).empty()) {
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
    if (!direct && !same_width(s, *inner)) return {};
    if (knows_null) return not_in(std::move(in), s, std::move(*inner), c);
    select_scope names(in, types, "WHERE");
    const auto left = left_of(s, names);
    if (!left) return {};
    std::vector<expr::bound> right;
    if (direct) {
      const auto both = both_sides(in, *inner, types.size());
      const auto pair_types = both_types(types, types_of(inner->from));
      select_scope inner_names(both, pair_types, "here");
      for (const auto& t : query_of(s).targets) {
        auto bound = expr::binder(script_.text(), inner_names).bind(t.value);
        if (!bound) return report(bound.err(), t.value.location), std::nullopt;
        right.push_back(std::move(*bound));
      }
    } else {
      for (const auto& column : inner->columns)
        right.push_back({make_column(types_of(inner->from).fields[column.index].type,
                                     column.index + static_cast<uint32_t>(types.size())),
                         false, column.zoned});
    }
    const auto test = compared(s, *left, right, op);
    if (!test) return {};
    // ANY: a row for which it holds. ALL: no row for which it does not, and NULL does not.
    const char* form = every     ? (negated ? "is false" : "is not true")
                       : negated ? "is not false"
                                 : nullptr;
    if (every) kind = negated ? join_kind::semi : join_kind::anti;
    all.push_back(form ? make_call(form, type_id::boolean, {test}) : test);
  }
  return combine(std::move(in), std::move(*inner), kind, planner::join_and(std::move(all)), c,
                 s.location);
}

std::optional<std::vector<expr::bound>> query_binder::left_of(const syntax& s,
                                                              select_scope& names) {
  std::vector<expr::bound> out;
  for (const auto* part : parts_of_left(s)) {
    auto value = expr::binder(script_.text(), names).bind(*part);
    if (!value) return report(value.err(), part->location), std::nullopt;
    out.push_back(std::move(*value));
  }
  return out;
}

bool query_binder::same_width(const syntax& s, const rows& inner) {
  const auto width = parts_of_left(s).size();
  return inner.columns.size() == width ||
         report(errc::type_mismatch,
                inner.columns.size() > width ? "subquery has too many columns"
                                             : "subquery has too few columns",
                s.location);
}

/// left OP right; rows part by part. Null: reported.
expr::node_ptr query_binder::compared(const syntax& s, const std::vector<expr::bound>& left,
                                      const std::vector<expr::bound>& right,
                                      const std::string& op) {
  const auto test = [&] {
    if (left.size() == 1) {
      two_values two(left[0], right[0]);
      return expr::binder(script_.text(), two).bind(two_values::of(k::op, op, s.location));
    }
    two_rows two(left, right);
    return expr::binder(script_.text(), two).bind(two_rows::of(op, left.size(), s.location));
  }();
  if (!test) return report(test.err(), s.location), nullptr;
  return test->n;
}

namespace {

/// The table with the option lookup that the rows are chosen from.
std::optional<std::string> looked_up(const planner::plan_builder& plan, planner::relation r) {
  using kind = planner::logical_node::kind;
  const auto* n = &plan.node(r);
  while (n->what == kind::filter || n->what == kind::project) n = &plan.node(n->inputs[0]);
  if (n->what != kind::scan) return {};
  const auto option = n->table.options.find("lookup");
  if (option == n->table.options.end() || option->second == "false" || option->second == "0")
    return {};
  return n->table.name;
}

}  // namespace

/// x NOT IN (...): true when nothing is there; else x and all values must be known and different.
std::optional<rows> query_binder::not_in(rows in, const syntax& s, rows inner, const context& c) {
  if (const auto table = looked_up(builder_, inner.from))
    return report(errc::unsupported,
                  "NOT IN has to know whether there are NULLs, but table \"" + *table +
                      "\" is looked up (option lookup); write NOT EXISTS (SELECT 1 FROM " + *table +
                      " WHERE ...), or leave the option out to read it once",
                  s.location),
           std::nullopt;
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

}  // namespace weir::sql
