// Types of aggregates: which function takes what, and what passes between the stages.
#include "runtime/column/nested.hpp"
#include "runtime/expr/catalog.hpp"
#include "runtime/operators/accumulator.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/operators/float_totals.hpp"
#include "runtime/operators/pair_sums.hpp"
#include "runtime/operators/pair_totals.hpp"

namespace weir {
namespace {

using fn = aggregate_function;

bool is_integer(type_id t) {
  return t == type_id::int32 || t == type_id::int64;
}
bool is_number(type_id t) {
  return is_integer(t) || t == type_id::float64 || t == type_id::decimal;
}

error no_such(fn f, const data_type* argument) {
  return {errc::type_mismatch, std::string("function ") + function_name(f) + "(" +
                                   (argument ? to_string(*argument) : "") + ") does not exist"};
}

accumulator_kind kind_of(fn f, type_id argument) {
  switch (f) {
    case fn::count_star:
    case fn::count:
      return accumulator_kind::count;
    case fn::sum:
      if (argument == type_id::int32) return accumulator_kind::sum_small;
      [[fallthrough]];
    case fn::avg:
      return argument == type_id::float64    ? accumulator_kind::sum_float
             : argument == type_id::interval ? accumulator_kind::interval
                                             : accumulator_kind::sum_wide;
    case fn::min:
    case fn::max:
    case fn::first:
    case fn::last:
      return accumulator_kind::pick;
    case fn::count_distinct:
      return accumulator_kind::distinct;
    case fn::stddev_samp:
    case fn::stddev_pop:
    case fn::var_samp:
    case fn::var_pop:
      return accumulator_kind::moments;
    case fn::string_agg:
      return accumulator_kind::text;
    case fn::bool_and:
    case fn::bool_or:
      return accumulator_kind::bools;
    case fn::bit_and:
    case fn::bit_or:
    case fn::bit_xor:
      return accumulator_kind::bits;
    default:
      break;
  }
  return is_of_pairs(f) ? accumulator_kind::pairs : accumulator_kind::count;
}

}  // namespace

result<data_type> aggregate_result_type(fn f, const data_type* argument) {
  if (f == fn::count_star) return data_type(type_id::int64);
  if (!argument) return no_such(f, argument);
  const auto t = argument->id;
  switch (f) {
    case fn::count:
      return data_type(type_id::int64);
    case fn::count_distinct:
      if (!is_comparable(*argument)) return no_such(f, argument);
      return data_type(type_id::int64);
    case fn::sum:
      if (t == type_id::int32) return data_type(type_id::int64);
      if (t == type_id::int64) return data_type(type_id::decimal, 0);
      if (t == type_id::float64 || t == type_id::decimal || t == type_id::interval)
        return *argument;
      return no_such(f, argument);
    case fn::min:
    case fn::max:
      if (t == type_id::struct_ || t == type_id::boolean || !is_comparable(*argument))
        return no_such(f, argument);
      return *argument;
    case fn::first:
    case fn::last:
      return *argument;
    case fn::avg:
      if (is_integer(t) || t == type_id::float64) return data_type(type_id::float64);
      if (t == type_id::decimal)
        return data_type(type_id::decimal, expr::divide_scale(argument->scale, 0));
      if (t == type_id::interval) return *argument;
      return no_such(f, argument);
    case fn::stddev_samp:
    case fn::stddev_pop:
    case fn::var_samp:
    case fn::var_pop:
      if (!is_number(t)) return no_such(f, argument);
      return data_type(type_id::float64);
    case fn::string_agg:
      if (t != type_id::string && t != type_id::bytes) return no_such(f, argument);
      return *argument;
    case fn::bool_and:
    case fn::bool_or:
      if (t != type_id::boolean) return no_such(f, argument);
      return data_type(type_id::boolean);
    case fn::bit_and:
    case fn::bit_or:
    case fn::bit_xor:
      if (!is_integer(t)) return no_such(f, argument);
      return *argument;
    default:
      break;
  }
  if (is_of_pairs(f) && t == type_id::bytes)
    return data_type(f == fn::regr_count ? type_id::int64 : type_id::float64);
  return no_such(f, argument);
}

result<accumulator> accumulator::make(const aggregate_call& call, bool keep_all, row_layout& layout,
                                      bool in_parts) {
  accumulator a;
  a.in_parts = in_parts;
  a.function = call.function;
  const data_type* argument = call.argument ? &call.argument->type : nullptr;
  WEIR_ASSIGN(a.type, aggregate_result_type(call.function, argument));
  if (argument) a.argument = *argument;
  // An average of decimals may be wanted with another scale or as a float.
  if (call.function == fn::avg && a.argument.id == type_id::decimal &&
      (call.type.id == type_id::decimal || call.type.id == type_id::float64))
    a.type = call.type;
  if (!(a.type == call.type))
    return error(errc::type_mismatch, "\"" + call.name + "\" is " + to_string(call.type) +
                                          ", but its function gives " + to_string(a.type));
  a.kind = kind_of(call.function, a.argument.id);
  a.separator = call.separator;
  a.weighted = keep_all;
  a.multiset = a.kind == accumulator_kind::distinct ||
               (keep_all && (a.kind == accumulator_kind::pick || a.kind == accumulator_kind::text));
  a.at = layout.value_words;
  auto take = [&](type_id t) { layout.add_value(t); };
  take(type_id::int64);
  switch (a.kind) {
    case accumulator_kind::count:
    case accumulator_kind::distinct:
      break;
    case accumulator_kind::sum_small:
    case accumulator_kind::bools:
      take(type_id::int64);
      break;
    case accumulator_kind::sum_wide:
      take(type_id::decimal);
      break;
    case accumulator_kind::sum_float:
      for (size_t i = 1; i < (keep_all ? float_totals::sum_words : 2); ++i) take(type_id::int64);
      break;
    case accumulator_kind::moments:
      for (size_t i = 1; i < (a.totals() ? float_totals::moment_words : a.exact() ? 7 : 3); ++i)
        take(type_id::int64);
      break;
    case accumulator_kind::pick:
      take(a.argument.id);
      break;
    case accumulator_kind::text:
      take(type_id::string);
      break;
    case accumulator_kind::bits:
      for (size_t i = a.counts_bits() ? 8 * fixed_width(a.argument.id) : 1; i > 0; --i)
        take(type_id::int64);
      break;
    case accumulator_kind::interval:
      for (int i = 0; i < 3; ++i) take(type_id::int64);
      break;
    case accumulator_kind::pairs:
      for (size_t i = 1; i < (keep_all ? pair_totals::words : pair_sums::words); ++i)
        take(type_id::int64);
      break;
  }
  a.words = layout.value_words - a.at;
  return a;
}

std::vector<data_type> accumulator::partial_types() const {
  switch (kind) {
    case accumulator_kind::count:
      return {type_id::int64};
    case accumulator_kind::sum_small:
    case accumulator_kind::bools:
    case accumulator_kind::bits:  // without changes
      return {type_id::int64, type_id::int64};
    case accumulator_kind::interval:
      return std::vector<data_type>(4, type_id::int64);
    case accumulator_kind::pairs:
      return std::vector<data_type>(words, type_id::int64);
    case accumulator_kind::sum_wide:
      return {type_id::int64, data_type(type_id::decimal, argument.scale)};
    case accumulator_kind::sum_float:
      return {type_id::int64, type_id::float64};
    case accumulator_kind::moments:
      return {type_id::int64, type_id::float64, type_id::float64};
    default:
      return {argument};
  }
}

bool partial_shrinks(const aggregate_spec& s) {
  for (const auto& c : s.calls) {
    const auto kind = kind_of(c.function, c.argument ? c.argument->type.id : type_id::int64);
    if (kind == accumulator_kind::distinct || kind == accumulator_kind::text) return false;
    // Floating-point sums of rows that may be retracted are of many words, which weigh more.
    if (s.input_has_changes &&
        (kind == accumulator_kind::pick || kind == accumulator_kind::sum_float ||
         kind == accumulator_kind::moments || kind == accumulator_kind::bits))
      return false;
  }
  return true;
}

result<schema_ptr> partial_output_schema(const aggregate_spec& s, const schema& input) {
  auto out = std::make_shared<schema>();
  for (uint32_t k : s.keys) out->fields.push_back(input.fields.at(k));
  const bool shrinks = partial_shrinks(s);
  if (shrinks && s.input_has_changes) out->fields.push_back({"rows#", type_id::int64, false});
  for (const auto& c : s.calls) {
    row_layout layout;
    WEIR_ASSIGN(auto a, accumulator::make(c, s.input_has_changes, layout));
    if (!shrinks) {
      // The values themselves; count(*) has a value wherever its filter lets a row through.
      const bool star = c.function == fn::count_star;
      out->fields.push_back({c.name + "#0", star ? data_type(type_id::int64) : a.argument, true});
      continue;
    }
    auto types = a.partial_types();
    for (size_t i = 0; i < types.size(); ++i)
      out->fields.push_back({c.name + "#" + std::to_string(i), types[i], a.partial_is_raw()});
  }
  return schema_ptr(out);
}

result<schema_ptr> aggregate_output_schema(const aggregate_spec& s, const schema& input) {
  auto out = std::make_shared<schema>();
  for (uint32_t k : s.keys) out->fields.push_back(input.fields.at(k));
  if (s.windows) {
    if (s.window_start_at > s.keys.size())
      return error(errc::invalid_argument, "window_start stands behind the keys");
    out->fields.insert(out->fields.begin() + s.window_start_at,
                       {"window_start", type_id::timestamp, true});
  }
  for (size_t i = 0; i < visible_calls(s); ++i)
    out->fields.push_back({s.calls[i].name, s.calls[i].type, true});
  return schema_ptr(out);
}

}  // namespace weir
