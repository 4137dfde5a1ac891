// Aggregates that are computed over all values of a group: what they gather, and what is made of
// it.
#include "jobs/plan/aggregate_items.hpp"

#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/plan/canonical_keys.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/expr/nested.hpp"
#include "runtime/operators/aggregate_schema.hpp"

namespace weir::planner {
namespace {

expr::node_ptr text_of(std::string s) {
  return expr::make_literal(scalar::of_string(std::move(s)));
}

bool has_aggregate(const expr::syntax& s) {
  return (s.kind == expr::syntax_kind::function && find_aggregate(s.name)) ||
         std::any_of(s.args.begin(), s.args.end(), has_aggregate);
}

/// The fraction of a percentile, or the array of several.
result<expr::node_ptr> fraction_of(const expr::syntax& s, expr::binder& b) {
  const auto& text = s.args[1];
  if (has_aggregate(text))
    return b.fail(errc::invalid_argument, "aggregate function calls cannot be nested",
                  expr::begin_of(text));
  WEIR_ASSIGN(auto value, b.bind(text));
  data_type type = type_id::float64;
  if (!value.unknown && value.n->type.id == type_id::list) type = expr::list_of(type);
  const auto& element = type.id == type_id::list ? expr::item_type(value.n->type) : value.n->type;
  if (!value.unknown && !is_number(element))
    return b.fail(
        errc::type_mismatch,
        "the fraction of " + s.name + " is double precision, not " + to_string(value.n->type),
        expr::begin_of(text));
  WEIR_ASSIGN(value, b.coerce(std::move(value), type, expr::cast_context::implicit));
  return value.n;
}

/// Of the array of a call's distinct values.
expr::node_ptr made_of_distinct(aggregate_function f, const data_type& item, expr::node_ptr array) {
  const auto type = *aggregate_result_type(f, &item);
  if (f != aggregate_function::sum && f != aggregate_function::avg)
    return expr::make_call(std::string("@") + function_name(f), type, {std::move(array)});
  auto sum =
      expr::make_call("@sum", *aggregate_result_type(aggregate_function::sum, &item), {array});
  if (f == aggregate_function::sum) return sum;
  auto number = [&](expr::node_ptr n) {
    const data_type wanted =
        type.id == type_id::decimal ? data_type(type_id::decimal, 0) : data_type(type_id::float64);
    return n->type.id == wanted.id ? n : expr::make_call("cast", wanted, {std::move(n)});
  };
  return expr::make_call(
      "/", type,
      {number(std::move(sum)),
       number(expr::make_call("cardinality", type_id::int32, {std::move(array)}))});
}

/// An item of ORDER BY among an aggregate's arguments.
result<expr::node_ptr> sort_key(const expr::syntax& s, const expr::sort_item& item, expr::binder& b,
                                const aggregate_call& c) {
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
  return key.n;
}

}  // namespace

bool takes_distinct(aggregate_function f) {
  using a = aggregate_function;
  return f == a::sum || f == a::avg || f == a::stddev_samp || f == a::stddev_pop ||
         f == a::var_samp || f == a::var_pop || f == a::bit_xor;
}

bool is_json_object(std::string_view name) {
  return name == "json_object_agg" || name == "jsonb_object_agg";
}

bool is_number(const data_type& t) {
  return t.id == type_id::int32 || t.id == type_id::int64 || t.id == type_id::float64 ||
         t.id == type_id::decimal;
}

bool is_item(const aggregate_call& c) {
  return c.argument && c.argument->kind == expr::node_kind::call && c.argument->function == "@item";
}

error no_such(const expr::syntax& s, const expr::binder& b, const std::vector<expr::bound>& args) {
  std::string types;
  for (const auto& a : args)
    types += (types.empty() ? "" : ", ") + (a.unknown ? "unknown" : to_string(a.n->type));
  return b.fail(errc::type_mismatch, "function " + s.name + "(" + types + ") does not exist",
                s.location);
}

status gather_items(const expr::syntax& s, expr::binder& b, aggregate_call& c) {
  std::string how = s.name == "array_agg" ? "n" : "s";
  std::vector<expr::node_ptr> args{c.argument, nullptr};
  if (s.order && !expr::is_ordered_set(s.name))  // values are in their own order anyway
    for (const auto& item : *s.order) {
      WEIR_ASSIGN(auto key, sort_key(s, item, b, c));
      how += item.nulls_first ? (item.descending ? 'D' : 'A') : (item.descending ? 'd' : 'a');
      args.push_back(std::move(key));
    }
  if (s.distinct && !is_comparable(c.argument->type))
    return b.fail(errc::type_mismatch,
                  "could not identify an equality operator for type " + to_string(c.argument->type),
                  s.location);
  if (s.distinct && has_equal_forms(c.argument->type)) {
    // Items are told from each other by their sort key then.
    if (args.size() == 2) {
      how += 'a';
      args.push_back(c.argument);
    }
    for (size_t k = 2; k < args.size(); ++k) args[k] = canonical(args[k]);
  }
  args[1] = text_of(how);
  c.argument = expr::make_call("@item", type_id::bytes, std::move(args));
  return {};
}

status ignore_order(const expr::syntax& s, expr::binder& b, aggregate_call& c) {
  if (!s.order) return {};
  for (const auto& item : *s.order) {
    WEIR_ASSIGN(auto key, sort_key(s, item, b, c));
    if (key->kind != expr::node_kind::call) continue;
    // Its errors are errors of the row, as they are where it orders something.
    auto made = std::make_shared<expr::node>(*c.argument);
    const bool pair = made->function == "@pair";
    const auto value = pair ? made->args[0] : c.argument;
    auto beside = expr::make_call(
        "case", value->type, {expr::make_call("is null", type_id::boolean, {key}), value, value});
    if (pair) made->args[0] = beside;
    c.argument = pair ? std::move(made) : std::move(beside);
  }
  return {};
}

result<aggregate_call> bind_ordered_set(const expr::syntax& s, expr::binder& b, aggregate_call c) {
  std::vector<expr::bound> args;
  for (size_t i = 0; i < s.args.size(); ++i) {
    if (i >= s.order->size()) {  // bound where the value is made, outside of this call
      args.emplace_back(expr::make_literal(scalar::of_null(type_id::float64)));
      continue;
    }
    WEIR_ASSIGN(auto value, b.bind(s.args[i]));
    args.push_back(b.settle(std::move(value)));
  }
  const size_t arity = s.name == "mode" ? 1 : 2;
  if (s.order->size() != 1 || args.size() != arity) {
    std::rotate(args.begin(), args.begin() + static_cast<ptrdiff_t>(s.order->size()), args.end());
    return no_such(s, b, args);
  }
  if (s.name == "percentile_cont" && args[0].n->type.id != type_id::interval) {
    if (!is_number(args[0].n->type)) {
      std::swap(args[0], args[1]);
      return no_such(s, b, args);
    }
    WEIR_ASSIGN(args[0],
                b.coerce(std::move(args[0]), type_id::float64, expr::cast_context::implicit));
  }
  c.argument = args[0].n;
  if (!is_comparable(c.argument->type))
    return b.fail(errc::type_mismatch,
                  "could not identify an ordering operator for type " + to_string(c.argument->type),
                  expr::begin_of(s.args[0]));
  WEIR_TRY(gather_items(s, b, c));
  c.type = type_id::bytes;
  return c;
}

result<aggregate_call> bind_json_object(const expr::syntax& s, expr::binder& b, aggregate_call c) {
  std::vector<expr::bound> args;
  for (const auto& a : s.args) {
    WEIR_ASSIGN(auto value, b.bind(a));
    args.push_back(b.settle(std::move(value)));
  }
  if (args.size() != 2) return no_such(s, b, args);
  if (is_nested(args[0].n->type.id))
    return b.fail(errc::invalid_argument, "key value must be scalar, not array, composite, or json",
                  expr::begin_of(s.args[0]));
  WEIR_ASSIGN(args[0],
              b.coerce(std::move(args[0]), type_id::string, expr::cast_context::on_request));
  data_type row(type_id::struct_);
  row.fields = std::make_shared<std::vector<field>>(
      std::vector<field>{{"name", args[0].n->type, true}, {"value", args[1].n->type, true}});
  c.argument = expr::make_call("()", row, {args[0].n, args[1].n}, s.location);
  WEIR_TRY(gather_items(s, b, c));
  c.type = type_id::bytes;
  return c;
}

result<expr::node_ptr> made_of_items(const expr::syntax& s, const aggregate_call& c,
                                     expr::node_ptr made, expr::binder& b) {
  if (!is_item(c)) return made;
  const auto& item = c.argument->args[0]->type;
  const bool set = expr::is_ordered_set(s.name);
  auto how = text_of(s.distinct ? has_equal_forms(item) ? "k" : "d" : s.order ? "s" : "");
  auto array = expr::make_call("@items", expr::list_of(item), {std::move(made), how});
  if (s.name == "array_agg") return array;
  if (is_json_object(s.name))
    return expr::make_call("@json_object", type_id::json, {std::move(array)}, s.location);
  if (set) {
    auto descending =
        expr::make_literal(scalar::of_int(type_id::boolean, s.order->front().descending));
    if (s.name == "mode") return expr::make_call("@mode", item, {array, descending}, s.location);
    WEIR_ASSIGN(auto fraction, fraction_of(s, b));
    const auto type = fraction->type.id == type_id::list ? expr::list_of(item) : item;
    return expr::make_call('@' + s.name, type, {array, fraction, descending}, s.location);
  }
  if (const auto f = *find_aggregate(s.name); takes_distinct(f))
    return made_of_distinct(f, item, std::move(array));
  return expr::make_call("array_to_string", type_id::string,
                         {std::move(array), text_of(s.args[1].text)});
}

}  // namespace weir::planner
