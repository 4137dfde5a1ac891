#include "jobs/plan/aggregate_call.hpp"

#include <array>

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
};

/// Functions whose result duplicates do not change.
bool ignores_duplicates(aggregate_function f) {
  using a = aggregate_function;
  return f == a::min || f == a::max || f == a::bool_and || f == a::bool_or;
}

expr::node_ptr text_of(std::string s) {
  return expr::make_literal(scalar::of_string(std::move(s)));
}
bool is_item(const aggregate_call& c) {
  return c.argument && c.argument->kind == expr::node_kind::call && c.argument->function == "@item";
}

/// What orders or gathers values (array_agg, string_agg with ORDER BY or DISTINCT) joins items,
/// each with its sort keys (runtime/expr/kernels_array_agg.cpp); made_of_items() makes the value of
/// them.
status gather_items(const expr::syntax& s, expr::binder& b, aggregate_call& c) {
  std::string how = s.name == "array_agg" ? "n" : "s";
  std::vector<expr::node_ptr> args{c.argument, nullptr};
  if (s.order)
    for (const auto& item : *s.order) {
      WEIR_ASSIGN(auto key, b.bind(item.value));
      key = b.settle(std::move(key));
      if (!is_comparable(key.n->type))
        return b.fail(errc::type_mismatch,
                      "could not identify an ordering operator for type " + to_string(key.n->type),
                      begin_of(item.value));
      if (s.distinct && !expr::same_tree(*key.n, *c.argument))
        return b.fail(errc::invalid_argument,
                      "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument "
                      "list",
                      begin_of(item.value));
      how += item.nulls_first ? (item.descending ? 'D' : 'A') : (item.descending ? 'd' : 'a');
      args.push_back(key.n);
    }
  if (s.distinct && !is_comparable(c.argument->type))
    return b.fail(errc::type_mismatch,
                  "could not identify an equality operator for type " + to_string(c.argument->type),
                  s.location);
  args[1] = text_of(how);
  c.argument = expr::make_call("@item", type_id::bytes, std::move(args));
  return {};
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
  if (s.order_location && !gathers)
    return b.fail(errc::unsupported,
                  "ORDER BY in an aggregate is supported in array_agg and string_agg",
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
  const bool sums = s.distinct && (c.function == aggregate_function::sum ||
                                   c.function == aggregate_function::avg);
  if (s.distinct && !sums && c.function != aggregate_function::count_distinct && !gathers &&
      !ignores_duplicates(c.function))
    return b.fail(
        errc::unsupported,
        s.name +
            "(DISTINCT ...) is not supported; DISTINCT is in count, sum, avg, min, max, "
            "bool_and, bool_or, array_agg and string_agg; aggregate the rows of a subquery of FROM "
            "that is SELECT DISTINCT",
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
  if (sums) {
    auto type = aggregate_result_type(c.function, &c.argument->type);
    if (!type.ok()) return b.fail(type.err().code, type.err().message, s.args[0].location);
    if (c.function == aggregate_function::avg && c.argument->type.id == type_id::decimal)
      return b.fail(errc::unsupported,
                    "avg(DISTINCT ...) of numeric is not supported; cast it to double precision",
                    s.args[0].location);
    WEIR_TRY(gather_items(s, b, c));
    c.function = aggregate_function::string_agg;
  }
  auto type = aggregate_result_type(c.function, &c.argument->type);
  if (!type.ok()) return b.fail(type.err().code, type.err().message, s.args[0].location);
  c.type = *type;
  return c;
}

expr::node_ptr made_of_items(const expr::syntax& s, const aggregate_call& c, expr::node_ptr made) {
  if (!is_item(c)) return made;
  auto how = text_of(s.distinct ? "d" : s.order ? "s" : "");
  auto array =
      expr::make_call("@items", expr::list_of(c.argument->args[0]->type), {std::move(made), how});
  if (s.name == "array_agg") return array;
  if (s.name == "sum" || s.name == "avg") {
    const auto& item = c.argument->args[0]->type;
    auto sum =
        expr::make_call("@sum", *aggregate_result_type(aggregate_function::sum, &item), {array});
    if (s.name == "sum") return sum;
    auto number = [](expr::node_ptr n) {
      return n->type.id == type_id::float64
                 ? n
                 : expr::make_call("cast", type_id::float64, {std::move(n)});
    };
    return expr::make_call(
        "/", type_id::float64,
        {number(std::move(sum)),
         number(expr::make_call("cardinality", type_id::int32, {std::move(array)}))});
  }
  return expr::make_call("array_to_string", type_id::string,
                         {std::move(array), text_of(s.args[1].text)});
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
