// VALUES and set operations.
#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {

namespace {

/// VALUES is for small tables that are written by hand; a file is read faster than a script.
constexpr size_t values_rows_max = 1000;

bool is_default(const syntax& s) {
  return s.kind == expr::syntax_kind::special && s.name == "default";
}

}  // namespace

/// A source of row numbers, and per column a CASE over them: literals and expressions alike.
std::optional<rows> query_binder::values(const query& q, const context& c) {
  if (q.rows.size() > values_rows_max) {
    report(errc::unsupported,
           "VALUES with more than " + std::to_string(values_rows_max) +
               " rows is not supported; put them into a file",
           q.location);
    return {};
  }
  auto source = generated(q.rows.size(), q.location);
  if (!source || (c.outer && !correlate(q, c, *source))) return {};
  const auto types = types_of(source->from);
  select_scope names(*source, types, "VALUES");
  expr::binder b(script_.text(), names);
  bool ok = true;
  std::vector<std::vector<expr::bound>> columns(q.rows[0].size());
  for (const auto& row : q.rows)
    for (size_t i = 0; i < row.size(); ++i) {
      const bool known = c.wanted && i < c.wanted->size();
      const bool beside = known && std::any_of(q.rows.begin(), q.rows.end(), [i](const auto& r) {
                            return i < r.size() && is_default(r[i]);
                          });
      auto value =
          beside && is_default(row[i]) ? result<expr::bound>({(*c.defaults)[i]}) : b.bind(row[i]);
      // Beside a default, which has the column's type, so do others.
      if (value && known && (value->unknown || beside))
        value = b.coerce(std::move(*value), (*c.wanted)[i], expr::cast_context::assignment);
      if (value) {
        columns[i].push_back(std::move(*value));
      } else {
        ok = report(value.err(), row[i].location);
      }
    }
  if (!ok) return {};
  const auto row_number = planner::column_ref(types, 0);
  std::vector<bound_target> targets;
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto location = q.rows[0][i].location;
    auto type = b.common_type(columns[i], "VALUES", location);
    bound_target t;
    t.name = c.titles && i < c.titles->size() ? (*c.titles)[i] : "column" + std::to_string(i + 1);
    t.location = location;
    std::vector<expr::node_ptr> choices;
    for (size_t r = 0; type && r < columns[i].size(); ++r) {
      auto value = b.coerce(columns[i][r], *type, expr::cast_context::implicit);
      if (!value) {
        type = std::move(value).err();
        break;
      }
      t.value.zoned |= value->zoned;
      if (r + 1 < columns[i].size())
        choices.push_back(make_call("=", type_id::boolean,
                                    {row_number, make_number(static_cast<int64_t>(r) + 1)}));
      choices.push_back(value->n);
    }
    if (!type) {
      ok = report(type.err(), location);
      continue;
    }
    t.value.n = choices.size() == 1 ? choices[0] : make_call("case", *type, std::move(choices));
    targets.push_back(std::move(t));
  }
  if (!ok) return {};
  for (const auto& k : source->correlated)
    targets.push_back(
        plain_target(planner::column_ref(types, k.own), "for " + types.fields[k.own].name));
  auto out = project(source->from, std::move(targets), named(c.id));
  if (!out) return {};
  out->single = q.rows.size() == 1;
  out->correlated = source->correlated;
  for (size_t i = 0; i < out->correlated.size(); ++i)
    out->correlated[i].own = out->columns[columns.size() + i].index;
  out->columns.resize(columns.size());
  return out;
}

/// The queries that a chain of UNIONs puts together. Under UNION without ALL it makes no difference
/// whether inner ones keep duplicates.
void query_binder::branches(const query& q, bool all, std::vector<const query*>& out) const {
  if (q.what == query::kind::set_operation && q.set == query::set_kind::unite && q.with.empty() &&
      (q.all || !all)) {
    branches(*q.left, all, out);
    branches(*q.right, all, out);
  } else {
    out.push_back(&q);
  }
}

/// The types of a set operation's columns: unified from left to right, as PostgreSQL does.
std::optional<std::vector<data_type>> query_binder::unified(const std::vector<rows>& inputs,
                                                            bool distinct,
                                                            const std::string& what) {
  rows nothing;
  schema no_types;
  select_scope names(nothing, no_types, what);
  expr::binder b(script_.text(), names);
  std::vector<data_type> types;
  bool ok = true;
  for (size_t k = 0; k < inputs[0].columns.size(); ++k) {
    auto value = [this, k](const rows& r) {
      const auto& column = r.columns[k];
      if (column.literal) return *column.literal;
      auto n = std::make_shared<expr::node>(*planner::column_ref(types_of(r.from), column.index));
      n->location = column.location;
      return expr::bound{std::move(n)};
    };
    auto left = value(inputs[0]);
    for (size_t i = 1; ok && i < inputs.size(); ++i) {
      auto right = value(inputs[i]);
      auto type = b.common_type({left, right}, what, inputs[i].columns[k].location);
      if (!type) {
        ok = report(type.err(), inputs[i].columns[k].location);
        break;
      }
      auto n = std::make_shared<expr::node>();
      n->type = *type;
      n->location = right.n->location;
      left = expr::bound{std::move(n)};
    }
    types.push_back(left.n->type);
    ok = ok && (!distinct || comparable(types.back(), inputs[0].columns[k].location));
  }
  if (!ok) return {};
  return types;
}

/// Both sides' rows together, grouped by all columns: how often each is on either side.
std::optional<rows> query_binder::intersect(const query& q,
                                            const std::vector<planner::relation>& from,
                                            std::vector<column_name> columns, const context& c) {
  std::vector<planner::relation> tagged;
  for (const auto& r : from) {
    const auto types = types_of(r);
    std::vector<bound_target> targets;
    for (uint32_t i = 0; i < types.size(); ++i)
      targets.push_back(plain_target(planner::column_ref(types, i), types.fields[i].name));
    targets.push_back(plain_target(make_truth(tagged.empty()), "is left"));
    auto made = project(r, std::move(targets), part(c, "sides"));
    if (!made) return {};
    tagged.push_back(made->from);
  }
  auto both = take(builder_.unite(tagged, part(c, "union")), {}, q.location);
  if (!both) return {};
  const auto types = types_of(both->from);
  const auto n = static_cast<uint32_t>(types.size() - 1);
  planner::aggregate_def def;
  def.by_window = false;
  def.final_only = c.final_rows;
  for (uint32_t i = 0; i < n; ++i)
    def.keys.push_back({types.fields[i].name, planner::column_ref(types, i)});
  const auto is_left = planner::column_ref(types, n);
  for (bool left : {true, false}) {
    aggregate_call count;
    count.name = left ? "on the left" : "on the right";
    count.filter = left ? is_left : make_call("not", type_id::boolean, {is_left});
    def.calls.push_back(std::move(count));
  }
  auto o = named(c.id);
  o.what = q.set == query::set_kind::intersect ? "intersect" : "except";
  auto counted = take(builder_.aggregate(both->from, std::move(def), std::move(o)), {}, q.location);
  if (!counted) return {};
  change_locations[counted->from.node] = q.right->location;
  const auto left = make_column(type_id::int64, n), right = make_column(type_id::int64, n + 1);
  auto is = [](const char* op, expr::node_ptr a, expr::node_ptr b) {
    return make_call(op, type_id::boolean, {std::move(a), std::move(b)});
  };
  const bool intersect = q.set == query::set_kind::intersect;
  std::vector<bound_target> targets;
  const auto outputs = types_of(counted->from);
  for (uint32_t i = 0; i < n; ++i)
    targets.push_back(plain_target(planner::column_ref(outputs, i), outputs.fields[i].name));
  if (!q.all) {
    auto kept = builder_.filter(counted->from,
                                make_call("and", type_id::boolean,
                                          {is(">", left, make_number(0)),
                                           is(intersect ? ">" : "=", right, make_number(0))}),
                                part(c, "both"));
    if (!kept) return report(kept.err().code, kept.err().message, q.location), std::nullopt;
    auto out = project(*kept, std::move(targets), part(c, "select"));
    if (out) out->columns = std::move(columns);
    return out;
  }
  auto times = intersect ? make_call("case", type_id::int64, {is("<", left, right), left, right})
                         : make_call("-", type_id::int64, {left, right});
  targets.push_back(plain_target(std::move(times), "times"));
  auto out = project(counted->from, std::move(targets), part(c, "times"));
  if (!out) return {};
  return take(builder_.repeat(out->from, n, part(c, "repeat")), std::move(columns), q.location);
}

/// A subquery that is an aggregate without GROUP BY, with the row that it has over nothing, too:
/// for the outer rows that it is joined to, by the columns that it reads of them.
std::optional<rows> query_binder::with_empty_rows(rows inner, const context& c, uint32_t location) {
  if (inner.correlated.empty()) {
    inner.when_empty.clear();  // its relation has the row
    return inner;
  }
  std::vector<const column_name*> read;
  std::vector<correlation> correlated;
  for (auto& x : inner.correlated) {
    const auto known = std::find_if(correlated.begin(), correlated.end(),
                                    [&x](const correlation& k) { return k.outer == x.outer; });
    const auto at = static_cast<uint32_t>(known - correlated.begin());
    if (known == correlated.end()) {
      correlated.push_back({x.outer, at, true});
      const auto column = std::find_if(c.outer->columns.begin(), c.outer->columns.end(),
                                       [&x](const column_name& k) { return k.index == x.outer; });
      read.push_back(&*column);
    }
    x.outer = at;
  }
  auto outer = outer_values(read, c, location);
  if (!outer) return {};
  auto columns = inner.columns;
  auto row = values_of(std::move(inner), *outer, c, location);
  if (!row) return {};
  if (row->kept) {
    auto o = part(c, "kept");
    o.what = expr::to_sql(*row->kept, types_of(outer->from));
    auto kept = take(builder_.filter(outer->from, row->kept, std::move(o)), {}, location);
    if (!kept) return {};
    outer->from = kept->from;
  }
  std::vector<bound_target> targets;
  for (size_t i = 0; i < columns.size(); ++i) {
    targets.push_back(plain_target(row->columns[i], columns[i].name));
    columns[i].index = static_cast<uint32_t>(i);
    columns[i].literal.reset();
  }
  const auto types = types_of(outer->from);
  for (auto& x : correlated) {
    targets.push_back(plain_target(planner::column_ref(types, x.own), "for"));
    x.own = static_cast<uint32_t>(targets.size() - 1);
  }
  auto out = project(outer->from, std::move(targets), part(c, "rows"));
  if (!out) return {};
  out->columns = std::move(columns);
  out->correlated = std::move(correlated);
  out->single = true;
  return out;
}

/// Gives all parts of a set operation the same columns of the query outside, behind their own ones.
std::optional<std::vector<correlation>> query_binder::correlate_parts(std::vector<rows>& parts,
                                                                      const context& c,
                                                                      uint32_t location) {
  std::vector<correlation> all;
  for (const auto& p : parts)
    for (const auto& x : p.correlated) {
      const auto known = std::find_if(all.begin(), all.end(),
                                      [&x](const correlation& k) { return k.outer == x.outer; });
      if (known == all.end())
        all.push_back({x.outer, 0, x.null_safe});
      else
        known->null_safe |= x.null_safe;
    }
  if (all.empty()) return all;
  for (auto& k : all)
    k.null_safe |= std::any_of(parts.begin(), parts.end(), [&k](const rows& p) {
      return std::none_of(p.correlated.begin(), p.correlated.end(),
                          [&k](const correlation& x) { return x.outer == k.outer; });
    });
  for (auto& p : parts) {
    std::vector<expr::node_ptr> conditions;
    std::vector<const column_name*> missing;
    std::vector<uint32_t> own;
    for (auto& k : all) {
      std::optional<uint32_t> first;
      for (const auto& x : p.correlated) {
        if (x.outer != k.outer) continue;
        const auto value = planner::column_ref(types_of(p.from), x.own);
        // What a plain = paired has no partner when it is NULL.
        if (k.null_safe && !x.null_safe) {
          conditions.push_back(make_call("is not null", type_id::boolean, {value}));
        }
        if (first)
          conditions.push_back(same(planner::column_ref(types_of(p.from), *first), value, true));
        else
          first = x.own;
      }
      if (!first) {
        first = static_cast<uint32_t>(types_of(p.from).size() + missing.size());
        missing.push_back(
            &*std::find_if(c.outer->columns.begin(), c.outer->columns.end(),
                           [&k](const column_name& o) { return o.index == k.outer; }));
      }
      own.push_back(*first);
    }
    if (!missing.empty()) {
      auto outer = outer_values(missing, c, location);
      auto columns = p.columns;
      if (!outer) return {};
      auto both = combine(std::move(p), std::move(*outer), join_kind::inner, nullptr, c, location);
      if (!both) return {};
      p = {both->from, std::move(columns)};
    }
    if (!conditions.empty()) {
      auto condition = planner::join_and(std::move(conditions));
      auto o = part(c, "paired");
      o.what = expr::to_sql(*condition, types_of(p.from));
      auto kept = take(builder_.filter(p.from, std::move(condition), std::move(o)), {}, location);
      if (!kept) return {};
      p.from = kept->from;
    }
    for (auto k : own) {
      column_name column;
      column.name = "for";
      column.index = k;
      column.location = location;
      p.columns.push_back(std::move(column));
    }
  }
  return all;
}

std::optional<rows> query_binder::set_operation(const query& q, const context& c) {
  const bool unite = q.set == query::set_kind::unite;
  const std::string what = unite                                 ? "UNION"
                           : q.set == query::set_kind::intersect ? "INTERSECT"
                                                                 : "EXCEPT";
  std::vector<const query*> parts;
  if (unite) {
    branches(*q.left, q.all, parts);
    branches(*q.right, q.all, parts);
  } else {
    parts = {q.left.get(), q.right.get()};
  }
  std::vector<rows> inputs;
  bool ok = true;
  for (size_t i = 0; i < parts.size(); ++i) {
    context inner = c;
    inner.wanted = nullptr;
    if (i > 0) inner.titles = nullptr;  // names are the first query's
    if (!c.id.empty()) inner.id = c.id + '/' + std::to_string(i + 1);
    auto r = bind(*parts[i], inner);
    if (r && !r->when_empty.empty()) r = with_empty_rows(std::move(*r), inner, parts[i]->location);
    ok &= r.has_value();
    if (r) inputs.push_back(std::move(*r));
  }
  if (!ok) return {};
  for (size_t i = 1; i < inputs.size(); ++i)
    if (inputs[i].columns.size() != inputs[0].columns.size()) {
      report(errc::type_mismatch, "each " + what + " query must have the same number of columns",
             parts[i]->location);
      return {};
    }
  const auto width = inputs[0].columns.size();
  const bool first_single = inputs[0].single;
  auto correlated = correlate_parts(inputs, c, q.location);
  if (!correlated) return {};
  auto types = unified(inputs, !q.all || !unite, what);
  if (!types) return {};
  std::vector<planner::relation> from;
  auto columns = inputs[0].columns;
  for (auto& in : inputs) {
    bool plain = in.columns.size() == types_of(in.from).size();
    for (uint32_t i = 0; i < in.columns.size(); ++i)
      plain = plain && in.columns[i].index == i && !in.columns[i].literal &&
              types_of(in.from).fields[i].type == (*types)[i];
    if (!plain) {
      auto r = coerced(std::move(in), *types, expr::cast_context::implicit, part(c, "types"),
                       [](size_t, const data_type& t) { return "cannot unify " + to_string(t); });
      if (!r) return {};
      in = std::move(*r);
    }
    from.push_back(in.from);
  }
  for (uint32_t i = 0; i < columns.size(); ++i) {
    columns[i].index = i;
    columns[i].literal.reset();
    columns[i].table.clear();
  }
  columns.resize(width);
  for (size_t i = 0; i < correlated->size(); ++i)
    (*correlated)[i].own = static_cast<uint32_t>(width + i);
  std::optional<rows> out;
  if (!unite) {
    out = intersect(q, from, std::move(columns), c);
  } else {
    out = take(builder_.unite(from, q.all ? named(c.id) : part(c, "union")), columns,
               parts[1]->location);
    if (out && !q.all)
      out = take(builder_.distinct(out->from, named(c.id)), std::move(columns), q.location);
  }
  if (!out) return {};
  out->correlated = std::move(*correlated);
  out->single = !unite && first_single;
  return out;
}

}  // namespace weir::sql
