#include "jobs/plan/aggregate_call.hpp"

#include <array>

#include "runtime/expr/expr.hpp"
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
    named_function{"bool_and", aggregate_function::bool_and},
    named_function{"every", aggregate_function::bool_and},
    named_function{"bool_or", aggregate_function::bool_or},
};

/// Functions whose result duplicates do not change.
bool ignores_duplicates(aggregate_function f) {
  using a = aggregate_function;
  return f == a::min || f == a::max || f == a::bool_and || f == a::bool_or;
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
  if (s.order_location)
    return b.fail(errc::unsupported, "ORDER BY in an aggregate is not supported",
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
  const size_t arity = c.function == aggregate_function::string_agg ? 2 : 1;
  if (s.args.size() != arity)
    return b.fail(errc::parse,
                  arity == 2 ? "string_agg takes a value and a separator"
                  : s.args.empty() && c.function == aggregate_function::count
                      ? "count takes one argument or *"
                      : "this aggregate takes one argument",
                  s.args.size() > arity ? s.args[arity].location : s.location);
  if (s.distinct && c.function == aggregate_function::count)
    c.function = aggregate_function::count_distinct;
  else if (s.distinct && !ignores_duplicates(c.function))
    return b.fail(errc::unsupported,
                  "DISTINCT is supported in count, min, max, bool_and and bool_or", s.location);
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
  auto type = aggregate_result_type(c.function, &c.argument->type);
  if (!type.ok()) return b.fail(type.err().code, type.err().message, s.args[0].location);
  c.type = *type;
  return c;
}

std::string to_sql(const aggregate_call& c, const schema& input) {
  std::string out = function_name(c.function);
  out += '(';
  if (c.function == aggregate_function::count_distinct) out += "DISTINCT ";
  if (c.function == aggregate_function::count_star)
    out += '*';
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
