#include <charconv>

#include "runtime/base/nearest.hpp"
#include "runtime/column/text.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::expr {

node_ptr binder::call(std::string name, const data_type& type, std::vector<node_ptr> args,
                      uint32_t location) const {
  return make_call(std::move(name), type, std::move(args), location);
}

node_ptr binder::literal(scalar v, uint32_t location) const {
  return make_literal(std::move(v), location);
}

bound binder::settle(bound b) const {
  b.unknown = false;
  return b;
}

result<bound> binder::bind(const syntax& s) {
  switch (s.kind) {
    case syntax_kind::column:
      return scope_.column(s, *this);
    case syntax_kind::integer:
    case syntax_kind::number:
      return bind_number(s);
    case syntax_kind::text:
      return bound{literal(scalar::of_string(s.text), s.location), true};
    case syntax_kind::null:
      return bound{literal(scalar::of_null(type_id::string), s.location), true};
    case syntax_kind::boolean:
      return bound{literal(scalar::of_bool(s.text == "true"), s.location)};
    case syntax_kind::op:
      return bind_operator(s);
    case syntax_kind::function:
      return bind_function(s);
    case syntax_kind::special:
      return bind_special(s);
    case syntax_kind::cast:
      return bind_cast(s);
    case syntax_kind::subquery:
      return scope_.subquery(s, *this);
  }
  return fail(errc::internal, "an unknown form", s.location);
}

result<bound> scope::subquery(const syntax& s, binder& b) {
  return b.fail(errc::unsupported, "a subquery is not supported in a scalar expression",
                s.location);
}

result<bound> schema_scope::column(const syntax& s, const binder& b) {
  std::string name = s.qualifier.empty() ? s.name : s.qualifier + "." + s.name;
  auto index = schema_.find(name);
  if (!index) {
    std::vector<std::string_view> names;
    for (const auto& f : schema_.fields) names.push_back(f.name);
    return b.fail(errc::unknown_name,
                  "column \"" + name + "\" does not exist" + nearest_hint(name, names), s.location);
  }
  return bound{make_column(schema_.fields[*index].type, *index, s.location)};
}

result<bound> binder::bind_number(const syntax& s) {
  int64_t v = 0;
  auto [end, ec] = std::from_chars(s.text.data(), s.text.data() + s.text.size(), v);
  if (ec == std::errc() && end == s.text.data() + s.text.size()) {
    auto t = v >= INT32_MIN && v <= INT32_MAX ? type_id::int32 : type_id::int64;
    return bound{literal(scalar::of_int(t, v), s.location)};
  }
  if (auto d = parse_decimal(s.text))
    return bound{literal(scalar::of_decimal(d->value, d->scale), s.location)};
  if (auto f = parse_float64(s.text)) return bound{literal(scalar::of_double(*f), s.location)};
  return fail(errc::overflow, "number \"" + s.text + "\" is out of range", s.location);
}

result<std::vector<bound>> binder::bind_args(const syntax& s) {
  std::vector<bound> args;
  for (const auto& a : s.args) {
    WEIR_ASSIGN(auto b, bind(a));
    args.push_back(std::move(b));
  }
  return args;
}

std::string name_of(const bound& b) {
  return b.unknown ? "unknown" : pg_name(b.n->type);
}
bool has_text(const bound& b) {
  return b.unknown && b.n->kind == node_kind::literal && !b.n->literal.null;
}

namespace {

result<node_ptr> bind_text(std::string_view sql, const schema& input, const data_type* target) {
  WEIR_ASSIGN(auto s, parse_expression(sql));
  schema_scope names(input);
  binder b(sql, names);
  WEIR_ASSIGN(auto r, b.bind(s));
  if (target) {
    WEIR_ASSIGN(r, b.coerce(std::move(r), *target, cast_context::assignment));
  }
  return b.settle(std::move(r)).n;
}

}  // namespace

result<node_ptr> bind(std::string_view sql, const schema& input) {
  return bind_text(sql, input, nullptr);
}

result<node_ptr> bind_as(std::string_view sql, const schema& input, const data_type& target) {
  return bind_text(sql, input, &target);
}

}  // namespace weir::expr
