// GROUP BY, HAVING and aggregates in expressions: what is computed over the rows of a group, and
// what over its keys and aggregates.
#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

/// Expressions over the input and its aggregate calls -> over the aggregate's output.
class regrouping {
 public:
  regrouping(const std::vector<planner::named_expr>& keys, uint32_t input_columns,
             uint32_t first_call, const std::vector<expr::node_ptr>& later,
             const std::vector<expr::node_ptr>& groupings)
      : keys_(keys),
        later_(later),
        groupings_(groupings),
        input_columns_(input_columns),
        first_call_(first_call) {}

  /// Null when a column is neither a key nor in an aggregate: then `culprit` is its node.
  expr::node_ptr operator()(const expr::node_ptr& n) {
    for (uint32_t k = 0; k < keys_.size(); ++k)
      if (expr::same_tree(*n, *keys_[k].value)) return column(n, k);
    if (n->kind == expr::node_kind::column) {
      if (n->column >= clause_subqueries::first_windowed) return n;  // computed over the groups
      if (n->column >= select_scope::first_grouping)
        return groupings_[n->column - select_scope::first_grouping];
      if (n->column >= clause_subqueries::first_later)
        return later_[n->column - clause_subqueries::first_later];
      if (n->column >= input_columns_) return column(n, first_call_ + n->column - input_columns_);
      if (!culprit) culprit = n;
      return nullptr;
    }
    if (n->args.empty()) return n;
    auto copy = std::make_shared<expr::node>(*n);
    for (auto& a : copy->args) {
      a = (*this)(a);
      if (!a) return nullptr;
    }
    return copy;
  }
  expr::node_ptr culprit;

 private:
  static expr::node_ptr column(const expr::node_ptr& n, uint32_t index) {
    auto c = std::make_shared<expr::node>();
    c->kind = expr::node_kind::column;
    c->type = n->type;
    c->column = index;
    c->location = n->location;
    return c;
  }
  const std::vector<planner::named_expr>& keys_;
  const std::vector<expr::node_ptr>& later_;
  const std::vector<expr::node_ptr>& groupings_;
  uint32_t input_columns_, first_call_;
};

std::string qualified(const rows& in, uint32_t index) {
  for (const auto& c : in.columns)
    if (c.index == index) return c.table.empty() ? c.name : c.table + '.' + c.name;
  return "?";
}

/// What makes the query one over groups, for messages.
uint32_t clause_of(const query& q) {
  if (!q.group_by.empty()) return expr::begin_of(q.group_by[0]);
  for (const auto& t : q.targets)
    if (const auto* found = first_aggregate(t.value)) return found->location;
  return q.having ? expr::begin_of(*q.having) : q.location;
}

bool has_windows(const expr::node& n) {
  if (n.kind == expr::node_kind::column) return n.column >= window_calls::first;
  return std::any_of(n.args.begin(), n.args.end(),
                     [](const expr::node_ptr& a) { return has_windows(*a); });
}

bool has_calls(const expr::node& n, size_t input_columns) {
  if (n.kind == expr::node_kind::column) return n.column >= input_columns;
  return std::any_of(n.args.begin(), n.args.end(), [input_columns](const expr::node_ptr& a) {
    return has_calls(*a, input_columns);
  });
}

/// Which key is that column of the input; their number: none.
uint32_t key_at(const std::vector<planner::named_expr>& keys, uint32_t column) {
  const auto at = std::find_if(keys.begin(), keys.end(), [column](const planner::named_expr& key) {
    return planner::bare_column(key.value) == column;
  });
  return static_cast<uint32_t>(at - keys.begin());
}

}  // namespace

/// What an item of GROUP BY stands for. Without a tree: a target that is reported already.
result<expr::bound> query_binder::key_of(const syntax& s, select_scope& names,
                                         const std::vector<bound_target>& targets) {
  using k = expr::syntax_kind;
  expr::binder b(script_.text(), names);
  if (s.kind == k::integer) {
    const auto position = std::strtoull(s.text.c_str(), nullptr, 10);
    const auto listed = std::count_if(targets.begin(), targets.end(),
                                      [](const bound_target& t) { return !t.hidden; });
    if (s.text[0] == '-' || position < 1 || position > static_cast<uint64_t>(listed))
      return b.fail(errc::invalid_argument,
                    "GROUP BY position " + s.text + " is not in select list", s.location);
    return targets[position - 1].value;
  }
  if (s.kind == k::text || s.kind == k::number || s.kind == k::null)
    return b.fail(errc::parse, "non-integer constant in GROUP BY", s.location);
  if (s.kind == k::column && s.qualifier.empty()) {
    // A column of the input goes before a name that the select list gives.
    WEIR_ASSIGN(const auto* column, names.find(s, b));
    auto t = std::find_if(targets.begin(), targets.end(),
                          [&s](const bound_target& x) { return !x.hidden && x.name == s.name; });
    if (!column && t != targets.end()) return t->value;
  }
  WEIR_ASSIGN(auto value, b.bind(s));
  return b.settle(std::move(value));
}

bool query_binder::bind_keys(const query& q, const rows& in,
                             const std::vector<bound_target>& targets,
                             const subquery_values& subqueries,
                             std::vector<planner::named_expr>& keys,
                             std::vector<uint32_t>& places) {
  const auto& types = types_of(in.from);
  select_scope names(in, types, "GROUP BY");
  names.know(subqueries);
  bool ok = true;
  std::set<std::string> taken;
  for (const auto& s : q.group_by) {
    places.push_back(static_cast<uint32_t>(keys.size()));
    auto value = key_of(s, names, targets);
    if (!value) {
      ok = report(value.err(), s.location);
      continue;
    }
    const auto& n = value->n;
    if (!n) continue;
    if (has_windows(*n)) {
      ok = report(errc::invalid_argument, "window functions are not allowed in GROUP BY",
                  s.location);
      continue;
    }
    if (has_calls(*n, types.size())) {
      ok = report(errc::invalid_argument, "aggregate functions are not allowed in GROUP BY",
                  s.location);
      continue;
    }
    if (!comparable(n->type, s.location)) {
      ok = false;
      continue;
    }
    const auto known = std::find_if(keys.begin(), keys.end(), [&n](const planner::named_expr& key) {
      return expr::same_tree(*key.value, *n);
    });
    if (known != keys.end()) {
      places.back() = static_cast<uint32_t>(known - keys.begin());
      continue;
    }
    auto i = planner::bare_column(n);
    keys.push_back({unique_name(i ? types.fields[*i].name : expr::to_sql(*n, types), taken), n});
  }
  return ok;
}

bool query_binder::bind_having(const query& q, const rows& in, std::vector<aggregate_call>& calls,
                               clause_subqueries& subqueries, expr::bound& out) {
  if (!q.having) return true;
  select_scope names(in, types_of(in.from), calls);
  names.know(subqueries.values);
  names.know(subqueries.groupings);
  expr::binder b(script_.text(), names);
  auto bound = b.bind(*q.having);
  if (bound && !bound->unknown && bound->n->type.id != type_id::boolean)
    bound = b.fail(errc::type_mismatch,
                   "argument of HAVING must be type boolean, not type " + expr::name_of(*bound),
                   expr::begin_of(*q.having));
  if (bound) bound = b.coerce(std::move(*bound), type_id::boolean, expr::cast_context::implicit);
  if (!bound) return report(bound.err(), q.having->location);
  out = std::move(*bound);
  return true;
}

std::optional<planner::relation> query_binder::grouping_sets(
    const query& q, const rows& in, const planner::aggregate_def& def,
    const std::vector<std::vector<uint32_t>>& sets, const clause_subqueries& subqueries,
    const context& c) {
  std::vector<planner::relation> all;
  for (const auto& set : sets) {
    auto one = def;
    one.keys.clear();
    for (auto k : set) one.keys.push_back(def.keys[k]);
    auto o = part(c, "grouping");
    for (const auto& key : one.keys) o.what += key.name + ", ";
    for (const auto& call : one.calls) o.what += call.name + ", ";
    if (one.keys.empty() && one.calls.empty()) {
      aggregate_call count;
      count.name = "rows";
      one.calls.push_back(std::move(count));
    }
    const auto location = clause_of(q);
    auto aggregated = builder_.aggregate(in.from, one, std::move(o));
    if (!aggregated)
      return report(aggregated.err().code, aggregated.err().message, location), std::nullopt;
    change_locations[aggregated->node] = location;
    std::optional<planner::relation> made = *aggregated;
    const bool whole = subqueries.over_nothing && q.grouping_sets[all.size()].empty();
    if (subqueries.over_nothing)
      made = whole ? with_empty_groups(*made, one, subqueries, c, location)
                   : without_null(*made, one, subqueries, c, location);
    if (!made) return {};
    const auto types = types_of(*made);
    const auto first =
        static_cast<uint32_t>(whole ? one.keys.size() : builder_.node(*aggregated).columns.size());
    std::vector<bound_target> targets;
    for (uint32_t k = 0; k < def.keys.size(); ++k) {
      const auto at = std::find(set.begin(), set.end(), k);
      targets.push_back(plain_target(
          at == set.end() ? make_null(def.keys[k].value->type)
                          : planner::column_ref(types, static_cast<uint32_t>(at - set.begin())),
          def.keys[k].name));
    }
    for (uint32_t i = 0; i < def.calls.size(); ++i)
      targets.push_back(plain_target(planner::column_ref(types, first + i), def.calls[i].name));
    targets.push_back(plain_target(make_number(static_cast<int64_t>(all.size())), "grouping"));
    auto out = project(*made, std::move(targets), part(c, "grouping"));
    if (!out) return {};
    all.push_back(out->from);
  }
  if (all.size() == 1) return all[0];
  auto made = builder_.unite(all, named(c.id));
  if (!made) return report(made.err().code, made.err().message, clause_of(q)), std::nullopt;
  return *made;
}

/// What a plain = pairs with an outer row is not NULL: of groups that others are joined to by a =
/// that takes NULL for a value.
std::optional<planner::relation> query_binder::without_null(planner::relation groups,
                                                            const planner::aggregate_def& def,
                                                            const clause_subqueries& subqueries,
                                                            const context& c, uint32_t location) {
  const auto types = types_of(groups);
  std::vector<expr::node_ptr> known;
  for (const auto& x : subqueries.outer)
    if (!x.null_safe)
      known.push_back(make_call("is not null", type_id::boolean,
                                {planner::column_ref(types, key_at(def.keys, x.own))}));
  if (known.empty()) return groups;
  auto condition = planner::join_and(std::move(known));
  auto o = part(c, "paired");
  o.what = expr::to_sql(*condition, types);
  auto made = builder_.filter(groups, std::move(condition), std::move(o));
  if (!made) return report(made.err().code, made.err().message, location), std::nullopt;
  return *made;
}

std::optional<planner::relation> query_binder::with_empty_groups(
    planner::relation groups, const planner::aggregate_def& def,
    const clause_subqueries& subqueries, const context& c, uint32_t location) {
  const auto types = types_of(groups);
  const auto first = static_cast<uint32_t>(builder_.node(groups).columns.size());
  rows inner{groups, {}};
  for (uint32_t i = 0; i < def.calls.size(); ++i) {
    column_name column;
    column.name = def.calls[i].name;
    column.index = first + i;
    inner.columns.push_back(std::move(column));
    inner.when_empty.push_back(over_nothing(def.calls[i], types.fields[first + i].type));
  }
  inner.correlated = subqueries.outer;
  for (auto& x : inner.correlated) x.own = key_at(def.keys, x.own);
  const auto all = with_empty_rows(std::move(inner), c, location);
  if (!all) return {};
  const auto made = types_of(all->from);
  std::vector<bound_target> targets;
  for (const auto& key : def.keys) {
    const auto own = *planner::bare_column(key.value);
    const auto x = std::find_if(subqueries.outer.begin(), subqueries.outer.end(),
                                [own](const correlation& k) { return k.own == own; });
    const auto at = std::find_if(all->correlated.begin(), all->correlated.end(),
                                 [&x](const correlation& k) { return k.outer == x->outer; });
    targets.push_back(plain_target(planner::column_ref(made, at->own), key.name));
  }
  for (const auto& column : all->columns)
    targets.push_back(plain_target(planner::column_ref(made, column.index), column.name));
  auto out = project(all->from, std::move(targets), part(c, "groups"));
  if (!out) return {};
  return out->from;
}

/// Columns of the groups that their subqueries read as aggregates of this query.
bool query_binder::add_calls(const rows& in, rows& groups,
                             const std::vector<planner::named_expr>& keys, uint32_t first_call,
                             const std::vector<expr::node_ptr>& groupings,
                             const clause_subqueries& subqueries, const context& c) {
  const auto types = types_of(groups.from);
  std::vector<bound_target> targets;
  for (uint32_t i = 0; i < types.size(); ++i)
    targets.push_back(plain_target(planner::column_ref(types, i), types.fields[i].name));
  const std::vector<expr::node_ptr> none;
  regrouping regroup(keys, static_cast<uint32_t>(types_of(in.from).size()), first_call, none,
                     groupings);
  for (size_t i = 0; i < subqueries.called.size(); ++i) {
    auto n = regroup(subqueries.called[i].n);
    if (!n) return ungrouped(in, *regroup.culprit);
    auto column = subqueries.call_columns[i];
    column.index = static_cast<uint32_t>(targets.size());
    groups.columns.push_back(std::move(column));
    targets.push_back(plain_target(std::move(n), "call"));
  }
  auto made = project(groups.from, std::move(targets), part(c, "calls"));
  if (!made) return false;
  groups.from = made->from;
  return true;
}

std::optional<std::vector<expr::node_ptr>> query_binder::attach_later(
    clause_subqueries& subqueries, const rows& in, rows& groups,
    const std::vector<planner::named_expr>& keys, uint32_t first_call,
    const std::vector<expr::node_ptr>& groupings, const context& c) {
  const auto inputs = static_cast<uint32_t>(types_of(in.from).size());
  subquery_values joined;
  std::vector<expr::node_ptr> out;
  for (auto& l : subqueries.later) {
    regrouping regroup(keys, inputs, first_call, out, groupings);
    for (auto& part : l.left) {
      part.n = regroup(part.n);
      if (!part.n) return ungrouped(in, *regroup.culprit), std::nullopt;
    }
    auto inner = l.inner ? std::move(l.inner) : subquery(*l.of, groups, c);
    if (!inner || !attach_bound(*l.of, std::move(*inner), groups, c, joined,
                                l.left.empty() ? nullptr : &l.left))
      return {};
    out.push_back(joined.at(l.of->query.get()).n);
  }
  return out;
}

std::optional<std::vector<expr::node_ptr>> query_binder::grouping_values(
    const std::vector<std::vector<expr::node_ptr>>& calls,
    const std::vector<planner::named_expr>& keys, const std::vector<std::vector<uint32_t>>& sets,
    uint32_t number_column, uint32_t location) {
  std::vector<expr::node_ptr> out;
  auto number = [](int32_t v) { return make_literal(scalar::of_int(type_id::int32, v)); };
  for (const auto& args : calls) {
    std::vector<uint32_t> places;
    for (const auto& a : args) {
      const auto key = std::find_if(keys.begin(), keys.end(), [&a](const planner::named_expr& k) {
        return expr::same_tree(*k.value, *a);
      });
      if (key == keys.end()) {
        report(errc::invalid_argument,
               "arguments to GROUPING must be grouping expressions of the associated query level",
               a->location ? a->location : location);
        return {};
      }
      places.push_back(static_cast<uint32_t>(key - keys.begin()));
    }
    std::vector<expr::node_ptr> cases;
    for (size_t s = 0; s < sets.size(); ++s) {
      int32_t bits = 0;
      for (auto p : places)
        bits = bits << 1 | (std::find(sets[s].begin(), sets[s].end(), p) == sets[s].end());
      if (s + 1 < sets.size())
        cases.push_back(make_call(
            "=", type_id::boolean,
            {make_column(type_id::int64, number_column), make_number(static_cast<int64_t>(s))}));
      cases.push_back(number(bits));
    }
    if (cases.empty()) cases.push_back(number(0));
    out.push_back(cases.size() == 1 ? cases[0]
                                    : make_call("case", type_id::int32, std::move(cases)));
  }
  return out;
}

bool query_binder::ungrouped(const rows& in, const expr::node& column) {
  return report(errc::invalid_argument,
                "column \"" + qualified(in, column.column) +
                    "\" must appear in the GROUP BY clause or be used in an aggregate function",
                column.location);
}

std::optional<planner::relation> query_binder::group(const query& q, rows& in,
                                                     std::vector<bound_target>& targets,
                                                     std::vector<aggregate_call>& calls,
                                                     const context& c,
                                                     clause_subqueries& subqueries,
                                                     bool with_having) {
  const auto types = types_of(in.from);
  planner::aggregate_def def;
  def.by_window = false;
  def.final_only = c.final_rows;
  std::vector<uint32_t> places;
  bool ok = bind_keys(q, in, targets, subqueries.of_keys, def.keys, places);
  expr::bound having;
  if (with_having) ok &= bind_having(q, in, calls, subqueries, having);
  if (!ok) return {};

  subqueries.by_outer = std::all_of(def.keys.begin(), def.keys.end(), [&](const auto& key) {
    const auto column = planner::bare_column(key.value);
    return column && std::any_of(subqueries.outer.begin(), subqueries.outer.end(),
                                 [&](const correlation& x) { return x.own == *column; });
  });
  std::set<std::string> taken{"window_start", "window_end"};
  for (const auto& key : def.keys) taken.insert(key.name);
  for (const auto& read : subqueries.read) {
    const bool is_key = std::any_of(def.keys.begin(), def.keys.end(), [&read](const auto& key) {
      return planner::bare_column(key.value) == read.column;
    });
    const auto column = std::find_if(in.columns.begin(), in.columns.end(),
                                     [&read](const auto& k) { return k.index == read.column; });
    // What is of a query further outside is one value for all groups.
    const bool from_outside = std::any_of(in.columns.begin(), in.columns.end(), [&](const auto& k) {
      return k.index == read.column && k.outer;
    });
    if (is_key || from_outside || column == in.columns.end()) continue;
    ok = report(errc::invalid_argument,
                "subquery uses ungrouped column \"" +
                    (column->table.empty() ? "" : column->table + '.') + column->name +
                    "\" from outer query; group by it, or aggregate in a subquery of FROM",
                read.location);
  }
  if (!ok) return {};
  for (auto k : subqueries.keys) {
    auto n = planner::column_ref(types, k);
    if (std::none_of(def.keys.begin(), def.keys.end(), [&n](const planner::named_expr& key) {
          return expr::same_tree(*key.value, *n);
        }))
      def.keys.push_back({unique_name(types.fields[k].name, taken), std::move(n)});
  }
  for (const auto& key : def.keys) taken.insert(key.name);
  auto o = named(c.id);
  for (const auto& key : def.keys) o.what += expr::to_sql(*key.value, types) + ", ";
  for (auto& call : calls) {
    auto text = planner::to_sql(call, types);
    o.what += text + ", ";
    call.name = unique_name(text, taken);
  }
  if (c.final_rows) o.what += "final";
  if (def.keys.empty() && calls.empty()) {
    // HAVING alone: one group, of which only the number of rows is known.
    aggregate_call count;
    count.type = type_id::int64;
    count.name = "count(*)";
    calls.push_back(std::move(count));
  }
  def.calls = calls;
  const auto keys = def.keys;
  const uint32_t location = clause_of(q);
  std::optional<planner::relation> made;
  auto first_call = static_cast<uint32_t>(keys.size());
  std::vector<std::vector<uint32_t>> sets;
  if (q.grouping_sets.empty()) {
    auto one = builder_.aggregate(in.from, def, std::move(o));
    if (!one) return report(one.err().code, one.err().message, location), std::nullopt;
    made = *one;
    change_locations[made->node] = location;
    if (subqueries.over_nothing)
      made = with_empty_groups(*made, def, subqueries, c, location);
    else
      first_call = static_cast<uint32_t>(builder_.node(*made).columns.size());
    if (!made) return {};
  } else {
    for (const auto& items : q.grouping_sets) {
      std::set<uint32_t> chosen;
      for (auto i : items) chosen.insert(places[i]);
      // What is the same for every group of an outer row is never left out.
      for (auto column : subqueries.keys) chosen.insert(key_at(keys, column));
      sets.emplace_back(chosen.begin(), chosen.end());
    }
    made = grouping_sets(q, in, def, sets, subqueries, c);
    if (!made) return {};
  }

  rows groups{*made, {}};
  for (auto column : in.columns)
    if (const auto at = key_at(keys, column.index); at < keys.size()) {
      column.index = at;
      column.literal.reset();
      groups.columns.push_back(std::move(column));
    }
  const auto groupings = grouping_values(
      subqueries.groupings, keys, sets, first_call + static_cast<uint32_t>(calls.size()), location);
  if (!groupings) return {};
  if (!subqueries.called.empty() &&
      !add_calls(in, groups, keys, first_call, *groupings, subqueries, c))
    return {};
  const auto later = attach_later(subqueries, in, groups, keys, first_call, *groupings, c);
  if (!later) return {};
  regrouping regroup(keys, static_cast<uint32_t>(types.size()), first_call, *later, *groupings);
  auto rewritten = [&](expr::bound& value) {
    if (!value.n) return false;
    auto n = regroup(value.n);
    if (n) return value.n = std::move(n), true;
    return ungrouped(in, *std::exchange(regroup.culprit, nullptr));
  };
  uint32_t reported = UINT32_MAX;  // a star that gives several such columns is one mistake
  for (auto& t : targets) {
    if (t.location == reported || rewritten(t.value)) continue;
    reported = t.location;
    ok = false;
  }
  if (having.n) ok &= rewritten(having);
  if (!ok) return {};
  subqueries.group_columns = groups.columns;
  if (!having.n) return groups.from;
  auto h = part(c, "having");
  h.what = expr::to_sql(*having.n, types_of(groups.from));
  auto kept = builder_.filter(groups.from, having.n, std::move(h));
  if (!kept) return report(kept.err().code, kept.err().message, q.having->location), std::nullopt;
  return *kept;
}

}  // namespace weir::sql
