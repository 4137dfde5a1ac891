// VALUES and set operations.
#include "jobs/sql/query_binder.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {

namespace {

/// VALUES is for small tables that are written by hand; a file is read faster than a script.
constexpr size_t values_rows_max = 1000;

expr::node_ptr call(std::string function, const data_type& type, std::vector<expr::node_ptr> args) {
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::call;
  n->type = type;
  n->function = std::move(function);
  n->args = std::move(args);
  return n;
}

expr::node_ptr number(int64_t v) {
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::literal;
  n->type = type_id::int64;
  n->literal = scalar::of_int(type_id::int64, v);
  return n;
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
  rows nothing;
  schema no_types;
  select_scope names(nothing, no_types, "VALUES");
  expr::binder b(script_.text(), names);
  bool ok = true;
  std::vector<std::vector<expr::bound>> columns(q.rows[0].size());
  for (const auto& row : q.rows)
    for (size_t i = 0; i < row.size(); ++i) {
      auto value = b.bind(row[i]);
      if (value && c.wanted && i < c.wanted->size() && value->unknown)
        value = b.coerce(std::move(*value), (*c.wanted)[i], expr::cast_context::assignment);
      if (value) {
        columns[i].push_back(std::move(*value));
      } else {
        ok = report(value.err(), row[i].location);
      }
    }
  if (!ok) return {};
  auto source = generated(q.rows.size(), q.location);
  if (!source) return {};
  const auto row_number = planner::column_ref(types_of(source->from), 0);
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
        choices.push_back(
            call("=", type_id::boolean, {row_number, number(static_cast<int64_t>(r) + 1)}));
      choices.push_back(value->n);
    }
    if (!type) {
      ok = report(type.err(), location);
      continue;
    }
    t.value.n = choices.size() == 1 ? choices[0] : call("case", *type, std::move(choices));
    targets.push_back(std::move(t));
  }
  if (!ok) return {};
  return project(source->from, std::move(targets), named(c.id));
}

/// The queries that a chain of UNIONs puts together. Under UNION without ALL it makes no difference
/// whether inner ones keep duplicates.
void query_binder::branches(const query& q, bool all, std::vector<const query*>& out) const {
  if (q.what == query::kind::set_operation && q.with.empty() && (q.all || !all)) {
    branches(*q.left, all, out);
    branches(*q.right, all, out);
  } else {
    out.push_back(&q);
  }
}

/// The types of a set operation's columns: unified from left to right, as PostgreSQL does.
std::optional<std::vector<data_type>> query_binder::unified(const std::vector<rows>& inputs,
                                                            bool distinct) {
  rows nothing;
  schema no_types;
  select_scope names(nothing, no_types, "UNION");
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
      auto type = b.common_type({left, right}, "UNION", inputs[i].columns[k].location);
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

std::optional<rows> query_binder::set_operation(const query& q, const context& c) {
  std::vector<const query*> parts;
  branches(*q.left, q.all, parts);
  branches(*q.right, q.all, parts);
  std::vector<rows> inputs;
  bool ok = true;
  for (size_t i = 0; i < parts.size(); ++i) {
    context inner = c;
    inner.wanted = nullptr;
    if (i > 0) inner.titles = nullptr;  // names are the first query's
    if (!c.id.empty()) inner.id = c.id + '/' + std::to_string(i + 1);
    auto r = bind(*parts[i], inner);
    ok &= r.has_value();
    if (r) inputs.push_back(std::move(*r));
  }
  if (!ok) return {};
  for (size_t i = 1; i < inputs.size(); ++i)
    if (inputs[i].columns.size() != inputs[0].columns.size()) {
      report(errc::type_mismatch, "each UNION query must have the same number of columns",
             parts[i]->location);
      return {};
    }
  auto types = unified(inputs, !q.all);
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
  auto out = take(builder_.unite(from, q.all ? named(c.id) : part(c, "union")), columns,
                  parts[1]->location);
  if (!out || q.all) return out;
  return take(builder_.distinct(out->from, named(c.id)), std::move(columns), q.location);
}

}  // namespace weir::sql
