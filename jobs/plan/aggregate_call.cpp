#include "jobs/plan/aggregate_call.hpp"

#include <array>

#include "jobs/plan/aggregate_items.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/expr/nested.hpp"
#include "runtime/operators/aggregate_schema.hpp"

namespace weir::planner {
namespace {

struct named_function {
  std::string_view name;
  aggregate_function function;
};
constexpr std::array functions = {
    named_function{"count", aggregate_function::count},
    named_function{"sum", aggregate_function::sum},
    named_function{"min", aggregate_function::min},
    named_function{"max", aggregate_function::max},
    named_function{"avg", aggregate_function::avg},
    named_function{"first", aggregate_function::first},
    named_function{"first_value", aggregate_function::first},
    named_function{"last", aggregate_function::last},
    named_function{"last_value", aggregate_function::last},
    named_function{"stddev", aggregate_function::stddev_samp},
    named_function{"stddev_samp", aggregate_function::stddev_samp},
    named_function{"stddev_pop", aggregate_function::stddev_pop},
    named_function{"variance", aggregate_function::var_samp},
    named_function{"var_samp", aggregate_function::var_samp},
    named_function{"var_pop", aggregate_function::var_pop},
    named_function{"string_agg", aggregate_function::string_agg},
    named_function{"array_agg", aggregate_function::string_agg},  // of items, see gather_items()
    named_function{"bool_and", aggregate_function::bool_and},
    named_function{"every", aggregate_function::bool_and},
    named_function{"bool_or", aggregate_function::bool_or},
    named_function{"bit_and", aggregate_function::bit_and},
    named_function{"bit_or", aggregate_function::bit_or},
    named_function{"bit_xor", aggregate_function::bit_xor},
    named_function{"percentile_cont", aggregate_function::string_agg},
    named_function{"percentile_disc", aggregate_function::string_agg},
    named_function{"mode", aggregate_function::string_agg},
    named_function{"json_object_agg", aggregate_function::string_agg},
    named_function{"jsonb_object_agg", aggregate_function::string_agg},
    named_function{"corr", aggregate_function::corr},
    named_function{"covar_pop", aggregate_function::covar_pop},
    named_function{"covar_samp", aggregate_function::covar_samp},
    named_function{"regr_count", aggregate_function::regr_count},
    named_function{"regr_avgx", aggregate_function::regr_avgx},
    named_function{"regr_avgy", aggregate_function::regr_avgy},
    named_function{"regr_sxx", aggregate_function::regr_sxx},
    named_function{"regr_syy", aggregate_function::regr_syy},
    named_function{"regr_sxy", aggregate_function::regr_sxy},
    named_function{"regr_slope", aggregate_function::regr_slope},
    named_function{"regr_intercept", aggregate_function::regr_intercept},
    named_function{"regr_r2", aggregate_function::regr_r2},
};

/// Functions whose result duplicates do not change.
bool ignores_duplicates(aggregate_function f) {
  using a = aggregate_function;
  return f == a::min || f == a::max || f == a::bool_and || f == a::bool_or || f == a::bit_and ||
         f == a::bit_or;
}
/// corr and the like: of two numbers, the dependent one first.
result<aggregate_call> bind_pair(const expr::syntax& s, expr::binder& b, aggregate_call c) {
  if (s.distinct)
    return b.fail(errc::unsupported, s.name + "(DISTINCT ...) is not supported", s.location);
  std::vector<expr::bound> args;
  bool numbers = s.args.size() == 2;
  for (const auto& a : s.args) {
    WEIR_ASSIGN(auto value, b.bind(a));
    numbers &= value.unknown || is_number(value.n->type);
    args.push_back(std::move(value));
  }
  if (!numbers) return no_such(s, b, args);
  for (auto& a : args) {
    WEIR_ASSIGN(a, b.coerce(std::move(a), type_id::float64, expr::cast_context::implicit));
  }
  c.argument = expr::make_call("@pair", type_id::bytes, {args[0].n, args[1].n}, s.location);
  WEIR_ASSIGN(c.type, aggregate_result_type(c.function, &c.argument->type));
  return c;
}

bool same(const expr::node_ptr& a, const expr::node_ptr& b) {
  return a && b ? expr::same_tree(*a, *b) : !a && !b;
}

}  // namespace

std::optional<aggregate_function> find_aggregate(std::string_view name) {
  for (const auto& f : functions)
    if (f.name == name) return f.function;
  return {};
}

result<aggregate_call> bind_aggregate(const expr::syntax& s, expr::binder& b) {
  aggregate_call c;
  c.function = *find_aggregate(s.name);
  if (s.over_location)
    return b.fail(errc::unsupported, "OVER is not supported yet", *s.over_location);
  const bool gathers = c.function == aggregate_function::string_agg;
  const bool picks =
      c.function == aggregate_function::first || c.function == aggregate_function::last;
  if (s.order_location && picks)
    return b.fail(errc::unsupported,
                  s.name +
                      "(x ORDER BY y) is not supported: it goes by arrival; take an item of "
                      "(array_agg(x ORDER BY y))[1]",
                  *s.order_location);
  if (!s.filter.empty()) {
    WEIR_ASSIGN(auto condition, b.bind(s.filter[0]));
    if (!condition.unknown && condition.n->type.id != type_id::boolean)
      return b.fail(errc::type_mismatch,
                    "the condition is " + to_string(condition.n->type) + ", but boolean is needed",
                    s.filter[0].location);
    WEIR_ASSIGN(condition,
                b.coerce(std::move(condition), type_id::boolean, expr::cast_context::implicit));
    c.filter = condition.n;
  }
  if (s.star) {
    if (c.function != aggregate_function::count)
      return b.fail(errc::parse, "only count takes *", s.location);
    c.function = aggregate_function::count_star;
    c.type = type_id::int64;
    return c;
  }
  if (expr::is_ordered_set(s.name)) return bind_ordered_set(s, b, std::move(c));
  if (is_of_pairs(c.function)) {
    WEIR_ASSIGN(c, bind_pair(s, b, std::move(c)));
    WEIR_TRY(ignore_order(s, b, c));
    return c;
  }
  if (is_json_object(s.name)) return bind_json_object(s, b, std::move(c));
  const bool array = s.name == "array_agg";
  const size_t arity = gathers && !array ? 2 : 1;
  if (s.args.size() != arity)
    return b.fail(errc::parse,
                  arity == 2 ? "string_agg takes a value and a separator"
                  : s.args.empty() && c.function == aggregate_function::count
                      ? "count takes one argument or *"
                      : "this aggregate takes one argument",
                  s.args.size() > arity ? s.args[arity].location : s.location);
  if (s.distinct && c.function == aggregate_function::count)
    c.function = aggregate_function::count_distinct;
  const bool sums = s.distinct && takes_distinct(c.function);
  if (s.distinct && !sums && c.function != aggregate_function::count_distinct && !gathers &&
      !ignores_duplicates(c.function))
    return b.fail(
        errc::unsupported,
        s.name +
            "(DISTINCT ...) is not supported; aggregate the rows of a subquery of FROM that is "
            "SELECT DISTINCT",
        s.location);
  WEIR_ASSIGN(auto argument, b.bind(s.args[0]));
  c.argument = b.settle(std::move(argument)).n;
  if (arity == 2) {
    WEIR_ASSIGN(auto separator, b.bind(s.args[1]));
    if (separator.n->kind != expr::node_kind::literal || separator.n->literal.null ||
        separator.n->type.id != type_id::string)
      return b.fail(errc::unsupported, "the separator of string_agg must be a text literal",
                    s.args[1].location);
    c.separator = separator.n->literal.s;
  }
  if (array || (gathers && (s.order || s.distinct))) {
    if (array && c.argument->type.id == type_id::list)
      return b.fail(errc::unsupported,
                    "array_agg of arrays is not supported: an array has one dimension",
                    s.args[0].location);
    if (!array && c.argument->type.id != type_id::string)
      return b.fail(
          errc::type_mismatch,
          "string_agg with ORDER BY or DISTINCT takes text, not " + to_string(c.argument->type),
          s.args[0].location);
    if (!array && s.args[1].kind != expr::syntax_kind::text)
      return b.fail(errc::unsupported, "the separator of string_agg must be a text literal",
                    s.args[1].location);
    c.separator.clear();  // it comes between the texts in the end
    WEIR_TRY(gather_items(s, b, c));
  }
  if (!gathers && !sums) WEIR_TRY(ignore_order(s, b, c));
  if (sums) {
    auto type = aggregate_result_type(c.function, &c.argument->type);
    if (!type.ok()) return b.fail(type.err().code, type.err().message, s.args[0].location);
    if (c.argument->type.id == type_id::interval)
      return b.fail(errc::unsupported,
                    s.name +
                        "(DISTINCT ...) of interval is not supported: intervals may be equal and "
                        "yet not the same",
                    s.args[0].location);
    WEIR_TRY(gather_items(s, b, c));
    c.function = aggregate_function::string_agg;
  }
  auto type = aggregate_result_type(c.function, &c.argument->type);
  if (!type.ok()) return b.fail(type.err().code, type.err().message, s.args[0].location);
  c.type = *type;
  return c;
}

std::string to_sql(const aggregate_call& c, const schema& input) {
  if (is_item(c)) {
    // The value's own text: whether it is an array's or a text's shows where it is read.
    const auto& how = c.argument->args[1]->literal.s;
    const bool texts = how[0] != 'n' && c.argument->args[0]->type.id == type_id::string;
    std::string out = texts ? "string_agg(" : "array_agg(";
    out += expr::to_sql(*c.argument->args[0], input);
    for (size_t k = 1; k < how.size(); ++k) {
      out += k == 1 ? " ORDER BY " : ", ";
      out += expr::to_sql(*c.argument->args[k + 1], input);
      const bool descending = (how[k] | 32) == 'd', first = how[k] < 'a';
      if (descending) out += " DESC";
      if (descending != first) out += first ? " NULLS FIRST" : " NULLS LAST";
    }
    out += ')';
    if (c.filter) out += " FILTER (WHERE " + expr::to_sql(*c.filter, input) + ')';
    return out;
  }
  std::string out = function_name(c.function);
  out += '(';
  if (c.function == aggregate_function::count_distinct) out += "DISTINCT ";
  if (c.function == aggregate_function::count_star)
    out += '*';
  else if (is_of_pairs(c.function))
    out += expr::to_sql(*c.argument->args[0], input) + ", " +
           expr::to_sql(*c.argument->args[1], input);
  else
    out += expr::to_sql(*c.argument, input);
  if (c.function == aggregate_function::string_agg) out += ", '" + c.separator + '\'';
  out += ')';
  if (c.filter) out += " FILTER (WHERE " + expr::to_sql(*c.filter, input) + ')';
  return out;
}

bool same_call(const aggregate_call& a, const aggregate_call& b) {
  return a.function == b.function && a.type == b.type && a.separator == b.separator &&
         same(a.argument, b.argument) && same(a.filter, b.filter);
}

std::vector<std::string> aggregate_names() {
  std::vector<std::string> out;
  for (const auto& f : functions) out.emplace_back(f.name);
  return out;
}

}  // namespace weir::planner
