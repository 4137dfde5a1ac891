// GROUP BY, HAVING and aggregates in expressions: what is computed over the rows of a group, and
// what over its keys and aggregates.
#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/sql/query_binder.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

/// Expressions over the input and its aggregate calls -> over the aggregate's output.
class regrouping {
 public:
  regrouping(const std::vector<planner::named_expr>& keys, uint32_t input_columns,
             uint32_t first_call, const std::vector<expr::node_ptr>& later)
      : keys_(keys), later_(later), input_columns_(input_columns), first_call_(first_call) {}

  /// Null when a column is neither a key nor in an aggregate: then `culprit` is its node.
  expr::node_ptr operator()(const expr::node_ptr& n) {
    for (uint32_t k = 0; k < keys_.size(); ++k)
      if (expr::same_tree(*n, *keys_[k].value)) return column(n, k);
    if (n->kind == expr::node_kind::column) {
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
  uint32_t input_columns_, first_call_;
};

std::string qualified(const rows& in, uint32_t index) {
  for (const auto& c : in.columns)
    if (c.index == index) return c.table.empty() ? c.name : c.table + '.' + c.name;
  return "?";
}

const syntax* first_aggregate(const syntax& s) {
  if (s.kind == expr::syntax_kind::function && planner::find_aggregate(s.name)) return &s;
  for (const auto& a : s.args)
    if (const auto* found = first_aggregate(a)) return found;
  return nullptr;
}

/// What makes the query one over groups, for messages.
uint32_t clause_of(const query& q) {
  if (!q.group_by.empty()) return expr::begin_of(q.group_by[0]);
  for (const auto& t : q.targets)
    if (const auto* found = first_aggregate(t.value)) return found->location;
  return q.having ? expr::begin_of(*q.having) : q.location;
}

bool has_calls(const expr::node& n, size_t input_columns) {
  if (n.kind == expr::node_kind::column) return n.column >= input_columns;
  return std::any_of(n.args.begin(), n.args.end(), [input_columns](const expr::node_ptr& a) {
    return has_calls(*a, input_columns);
  });
}

}  // namespace

/// What an item of GROUP BY stands for. Without a tree: a target that is reported already.
result<expr::bound> query_binder::key_of(const syntax& s, select_scope& names,
                                         const std::vector<bound_target>& targets) {
  using k = expr::syntax_kind;
  expr::binder b(script_.text(), names);
  if (s.kind == k::integer) {
    const auto position = std::strtoull(s.text.c_str(), nullptr, 10);
    if (s.text[0] == '-' || position < 1 || position > targets.size())
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
                          [&s](const bound_target& x) { return x.name == s.name; });
    if (!column && t != targets.end()) return t->value;
  }
  WEIR_ASSIGN(auto value, b.bind(s));
  return b.settle(std::move(value));
}

bool query_binder::bind_keys(const query& q, const rows& in,
                             const std::vector<bound_target>& targets,
                             std::vector<planner::named_expr>& keys) {
  const auto& types = types_of(in.from);
  select_scope names(in, types, "GROUP BY");
  bool ok = true;
  std::set<std::string> taken;
  for (const auto& s : q.group_by) {
    auto value = key_of(s, names, targets);
    if (!value) {
      ok = report(value.err(), s.location);
      continue;
    }
    const auto& n = value->n;
    if (!n) continue;
    if (has_calls(*n, types.size())) {
      ok = report(errc::invalid_argument, "aggregate functions are not allowed in GROUP BY",
                  s.location);
      continue;
    }
    if (!comparable(n->type, s.location)) {
      ok = false;
      continue;
    }
    if (std::any_of(keys.begin(), keys.end(), [&n](const planner::named_expr& key) {
          return expr::same_tree(*key.value, *n);
        }))
      continue;
    auto i = planner::bare_column(n);
    keys.push_back({unique_name(i ? types.fields[*i].name : expr::to_sql(*n, types), taken), n});
  }
  return ok;
}

bool query_binder::bind_having(const query& q, const rows& in, std::vector<aggregate_call>& calls,
                               const subquery_values& subqueries, expr::bound& out) {
  if (!q.having) return true;
  select_scope names(in, types_of(in.from), calls);
  names.know(subqueries);
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

std::optional<planner::relation> query_binder::group(const query& q, rows& in,
                                                     std::vector<bound_target>& targets,
                                                     std::vector<aggregate_call>& calls,
                                                     const context& c,
                                                     const clause_subqueries& subqueries) {
  const auto types = types_of(in.from);
  planner::aggregate_def def;
  def.by_window = false;
  def.final_only = c.final_rows;
  bool ok = bind_keys(q, in, targets, def.keys);
  expr::bound having;
  ok &= bind_having(q, in, calls, subqueries.values, having);
  if (!ok) return {};

  std::set<std::string> taken{"window_start", "window_end"};
  for (const auto& key : def.keys) taken.insert(key.name);
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
  auto made = builder_.aggregate(in.from, std::move(def), std::move(o));
  if (!made) return report(made.err().code, made.err().message, location), std::nullopt;
  change_locations[made->node] = location;

  rows groups{*made, {}};
  subquery_values joined;
  if (!attach_later(subqueries, groups, c, joined)) return {};
  std::vector<expr::node_ptr> later;
  for (const auto& l : subqueries.later) later.push_back(joined.at(l.of->query.get()).n);
  regrouping regroup(keys, static_cast<uint32_t>(types.size()),
                     static_cast<uint32_t>(builder_.node(*made).columns.size()), later);
  auto rewritten = [&](expr::bound& value) {
    if (!value.n) return false;
    auto n = regroup(value.n);
    if (n) return value.n = std::move(n), true;
    const auto culprit = std::exchange(regroup.culprit, nullptr);
    return report(errc::invalid_argument,
                  "column \"" + qualified(in, culprit->column) +
                      "\" must appear in the GROUP BY clause or be used in an aggregate function",
                  culprit->location);
  };
  uint32_t reported = UINT32_MAX;  // a star that gives several such columns is one mistake
  for (auto& t : targets) {
    if (t.location == reported || rewritten(t.value)) continue;
    reported = t.location;
    ok = false;
  }
  if (having.n) ok &= rewritten(having);
  if (!ok) return {};
  if (!having.n) return groups.from;
  auto h = part(c, "having");
  h.what = expr::to_sql(*having.n, types_of(groups.from));
  auto kept = builder_.filter(groups.from, having.n, std::move(h));
  if (!kept) return report(kept.err().code, kept.err().message, q.having->location), std::nullopt;
  return *kept;
}

}  // namespace weir::sql
