// Forms with a grammar of their own: AND, CASE, IN, BETWEEN, IS ...
#include "runtime/expr/binder.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::expr {

result<bound> binder::bind_special(const syntax& s) {
  if (s.name == "and" || s.name == "or" || s.name == "not") return bind_logic(s);
  if (s.name.substr(0, 3) == "is " && s.name != "is distinct") return bind_test(s);
  if (s.name == "is distinct") return bind_distinct(s);
  if (s.name == "case") return bind_case(s);
  if (s.name == "coalesce" || s.name == "greatest" || s.name == "least") return bind_choice(s);
  if (s.name == "nullif") return bind_nullif(s);
  if (s.name == "in") return bind_in(s);
  if (s.name == "array") return bind_array(s);
  if (s.name == "row") return bind_row(s);
  if (s.name == "default")
    return fail(errc::invalid_argument, "DEFAULT is not allowed in this context", s.location);
  if (s.name == "fields")
    return fail(errc::invalid_argument, "row expansion via \"*\" is not supported here",
                s.location);
  if (s.name == "subscript" || s.name == "slice" || s.name == "field") return bind_part(s);
  if (s.name == "any" || s.name == "all") return bind_quantified(s);
  return bind_between(s);
}

result<bound> binder::bind_logic(const syntax& s) {
  std::vector<node_ptr> args;
  std::string upper = s.name == "and" ? "AND" : s.name == "or" ? "OR" : "NOT";
  for (const auto& a : s.args) {
    WEIR_ASSIGN(auto b, bind(a));
    if (!b.unknown && b.n->type.id != type_id::boolean)
      return fail(errc::type_mismatch,
                  "argument of " + upper + " must be type boolean, not type " + pg_name(b.n->type),
                  b.n->location);
    WEIR_ASSIGN(b, coerce(std::move(b), type_id::boolean, cast_context::implicit));
    args.push_back(b.n);
  }
  return bound{call(s.name, type_id::boolean, std::move(args), s.location)};
}

result<bound> binder::bind_test(const syntax& s) {
  WEIR_ASSIGN(auto b, bind(s.args[0]));
  if (s.name == "is null") {
    b = settle(std::move(b));
    if (!catalog::get().find(s.name, {b.n->type.id}, type_id::boolean))
      return fail(errc::unsupported, "IS NULL over " + pg_name(b.n->type), s.location);
  } else {
    if (!b.unknown && b.n->type.id != type_id::boolean)
      return fail(errc::type_mismatch,
                  "argument of IS TRUE, FALSE or UNKNOWN must be type boolean, not type " +
                      pg_name(b.n->type),
                  b.n->location);
    WEIR_ASSIGN(b, coerce(std::move(b), type_id::boolean, cast_context::implicit));
  }
  std::string name = s.negated ? "is not " + s.name.substr(3) : s.name;
  if (s.name == "is null" && b.n->type.id == type_id::struct_) {
    if (s.args[0].kind == syntax_kind::special && s.args[0].name == "row")
      return bound{test_fields(*b.n, name, s.location)};
    name = "row " + name;
  }
  return bound{call(name, type_id::boolean, {b.n}, s.location)};
}

/// ROW(a, b) IS NULL asks a and b, in their order. As in PostgreSQL a field that is known decides
/// before any other is computed, and one that is a row by itself is NULL or is there.
node_ptr binder::test_fields(const node& row, const std::string& test, uint32_t location) const {
  const bool wants_null = test == "is null";
  std::vector<node_ptr> tests;
  for (const auto& field : row.args) {
    const auto known = fold(field);
    if (known->kind != node_kind::literal)
      tests.push_back(call(test, type_id::boolean, {field}, location));
    else if (known->literal.null != wants_null)
      return literal(scalar::of_bool(false), location);
  }
  if (tests.empty()) return literal(scalar::of_bool(true), location);
  if (tests.size() == 1) return tests[0];
  return call("and", type_id::boolean, std::move(tests), location);
}

result<bound> binder::bind_case(const syntax& s) {
  size_t first = s.simple_case ? 1 : 0;
  bound operand;
  if (s.simple_case) {
    WEIR_ASSIGN(operand, bind(s.args[0]));
  }
  std::vector<node_ptr> conditions;
  std::vector<bound> values;
  for (size_t i = first; i + 1 < s.args.size(); i += 2) {
    WEIR_ASSIGN(auto c, bind(s.args[i]));
    if (s.simple_case) {
      WEIR_ASSIGN(c, operate("=", {operand, c}, s.args[i].location));
    } else if (!c.unknown && c.n->type.id != type_id::boolean) {
      return fail(errc::type_mismatch,
                  "argument of CASE/WHEN must be type boolean, not type " + pg_name(c.n->type),
                  c.n->location);
    }
    WEIR_ASSIGN(c, coerce(std::move(c), type_id::boolean, cast_context::implicit));
    conditions.push_back(c.n);
    WEIR_ASSIGN(auto v, bind(s.args[i + 1]));
    values.push_back(std::move(v));
  }
  WEIR_ASSIGN(auto otherwise, bind(s.args.back()));
  values.push_back(std::move(otherwise));
  WEIR_ASSIGN(auto type, common_type(values, "CASE", s.location));
  std::vector<node_ptr> args;
  bound r;
  for (size_t i = 0; i < values.size(); ++i) {
    r.zoned = r.zoned || values[i].zoned;
    WEIR_ASSIGN(auto v, coerce(std::move(values[i]), type, cast_context::implicit));
    if (i < conditions.size()) args.push_back(conditions[i]);
    args.push_back(v.n);
  }
  r.n = call("case", type, std::move(args), s.location);
  return r;
}

result<bound> binder::bind_choice(const syntax& s) {
  WEIR_ASSIGN(auto values, bind_args(s));
  std::string upper = s.name == "coalesce"   ? "COALESCE"
                      : s.name == "greatest" ? "GREATEST"
                                             : "LEAST";
  WEIR_ASSIGN(auto type, common_type(values, upper, s.location));
  if (s.name != "coalesce" && !catalog::get().find(s.name, {type.id, type.id}, type.id))
    return fail(errc::unsupported, upper + " over " + pg_name(type), s.location);
  std::vector<node_ptr> args;
  bound r;
  for (auto& v : values) {
    r.zoned = r.zoned || v.zoned;
    WEIR_ASSIGN(auto c, coerce(std::move(v), type, cast_context::implicit));
    args.push_back(c.n);
  }
  if (s.name == "coalesce") {
    r.n = call("coalesce", type, std::move(args), s.location);
    return r;
  }
  r.n = args[0];
  for (size_t i = 1; i < args.size(); ++i) r.n = call(s.name, type, {r.n, args[i]}, s.location);
  return r;
}

// NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END; its type is a's.
result<bound> binder::bind_nullif(const syntax& s) {
  WEIR_ASSIGN(auto a, bind(s.args[0]));
  WEIR_ASSIGN(auto b, bind(s.args[1]));
  WEIR_ASSIGN(auto eq, operate("=", {a, b}, s.location));
  bound r;
  r.zoned = a.zoned;
  const node_ptr value = a.unknown ? eq.n->args[0] : a.n;
  r.n = call("case", value->type, {eq.n, literal(scalar::of_null(value->type), s.location), value},
             s.location);
  return r;
}

result<bound> binder::bind_in(const syntax& s) {
  if (auto rows = over_rows(s)) return std::move(*rows);
  WEIR_ASSIGN(auto all, bind_args(s));
  WEIR_ASSIGN(auto type, common_type(all, "IN", s.location));
  std::vector<node_ptr> args;
  for (auto& b : all) {
    WEIR_ASSIGN(auto c, coerce(std::move(b), type, cast_context::implicit));
    args.push_back(c.n);
  }
  if (!catalog::get().find("=", {type.id, type.id}, type_id::boolean))
    return fail(errc::type_mismatch,
                "operator does not exist: " + pg_name(type) + " = " + pg_name(type), s.location);
  bound r{call("in", type_id::boolean, std::move(args), s.location)};
  if (s.negated) r.n = call("not", type_id::boolean, {r.n}, s.location);
  return r;
}

result<bound> binder::bind_between(const syntax& s) {
  WEIR_ASSIGN(auto all, bind_args(s));
  auto range = [&](const bound& low, const bound& high) -> result<bound> {
    WEIR_ASSIGN(auto a, operate(">=", {all[0], low}, s.location));
    WEIR_ASSIGN(auto b, operate("<=", {all[0], high}, s.location));
    return bound{call("and", type_id::boolean, {a.n, b.n}, s.location)};
  };
  WEIR_ASSIGN(auto r, range(all[1], all[2]));
  if (s.name == "between symmetric") {
    WEIR_ASSIGN(auto other, range(all[2], all[1]));
    r.n = call("or", type_id::boolean, {r.n, other.n}, s.location);
  }
  if (s.negated) r.n = call("not", type_id::boolean, {r.n}, s.location);
  return r;
}

result<bound> binder::bind_distinct(const syntax& s) {
  if (auto rows = over_rows(s)) return std::move(*rows);
  WEIR_ASSIGN(auto a, bind(s.args[0]));
  WEIR_ASSIGN(auto b, bind(s.args[1]));
  // "=" finds the types of both sides.
  WEIR_ASSIGN(auto eq, operate("=", {a, b}, s.location));
  bound r{call("is distinct", type_id::boolean, eq.n->args, s.location)};
  if (s.negated) r.n = call("not", type_id::boolean, {r.n}, s.location);
  return r;
}

}  // namespace weir::expr
