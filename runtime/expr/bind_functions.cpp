// Functions and operators whose types the catalog's type ids do not tell: over arrays of texts, of
// arguments of any type, of arguments that may be left out.
#include <algorithm>

#include "runtime/expr/binder.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/functions.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/expr/nested.hpp"
#include "runtime/expr/to_number.hpp"

namespace weir::expr {
namespace {

using made = std::optional<result<bound>>;

const data_type& texts() {
  static const data_type t = list_of(type_id::string);
  return t;
}
/// A list of rows with these fields.
data_type rows_of(std::vector<field> fields) {
  data_type row(type_id::struct_);
  row.fields = std::make_shared<std::vector<field>>(std::move(fields));
  return list_of(std::move(row));
}
bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
/// Whether PostgreSQL takes the argument for a parameter of this type.
bool fits(const bound& b, const data_type& wanted) {
  if (b.unknown || b.n->type == wanted) return true;
  if (is_nested(wanted.id) || is_nested(b.n->type.id)) return false;
  return b.n->type.id == wanted.id || context_of(b.n->type.id, wanted.id) == cast_context::implicit;
}
bool is_unknown_or(const bound& b, type_id t) {
  return b.unknown || b.n->type.id == t;
}

/// The call with its arguments brought to `wanted`; nothing: PostgreSQL has no such function.
made typed(binder& b, std::string name, const data_type& type, std::vector<bound>& args,
           const std::vector<data_type>& wanted, uint32_t location) {
  for (size_t i = 0; i < args.size(); ++i)
    if (!fits(args[i], wanted[i])) return {};
  std::vector<node_ptr> nodes;
  for (size_t i = 0; i < args.size(); ++i) {
    auto value = b.coerce(std::move(args[i]), wanted[i], cast_context::implicit);
    if (!value) return value;
    nodes.push_back(value->n);
  }
  return result<bound>(bound{make_call(std::move(name), type, std::move(nodes), location)});
}
bound constant(scalar v, uint32_t location) {
  return bound{make_literal(std::move(v), location)};
}

/// A row of values of any types.
node_ptr row_of(binder& b, std::vector<bound> values, uint32_t location) {
  data_type type(type_id::struct_);
  auto fields = std::make_shared<std::vector<field>>();
  std::vector<node_ptr> nodes;
  for (auto& v : values) {
    auto value = b.settle(std::move(v));
    fields->push_back({"f" + std::to_string(nodes.size() + 1), value.n->type});
    nodes.push_back(value.n);
  }
  type.fields = std::move(fields);
  return make_call("()", type, std::move(nodes), location);
}

/// json_build_object() whose names are no constants; those are a row's (bind_nested.cpp).
made build_object(binder& b, const syntax& s, std::vector<bound>& args) {
  auto is_constant = [](const bound& a) {
    return a.n->kind == node_kind::literal && !a.n->literal.null && a.n->type.id == type_id::string;
  };
  bool plain = args.size() % 2 == 0 && !args.empty();
  for (size_t i = 0; plain && i < args.size(); i += 2) plain = is_constant(args[i]);
  if (plain) return {};
  if (args.empty()) {
    scalar none(type_id::json, false);
    none.s = "{}";
    return result<bound>(constant(std::move(none), s.location));
  }
  if (args.size() % 2 != 0)
    return result<bound>(b.fail(errc::invalid_argument,
                                "argument list must have even number of elements", s.location));
  for (size_t i = 0; i < args.size(); i += 2) {
    const auto t = args[i].n->type.id;
    if (!args[i].unknown && (is_nested(t) || t == type_id::json))
      return result<bound>(b.fail(errc::type_mismatch,
                                  "key value must be scalar, not array, composite, or json",
                                  begin_of(s.args[i])));
    auto name = b.coerce(std::move(args[i]), type_id::string, cast_context::on_request);
    if (!name) return name;
    args[i] = std::move(*name);
  }
  auto row = row_of(b, std::move(args), s.location);
  return result<bound>(bound{make_call(s.name, type_id::json, {std::move(row)}, s.location)});
}

made json_function(binder& b, const syntax& s, std::vector<bound>& args) {
  const auto& name = s.name;
  const data_type json(type_id::json);
  if (one_of(name, {"json_build_array", "jsonb_build_array"})) {
    if (args.empty()) {
      scalar none(type_id::json, false);
      none.s = "[]";
      return result<bound>(constant(std::move(none), s.location));
    }
    auto row = row_of(b, std::move(args), s.location);
    return result<bound>(bound{make_call(name, json, {std::move(row)}, s.location)});
  }
  if (one_of(name, {"json_build_object", "jsonb_build_object"})) return build_object(b, s, args);
  if (one_of(name, {"jsonb_set", "jsonb_insert"}) && (args.size() == 3 || args.size() == 4)) {
    if (args.size() == 3)
      args.push_back(constant(scalar::of_bool(name == "jsonb_set"), s.location));
    return typed(b, name, json, args, {json, texts(), json, type_id::boolean}, s.location);
  }
  if (name == "jsonb_delete_path" && args.size() == 2)
    return typed(b, name, json, args, {json, texts()}, s.location);
  if (args.size() != 1) return {};
  if (one_of(name, {"json_object_keys", "jsonb_object_keys", "json_array_elements_text",
                    "jsonb_array_elements_text"}))
    return typed(b, name, texts(), args, {json}, s.location);
  if (one_of(name, {"json_array_elements", "jsonb_array_elements"}))
    return typed(b, name, list_of(json), args, {json}, s.location);
  if (one_of(name, {"json_each", "jsonb_each", "json_each_text", "jsonb_each_text"})) {
    const bool as_text = name.ends_with("_text");
    const auto rows = rows_of({{"key", type_id::string, true},
                               {"value", as_text ? data_type(type_id::string) : json, true}});
    return typed(b, name, rows, args, {json}, s.location);
  }
  return {};
}

std::string type_name(const bound& v) {
  if (v.unknown) return "unknown";
  const auto& t = v.n->type;
  auto zone = [&v] { return std::string(v.zoned ? " with" : " without") + " time zone"; };
  if (t.id == type_id::timestamp) return "timestamp" + zone();
  if (t.id == type_id::struct_) return "record";
  if (t.id == type_id::list) {
    const auto& item = item_type(t);
    if (item.id == type_id::struct_) return "record[]";
    if (item.id == type_id::timestamp) return "timestamp" + zone() + "[]";
  }
  return pg_name(t);
}

/// Functions of arguments of any type.
made any_function(binder& b, const syntax& s, std::vector<bound>& args) {
  const auto& name = s.name;
  if (name == "pg_typeof" && args.size() == 1) {
    auto type = constant(scalar::of_string(type_name(args[0])), s.location);
    const auto& value = args[0].n;
    if (value->kind != node_kind::call || value->type.id == type_id::struct_)
      return result<bound>(std::move(type));
    // The value is computed, as it may be an error.
    auto asked = make_call("is null", type_id::boolean, {value}, s.location);
    return result<bound>(
        bound{make_call("case", type_id::string, {std::move(asked), type.n, type.n}, s.location)});
  }
  if (one_of(name, {"num_nulls", "num_nonnulls"}) && !args.empty()) {
    auto row = row_of(b, std::move(args), s.location);
    return result<bound>(bound{make_call(name, type_id::int32, {std::move(row)}, s.location)});
  }
  if (one_of(name, {"quote_literal", "quote_nullable"}) && args.size() == 1) {
    auto value = b.coerce(std::move(args[0]), type_id::string, cast_context::on_request);
    if (!value) return value;
    auto quoted = make_call("quote_literal", type_id::string, {value->n}, s.location);
    if (name == "quote_literal") return result<bound>(bound{std::move(quoted)});
    auto null = make_literal(scalar::of_string("NULL"), s.location);
    return result<bound>(bound{
        make_call("coalesce", type_id::string, {std::move(quoted), std::move(null)}, s.location)});
  }
  return {};
}

made array_function(binder& b, const syntax& s, std::vector<bound>& args) {
  const auto& name = s.name;
  if (name == "array_fill" && (args.size() == 2 || args.size() == 3)) {
    if (args[0].unknown)
      return result<bound>(b.fail(errc::type_mismatch,
                                  "could not determine polymorphic type because input has type "
                                  "unknown",
                                  s.location));
    const auto item = args[0].n->type;
    if (item.id == type_id::list) return {};
    const auto sizes = list_of(type_id::int32);
    return typed(b, name, list_of(item), args, {item, sizes, sizes}, s.location);
  }
  if (name == "width_bucket" && args.size() == 2 && is_unknown_or(args[1], type_id::list) &&
      !args[1].unknown) {
    bound item{make_literal(scalar::of_null(item_type(args[1].n->type)), s.location)};
    auto common = b.common_type({args[0], item}, name, s.location);
    if (!common) return result<bound>(common.err());
    auto value = b.coerce(std::move(args[0]), *common, cast_context::implicit);
    if (!value) return value;
    auto bounds = b.coerce(std::move(args[1]), list_of(*common), cast_context::implicit);
    if (!bounds) return bounds;
    return result<bound>(bound{make_call(name, type_id::int32, {value->n, bounds->n}, s.location)});
  }
  if (one_of(name, {"regexp_match", "regexp_matches"}) && (args.size() == 2 || args.size() == 3)) {
    const auto type = name == "regexp_match" ? texts() : rows_of({{name, texts(), true}});
    return typed(b, name, type, args, std::vector<data_type>(3, type_id::string), s.location);
  }
  return {};
}

made time_function(binder& b, const syntax& s, std::vector<bound>& args) {
  if (s.name == "make_interval" && args.size() <= 7) {
    std::vector<data_type> wanted(6, type_id::int32);
    wanted.emplace_back(type_id::float64);
    for (size_t i = args.size(); i < 6; ++i)
      args.push_back(constant(scalar::of_int(type_id::int32, 0), s.location));
    if (args.size() == 6) {
      scalar zero(type_id::float64, false);
      args.push_back(constant(std::move(zero), s.location));
    }
    return typed(b, s.name, type_id::interval, args, wanted, s.location);
  }
  if (s.name == "overlaps" && args.size() == 4) {
    const data_type time(type_id::timestamp);
    for (size_t i = 0; i < 4; i += 2) {
      auto& begin = args[i];
      auto& end = args[i + 1];
      if (!fits(begin, time)) return {};
      auto from = b.coerce(std::move(begin), time, cast_context::implicit);
      if (!from) return from;
      begin = std::move(*from);
      // The other end may be so far away.
      if (!end.unknown && end.n->type.id == type_id::interval)
        end = bound{make_call("+", time, {begin.n, end.n}, s.location)};
    }
    return typed(b, s.name, type_id::boolean, args, std::vector<data_type>(4, time), s.location);
  }
  return {};
}

/// The digits behind the point are those of the template, where it is constant.
made to_number(binder& b, const syntax& s, std::vector<bound>& args) {
  if (s.name != "to_number" || args.size() != 2) return {};
  // As many as a numeric has that is made of text.
  constexpr uint8_t otherwise = 10;
  data_type type(type_id::decimal, otherwise);
  const auto pattern = fold(args[1].n);
  if (pattern->kind == node_kind::literal && !pattern->literal.null &&
      pattern->type.id == type_id::string) {
    auto scale = number_template_scale(pattern->literal.s);
    if (!scale)
      return result<bound>(b.fail(scale.err().code, scale.err().message, args[1].n->location));
    type.scale = *scale;
  }
  return typed(b, s.name, type, args, {type_id::string, type_id::string}, s.location);
}

}  // namespace

made bind_json_operator(binder& b, std::string_view name, std::vector<bound>& args,
                        uint32_t location) {
  const bool always = one_of(name, {"?|", "?&", "#-"});
  if (args.size() != 2 || (!always && !one_of(name, {"-", "#>", "#>>"}))) return {};
  const bool list = !args[1].unknown && args[1].n->type == texts();
  if (!is_unknown_or(args[0], type_id::json) || !(list || (always && args[1].unknown))) return {};
  const data_type json(type_id::json);
  const auto type = one_of(name, {"?|", "?&"}) ? data_type(type_id::boolean)
                    : name == "#>>"            ? data_type(type_id::string)
                                               : json;
  return typed(b, std::string(name), type, args, {json, texts()}, location);
}

made bind_typed_function(binder& b, const syntax& s, std::vector<bound>& args) {
  if (auto r = json_function(b, s, args)) return r;
  if (auto r = any_function(b, s, args)) return r;
  if (auto r = array_function(b, s, args)) return r;
  if (auto r = time_function(b, s, args)) return r;
  return to_number(b, s, args);
}

bool packs_arguments(std::string_view function) {
  return one_of(function, {"json_build_array", "jsonb_build_array", "json_build_object",
                           "jsonb_build_object", "num_nulls", "num_nonnulls"});
}

std::optional<bool> typed_as_made(const node& n) {
  const auto& f = n.function;
  const auto& a = n.args;
  if (f == "json_object_keys" || f == "jsonb_object_keys" || f.ends_with("_array_elements_text") ||
      f == "regexp_match")
    return n.type == texts();
  if (f.ends_with("_array_elements")) return n.type == list_of(type_id::json);
  auto row_with = [&n](const data_type& first, const data_type* second) {
    const auto& row = item_type(n.type);
    if (row.id != type_id::struct_ || row.fields->size() != (second ? 2u : 1u)) return false;
    return (*row.fields)[0].type == first && (!second || (*row.fields)[1].type == *second);
  };
  if (f == "regexp_matches") return row_with(texts(), nullptr);
  const data_type json(type_id::json), text(type_id::string);
  if (f == "json_each" || f == "jsonb_each") return row_with(text, &json);
  if (f == "json_each_text" || f == "jsonb_each_text") return row_with(text, &text);
  const bool of_json = !a.empty() && a[0]->type.id == type_id::json;
  if (f == "jsonb_set" || f == "jsonb_insert" || f == "jsonb_delete_path" || f == "#-" ||
      f == "?|" || f == "?&" || (of_json && (f == "-" || f == "#>" || f == "#>>")))
    return a.size() >= 2 && a[1]->type == texts();
  if (f == "json_build_object" || f == "jsonb_build_object") {
    const auto& fields = *a[0]->type.fields;
    if (fields.size() % 2 != 0) return false;
    for (size_t i = 0; i < fields.size(); i += 2)
      if (fields[i].type.id != type_id::string) return false;
    return true;
  }
  if (f == "array_fill") {
    for (size_t i = 1; i < a.size(); ++i)
      if (a[i]->type != list_of(type_id::int32)) return false;
    return item_type(n.type) == a[0]->type;
  }
  if (f == "width_bucket") return a.size() == 2 && item_type(a[1]->type) == a[0]->type;
  return {};
}

}  // namespace weir::expr
