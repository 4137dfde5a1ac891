// JOIN in FROM.
#include <algorithm>
#include <numeric>
#include <set>

#include "jobs/plan/joins.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

expr::bound value_of(const schema& types, const column_name& c, uint32_t location) {
  auto n = std::make_shared<expr::node>(*planner::column_ref(types, c.index));
  n->location = location;
  return {std::move(n), false, c.zoned};
}

std::vector<column_name> both_columns(const rows& left, const rows& right, size_t lefts) {
  auto out = left.columns;
  for (auto c : right.columns) {
    c.index += static_cast<uint32_t>(lefts);
    out.push_back(std::move(c));
  }
  // What has no type yet is text from here on: an outer join may put NULL in its place.
  for (auto& c : out) c.literal.reset();
  return out;
}

/// A function as LATERAL (SELECT * FROM function): a table that any join takes.
from_item selected(const from_item& function) {
  auto all = std::make_shared<query>();
  all->location = function.location;
  target t;
  t.star = true;
  t.location = function.location;
  all->targets.push_back(std::move(t));
  all->from.push_back(function);
  from_item out;
  out.what = from_item::kind::subquery;
  out.lateral = true;
  out.alias = function.alias.empty() ? function.call.name : function.alias;
  out.location = function.location;
  out.inner = std::move(all);
  return out;
}

/// The one visible column of that name; null: none. `several` when there are more.
const column_name* visible(const rows& r, const std::string& name, bool& several) {
  const column_name* found = nullptr;
  for (const auto& c : r.columns)
    if (c.name == name && !c.hidden) {
      several |= found != nullptr;
      found = &c;
    }
  return found;
}

}  // namespace

std::optional<rows> query_binder::combine(rows left, rows right, join_kind k,
                                          expr::node_ptr condition, const context& c,
                                          uint32_t location) {
  const auto l = types_of(left.from), r = types_of(right.from);
  auto o = part(c, "join");
  o.what = join_name(k);
  if (condition) o.what += " " + expr::to_sql(*condition, both_types(l, r));
  auto columns = planner::one_sided(k) ? left.columns : both_columns(left, right, l.size());
  auto made = builder_.join(left.from, right.from, k, std::move(condition), std::move(o));
  if (made && builder_.emits_changes(*made)) change_locations[made->node] = location;
  auto out = take(std::move(made), std::move(columns), location);
  if (out)
    out->single = left.single && (right.single || planner::one_sided(k) || is_as_of(k)) &&
                  k != join_kind::full;
  return out;
}

/// A join whose ON has subqueries that read both sides, or a side that reads the other one. `pairs`
/// are all of its inner join, the left columns first; those that ON accepts are found as in WHERE,
/// and a row of an outer side without one of them stands alone. Whether it does is a function of
/// its values that ON reads and those in `told`, so rows are asked by these, whatever else they
/// have and however often they are there. `right`: of a RIGHT or FULL JOIN.
std::optional<rows> query_binder::join_by_pairs(rows pairs, const syntax& on, const rows& left,
                                                const rows* right, std::vector<uint32_t> told,
                                                join_kind how, const context& c,
                                                uint32_t location) {
  std::vector<const syntax*> refs;
  collect(on, refs);
  for (const auto* r : refs)
    for (const auto& column : pairs.columns)
      if ((r->name == column.name && (r->qualifier.empty() || r->qualifier == column.table)) ||
          (column.row && r->name == column.table))
        told.push_back(column.index);
  std::sort(told.begin(), told.end());
  told.erase(std::unique(told.begin(), told.end()), told.end());
  const auto columns = pairs.columns;
  const auto types = types_of(pairs.from);
  const auto lefts = static_cast<uint32_t>(types_of(left.from).size());
  auto kept = where(std::move(pairs), on, c, "JOIN/ON");
  if (!kept || how == join_kind::inner) return kept;
  // Without what the subqueries gave.
  std::vector<bound_target> targets;
  for (uint32_t i = 0; i < types.size(); ++i)
    targets.push_back(plain_target(planner::column_ref(types, i), types.fields[i].name));
  auto met = project(kept->from, targets, part(c, "pairs"));
  if (!met) return {};
  std::vector<planner::relation> all{met->from};
  auto add_lonely = [&](const rows& side, uint32_t first) {
    const auto own = types_of(side.from);
    std::vector<expr::node_ptr> same_values;
    for (auto column : told) {
      if (column < first || column >= first + own.size()) continue;
      const auto at = static_cast<uint32_t>(own.size()) + column;
      same_values.push_back(same(outer_form(planner::column_ref(own, column - first)),
                                 outer_form(make_column(types.fields[column].type, at)), true));
    }
    auto lonely = combine(side, rows{met->from, {}}, join_kind::anti,
                          planner::join_and(std::move(same_values)), c, location);
    if (!lonely) return false;
    for (uint32_t i = 0; i < types.size(); ++i)
      targets[i].value.n = i >= first && i < first + own.size()
                               ? planner::column_ref(own, i - first)
                               : make_null(types.fields[i].type);
    auto made = project(lonely->from, targets, part(c, "lonely"));
    if (made) all.push_back(made->from);
    return made.has_value();
  };
  if (how != join_kind::right && !add_lonely(left, 0)) return {};
  if (how != join_kind::left && !add_lonely(*right, lefts)) return {};
  return take(builder_.unite(all, part(c, "outer")), columns, location);
}

/// The rows that a function gives for each row: all of them, or those that ON accepts.
std::optional<rows> query_binder::join_function(rows left, const from_item& f, const context& c) {
  const bool all = !f.on || (f.on->kind == expr::syntax_kind::boolean && f.on->text == "true");
  auto made = flat_map(std::move(left), f.sides[1], c, f.how == join_kind::left);
  if (!made || all) return made;
  if (has_subquery(*f.on)) return where(std::move(*made), *f.on, c, "JOIN/ON");
  auto condition = truth(*f.on, *made, types_of(made->from), "JOIN/ON");
  if (!condition) return {};
  auto o = part(c, "on");
  o.what = expr::to_sql(*condition, types_of(made->from));
  return take(builder_.filter(made->from, std::move(condition), std::move(o)),
              std::move(made->columns), f.location);
}

/// RIGHT and FULL JOIN below which the query outside is read: both sides' rows are those for its
/// values, which stand in front of `left`, and pair where these are the same.
std::optional<rows> query_binder::join_seeded(rows left, rows right, const from_item& f,
                                              const rows& seed, const context& c) {
  const auto seeds = static_cast<uint32_t>(types_of(seed.from).size());
  for (const auto& x : right.correlated)
    if (x.outer >= seeds) {
      report(errc::invalid_argument,
             "the combining JOIN type must be INNER or LEFT for a LATERAL reference", f.location);
      return {};
    }
  std::vector<std::string> names;
  if (!using_columns(f, left, right, names)) return {};
  auto other = lateral(seed, std::move(right), join_kind::inner, nullptr, c, f.location);
  if (!other) return {};
  const auto rights = types_of(other->from);
  std::vector<bound_target> targets;
  auto add = [&targets](const schema& types, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; ++i)
      targets.push_back(plain_target(planner::column_ref(types, i), types.fields[i].name));
  };
  add(rights, 0, static_cast<uint32_t>(rights.size()));
  targets.push_back(plain_target(make_truth(true), "is there"));
  auto sided = project(other->from, std::move(targets), part(c, "sides"));
  if (!sided) return {};
  other->from = sided->from;
  const auto l = types_of(left.from), r = types_of(other->from);
  const auto lefts = static_cast<uint32_t>(l.size());
  auto columns = left.columns;
  for (auto column : other->columns) {
    if (column.index < seeds) continue;
    column.index += lefts;
    columns.push_back(std::move(column));
  }
  for (auto& column : columns) column.literal.reset();
  std::vector<expr::node_ptr> all;
  for (uint32_t i = 0; i < seeds; ++i)
    all.push_back(same(planner::column_ref(l, i), make_column(r.fields[i].type, lefts + i), true));
  const bool by_pairs = f.on && has_subquery(*f.on);
  if (f.on && !by_pairs) {
    auto condition = truth(*f.on, {left.from, columns}, both_types(l, r), "JOIN/ON");
    if (!condition) return {};
    all.push_back(std::move(condition));
  }
  if (!using_conditions(names, left, *other, both_types(l, r), f.location, all)) return {};
  auto made = combine(left, *other, by_pairs ? join_kind::inner : f.how,
                      planner::join_and(std::move(all)), c, f.location);
  if (made && by_pairs) {
    made->columns = columns;
    std::vector<uint32_t> told;
    for (uint32_t i = 0; i < seeds; ++i) told.insert(told.end(), {i, lefts + i});
    made = join_by_pairs(std::move(*made), *f.on, left, &*other, std::move(told), f.how, c,
                         f.location);
  }
  if (!made) return {};
  const auto types = types_of(made->from);
  targets.clear();
  const auto missing = is_null(planner::column_ref(types, static_cast<uint32_t>(types.size() - 1)));
  for (uint32_t i = 0; i < seeds; ++i)
    targets.push_back(plain_target(
        make_call("case", types.fields[i].type,
                  {missing, planner::column_ref(types, i), planner::column_ref(types, lefts + i)}),
        types.fields[i].name));
  add(types, seeds, lefts);
  add(types, lefts + seeds, static_cast<uint32_t>(types.size() - 1));
  auto out = project(made->from, std::move(targets), part(c, "seeded"));
  if (!out) return {};
  for (auto& column : columns)
    if (column.index >= lefts) column.index -= seeds;
  rows both{out->from, std::move(columns)};
  return names.empty() ? std::move(both) : merged(std::move(both), lefts, names, f, c);
}

namespace {

/// The outermost subqueries of a condition.
void subqueries_of(const syntax& s, std::vector<const syntax*>& out) {
  if (s.kind == expr::syntax_kind::subquery) return out.push_back(&s);
  for (const auto* list : {&s.args, &s.filter})
    for (const auto& a : *list) subqueries_of(a, out);
}

}  // namespace

bool query_binder::sides_of(const syntax& s, const rows& both, uint32_t lefts, const context& c,
                            read_sides& out) {
  auto add = [&](uint32_t column) { (column < lefts ? out.left : out.right) = true; };
  if (s.kind == expr::syntax_kind::column)
    if (const auto* found = named_by(s, both)) add(found->index);
  for (const auto* list : {&s.args, &s.filter})
    for (const auto& a : *list)
      if (!sides_of(a, both, lefts, c, out)) return false;
  if (s.kind != expr::syntax_kind::subquery) return true;
  const auto inner = subquery(s, both, c);
  if (!inner) return false;
  for (const auto& x : inner->correlated) add(x.outer);
  return true;
}

/// Joins what the subqueries of ON give to the side that they read. The values are over both.
/// `pairs`: one reads both sides, and nothing was joined.
bool query_binder::attach_on(const syntax& on, rows& left, rows& right, const context& c,
                             subquery_values& out, bool& pairs) {
  const auto l = types_of(left.from), r = types_of(right.from);
  const auto lefts = static_cast<uint32_t>(l.size());
  std::vector<bound_target> targets;
  for (uint32_t i = 0; i < lefts; ++i)
    targets.push_back(plain_target(planner::column_ref(l, i), l.fields[i].name));
  for (const auto& field : r.fields)
    targets.push_back(plain_target(make_null(field.type), field.name));
  const auto stand_in = project(left.from, std::move(targets), part(c, "sides"));
  if (!stand_in) return false;
  const rows both{stand_in->from, both_columns(left, right, lefts)};
  std::vector<const syntax*> all, of_left, of_right;
  subqueries_of(on, all);
  for (const auto* s : all) {
    read_sides read;
    if (!sides_of(*s, both, lefts, c, read)) return false;
    pairs |= read.left && read.right;
    (read.right ? of_right : of_left).push_back(s);
  }
  if (pairs) return true;
  for (const auto* s : of_left)
    if (!attach(*s, left, c, out)) return false;
  subquery_values values;
  for (const auto* s : of_right)
    if (!attach(*s, right, c, values)) return false;
  std::vector<uint32_t> places(types_of(right.from).size());
  std::iota(places.begin(), places.end(), static_cast<uint32_t>(types_of(left.from).size()));
  for (auto& [of, value] : values) {
    value.n = expr::remap_columns(value.n, places);
    out.insert_or_assign(of, value);
  }
  return true;
}

std::optional<rows> query_binder::join(const from_item& f, const context& c) {
  auto out = joined(f, c);
  if (!out || f.how == join_kind::inner) return out;
  std::set<std::string> titles;
  if (f.how == join_kind::left || f.how == join_kind::full) collect_titles(f.sides[1], titles);
  if (f.how == join_kind::right || f.how == join_kind::full) collect_titles(f.sides[0], titles);
  for (auto& column : out->columns)
    column.may_miss |= !column.outer && titles.contains(column.table);
  return out;
}

std::optional<rows> query_binder::joined(const from_item& f, const context& given) {
  auto c = given;
  std::optional<rows> left;
  if (is_row_function(f.sides[0])) {
    left = c.seed ? std::optional(*c.seed) : generated(1, f.location);
    if (left) left = flat_map(std::move(*left), f.sides[0], c, false);
  } else {
    left = item(f.sides[0], c, c.seed);
  }
  if (left && c.seed && f.sides[0].what != from_item::kind::join && !is_row_function(f.sides[0]))
    left = lateral(*c.seed, std::move(*left), join_kind::inner, nullptr, c, f.location);
  if (!left) return {};
  // A join in parentheses on the right is one of its own.
  if (f.sides[1].what == from_item::kind::join) c.seed = nullptr;
  const bool always = !f.on || (f.on->kind == expr::syntax_kind::boolean && f.on->text == "true");
  const bool plain = f.using_columns.empty() && !f.natural;
  // What gives a row's own rows needs no join, where each of them is a pair.
  const bool inner = f.how == join_kind::inner, outer = f.how == join_kind::left && always;
  if (is_row_function(f.sides[1]) && plain && (inner || outer))
    return join_function(std::move(*left), f, c);
  from_item wrapped;
  if (is_row_function(f.sides[1])) wrapped = selected(f.sides[1]);
  const auto& second = is_row_function(f.sides[1]) ? wrapped : f.sides[1];
  if (always && plain)
    if (auto made = as_of(second, *left, f.how, c)) return made;
  const auto why = std::exchange(not_as_of_, {});
  auto right = item(second, c, &*left);
  if (!right) return {};
  if (given.seed && (f.how == join_kind::right || f.how == join_kind::full))
    return join_seeded(std::move(*left), std::move(*right), f, *given.seed, c);
  if (!right->correlated.empty()) {
    if (f.how != join_kind::inner && f.how != join_kind::left) {
      report(errc::invalid_argument,
             "the combining JOIN type must be INNER or LEFT for a LATERAL reference", f.location);
      return {};
    }
    if (!f.using_columns.empty() || f.natural) {
      report(errc::unsupported, "USING with a LATERAL subquery is not supported; write ON",
             f.location);
      return {};
    }
    std::optional<rows> made;
    if (f.on && has_subquery(*f.on)) {
      std::vector<uint32_t> told;
      for (const auto& x : right->correlated) told.push_back(x.outer);
      made = lateral(*left, std::move(*right), join_kind::inner, nullptr, c, f.location);
      if (made)
        made = join_by_pairs(std::move(*made), *f.on, *left, nullptr, std::move(told), f.how, c,
                             f.location);
    } else {
      made = lateral(std::move(*left), std::move(*right), f.how, f.on ? &*f.on : nullptr, c,
                     f.location);
    }
    tell_why(made, why);
    return made;
  }
  std::vector<std::string> names;
  if (!using_columns(f, *left, *right, names)) return {};
  subquery_values subqueries;
  bool pairs = false;
  if (f.on && has_subquery(*f.on) && !attach_on(*f.on, *left, *right, c, subqueries, pairs))
    return {};
  if (pairs) {
    auto all = combine(*left, *right, join_kind::inner, nullptr, c, f.location);
    if (!all) return {};
    return join_by_pairs(std::move(*all), *f.on, *left, &*right, {}, f.how, c, f.location);
  }
  const auto l = types_of(left->from), r = types_of(right->from);
  const auto types = both_types(l, r);
  expr::node_ptr condition;
  if (f.on) {
    const rows both{left->from, both_columns(*left, *right, l.size())};
    condition = truth(*f.on, both, types, "JOIN/ON", &subqueries);
    if (!condition) return {};
  }
  std::vector<expr::node_ptr> all;
  if (condition) all.push_back(std::move(condition));
  if (!using_conditions(names, *left, *right, types, f.location, all)) return {};
  condition = planner::join_and(std::move(all));
  auto out =
      combine(std::move(*left), std::move(*right), f.how, std::move(condition), c, f.location);
  if (!out || names.empty()) return out;
  return merged(std::move(*out), l.size(), names, f, c);
}

bool query_binder::using_columns(const from_item& f, const rows& left, const rows& right,
                                 std::vector<std::string>& names) {
  for (const auto& n : f.using_columns) names.push_back(n.text);
  if (f.natural)
    for (const auto& c : left.columns) {
      bool several = false;
      if (!c.hidden && visible(right, c.name, several)) names.push_back(c.name);
    }
  for (const auto& name : names)
    for (const auto* side : {&left, &right}) {
      bool several = false;
      const auto* found = visible(*side, name, several);
      std::vector<std::string> there;
      for (const auto& c : side->columns) there.push_back(c.name);
      const auto* which = side == &left ? "left" : "right";
      if (!found)
        return report(errc::unknown_name,
                      "column \"" + name + "\" specified in USING clause does not exist in " +
                          which + " table" + nearest_hint(name, there),
                      f.location);
      if (several)
        return report(
            errc::invalid_argument,
            "common column name \"" + name + "\" appears more than once in " + which + " table",
            f.location);
    }
  return true;
}

/// Adds that the columns of USING are equal, over both sides' columns.
bool query_binder::using_conditions(const std::vector<std::string>& names, const rows& left,
                                    const rows& right, const schema& types, uint32_t location,
                                    std::vector<expr::node_ptr>& out) {
  const auto lefts = static_cast<uint32_t>(types_of(left.from).size());
  for (const auto& name : names) {
    bool several = false;
    const auto* a = visible(left, name, several);
    auto b = *visible(right, name, several);
    b.index += lefts;
    two_values two(value_of(types, *a, location), value_of(types, b, location));
    auto equal = expr::binder(script_.text(), two)
                     .bind(two_values::of(expr::syntax_kind::op, "=", location));
    if (!equal) return report(equal.err(), location);
    out.push_back(equal->n);
  }
  return true;
}

/// The columns of USING once, in front of all others.
std::optional<rows> query_binder::merged(rows both, size_t lefts,
                                         const std::vector<std::string>& names, const from_item& f,
                                         const context& c) {
  std::vector<column_name> front;
  std::vector<bound_target> targets;
  const auto types = types_of(both.from);
  for (uint32_t i = 0; i < types.size(); ++i) {
    bound_target t;
    t.value.n = planner::column_ref(types, i);
    t.name = types.fields[i].name;
    targets.push_back(std::move(t));
  }
  for (const auto& name : names) {
    column_name* sides[2] = {nullptr, nullptr};
    for (auto& k : both.columns)
      if (k.name == name && !k.hidden) sides[k.index < lefts ? 0 : 1] = &k;
    column_name one = *sides[f.how == join_kind::right ? 1 : 0];
    if (f.how == join_kind::full) {
      two_values two(value_of(types, *sides[0], f.location),
                     value_of(types, *sides[1], f.location));
      auto value = expr::binder(script_.text(), two)
                       .bind(two_values::of(expr::syntax_kind::special, "coalesce", f.location));
      if (!value) return report(value.err(), f.location), std::nullopt;
      one.index = static_cast<uint32_t>(targets.size());
      targets.push_back({std::move(*value), name, f.location});
    }
    for (auto* s : sides) s->hidden = true;
    one.table = f.using_alias;
    one.hidden = false;
    front.push_back(std::move(one));
  }
  both.columns.insert(both.columns.begin(), front.begin(), front.end());
  if (targets.size() == types.size()) return both;
  auto made = project(both.from, std::move(targets), part(c, "using"));
  if (!made) return {};
  both.from = made->from;
  return both;
}

}  // namespace weir::sql
