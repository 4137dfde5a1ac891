// Casts: which exist, when PostgreSQL applies them, the common type of several expressions.
#include <algorithm>

#include "runtime/column/text.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/numeric.hpp"

namespace weir::expr {
namespace {

// Fraction digits of "numeric" without a scale over values whose digits vary by row.
constexpr uint8_t scale_unstated = 10;

char category(type_id t) {
  switch (t) {
    case type_id::int32:
    case type_id::int64:
    case type_id::float64:
    case type_id::decimal:
      return 'N';
    case type_id::date:
    case type_id::timestamp:
      return 'D';
    case type_id::boolean:
      return 'B';
    case type_id::string:
      return 'S';
    case type_id::interval:
      return 'T';
    default:
      return static_cast<char>('a' + static_cast<int>(t));
  }
}

}  // namespace

cast_context context_of(type_id from, type_id to) {
  using t = type_id;
  if (from == to) return cast_context::implicit;
  auto numeric = [](t x) { return category(x) == 'N'; };
  if (numeric(from) && numeric(to)) {
    auto rank = [](t x) { return x == t::int32 ? 0 : x == t::int64 ? 1 : x == t::decimal ? 2 : 3; };
    return rank(from) < rank(to) ? cast_context::implicit : cast_context::assignment;
  }
  if (from == t::date && to == t::timestamp) return cast_context::implicit;
  if (from == t::timestamp && to == t::date) return cast_context::assignment;
  if ((from == t::boolean && to == t::int32) || (from == t::int32 && to == t::boolean))
    return cast_context::on_request;
  bool plain = from != t::list && from != t::struct_;
  if (to == t::string && plain) return cast_context::assignment;
  if (from == t::string && to != t::list && to != t::struct_) return cast_context::on_request;
  return cast_context::never;
}

result<bound> binder::convert_literal(const bound& b, const data_type& target) const {
  const node& n = *b.n;
  scalar v = n.literal;
  v.type = target;
  auto at = [&](const error& e) { return fail(e.code, e.message, n.location); };
  if (v.null || target.id == type_id::string) return bound{literal(std::move(v), n.location)};
  std::string text = std::move(v.s);
  v.s.clear();
#define WEIR_CONVERT(field, call) \
  do {                            \
    auto r = call;                \
    if (!r) return at(r.err());   \
    v.field = *r;                 \
  } while (false)
  switch (target.id) {
    case type_id::boolean:
      WEIR_CONVERT(i, text_to_bool(text));
      break;
    case type_id::int32:
    case type_id::int64:
      WEIR_CONVERT(i, text_to_integer(text, target.id));
      break;
    case type_id::float64:
      WEIR_CONVERT(d, text_to_float(text));
      break;
    case type_id::decimal:
      WEIR_CONVERT(dec, text_to_decimal(text, target.scale));
      break;
    case type_id::date:
      WEIR_CONVERT(i, text_to_date(text));
      break;
    case type_id::timestamp:
      WEIR_CONVERT(i, text_to_timestamp(text));
      break;
    case type_id::interval:
      WEIR_CONVERT(interval, text_to_interval(text));
      break;
    case type_id::json:
      if (auto ok = check_json(text); !ok) return at(ok.err());
      v.s = std::move(text);
      break;
    case type_id::bytes:
      if (text.substr(0, 2) == "\\x") {
        if (!parse_bytes(text, v.s))
          return fail(errc::parse, "invalid hexadecimal data: \"" + text + "\"", n.location);
      } else {
        v.s = std::move(text);
      }
      break;
    default:
      return fail(errc::unsupported, "literals of type " + to_string(target), n.location);
  }
#undef WEIR_CONVERT
  return bound{literal(std::move(v), n.location)};
}

result<bound> binder::coerce(bound b, const data_type& target, cast_context context) {
  if (b.unknown) {
    // A cast of a literal without a type is the literal of that type.
    data_type t = target;
    return convert_literal(b, t);
  }
  if (b.n->type == target) return b;
  auto needed = context_of(b.n->type.id, target.id);
  if (needed == cast_context::never)
    return fail(errc::type_mismatch,
                "cannot cast type " + pg_name(b.n->type) + " to " + pg_name(target), b.n->location);
  if (needed > context) {
    std::string why = "expected type " + pg_name(target) + ", but this is " + pg_name(b.n->type);
    if (context == cast_context::assignment)
      why += "; write CAST(... AS " + to_string(target) + ")";
    return fail(errc::type_mismatch, why, b.n->location);
  }
  bound r = b;
  r.n = call("cast", target, {b.n}, b.n->location);
  if (target.id != type_id::timestamp) r.zoned = false;
  return r;
}

result<data_type> binder::named_type(const syntax& s, const bound& value, int& precision) const {
  const auto& m = s.modifiers;
  auto modifier = [&](size_t i) { return m.size() > i ? m[i] : -1; };
  const auto& name = s.name;
  if (name == "numeric") {
    if (!m.empty()) {
      precision = modifier(0);
      int scale = m.size() > 1 ? modifier(1) : 0;
      if (precision < 1 || precision > decimal_digits_max || scale < 0 || scale > precision)
        return fail(errc::unsupported,
                    "numeric(p, s) needs 1 <= p <= 38 and 0 <= s <= p: decimals have 38 digits",
                    s.location);
      return data_type(type_id::decimal, static_cast<uint8_t>(scale));
    }
    if (has_text(value)) {
      auto d = parse_decimal(trimmed(value.n->literal.s));
      return data_type(type_id::decimal, d ? d->scale : scale_unstated);
    }
    auto id = value.n->type.id;
    uint8_t scale = id == type_id::decimal                         ? value.n->type.scale
                    : id == type_id::int32 || id == type_id::int64 ? 0
                                                                   : scale_unstated;
    return data_type(type_id::decimal, scale);
  }
  if (name == "timestamp" || name == "timestamptz") {
    precision = m.empty() ? -1 : modifier(0);
    return data_type(type_id::timestamp);
  }
  if (name == "interval") return data_type(type_id::interval);
  if (name == "varchar") {
    precision = m.empty() ? -1 : modifier(0);
    return data_type(type_id::string);
  }
  if (name == "text") return data_type(type_id::string);
  if (name == "bpchar")
    return fail(errc::unsupported, "char(n) pads with blanks and is not supported; write text",
                s.location);
  if (name == "jsonb") return data_type(type_id::json);
  if (name == "int4" || name == "int8" || name == "bool" || name == "float8" || name == "bytea" ||
      name == "json" || name == "date" || m.empty()) {
    auto t = parse_type(name);
    if (t && t->id != type_id::list && t->id != type_id::struct_) return *t;
    return fail(errc::unknown_name, t ? "casts to " + name + " are not supported" : t.err().message,
                s.location);
  }
  return fail(errc::unsupported, "type \"" + name + "\" with modifiers", s.location);
}

namespace {

// INTERVAL '5' DAY: the field is the unit of a bare number. Bits as in PostgreSQL's datetime.h.
std::string with_interval_unit(std::string text, int32_t fields) {
  if (text.find_first_not_of("+-0123456789. ") != std::string::npos) return text;
  static constexpr std::pair<int32_t, const char*> units[] = {
      {1 << 2, " year"},  {1 << 1, " month"},   {1 << 3, " day"},
      {1 << 10, " hour"}, {1 << 11, " minute"}, {1 << 12, " second"}};
  for (auto [bit, unit] : units)
    if (fields == bit) return text + unit;
  return text;
}

}  // namespace

result<bound> binder::bind_cast(const syntax& s) {
  WEIR_ASSIGN(auto value, bind(s.args[0]));
  int precision = -1;
  WEIR_ASSIGN(auto type, named_type(s, value, precision));
  if (type.id == type_id::interval && !s.modifiers.empty() && has_text(value)) {
    auto n = std::make_shared<node>(*value.n);
    n->literal.s = with_interval_unit(n->literal.s, s.modifiers[0]);
    value.n = n;
  }
  if (s.name == "jsonb" && !value.unknown && value.n->type.id == type_id::json) return value;
  WEIR_ASSIGN(auto r, coerce(value, type, cast_context::on_request));
  r.unknown = false;
  r.zoned = s.name == "timestamptz";
  auto limit = [&](int v) { return literal(scalar::of_int(type_id::int32, v), s.location); };
  if (type.id == type_id::decimal && precision > 0 && precision < decimal_digits_max)
    r.n = call("check_precision", type, {r.n, limit(precision)}, s.location);
  if (s.name == "varchar" && precision >= 0) {
    if (!catalog::get().overloads("left"))
      return fail(errc::unsupported, "varchar(n); write text", s.location);
    r.n = call("left", type, {r.n, limit(precision)}, s.location);
  }
  if (type.id == type_id::timestamp && precision >= 0 && precision < 6)
    r.n = call("round_timestamp", type, {r.n, limit(precision)}, s.location);
  return r;
}

result<data_type> binder::common_type(const std::vector<bound>& all, std::string_view what,
                                      uint32_t location) const {
  const data_type* chosen = nullptr;
  for (const auto& b : all) {
    if (b.unknown) continue;
    const data_type& t = b.n->type;
    if (!chosen) {
      chosen = &t;
      continue;
    }
    if (t.id == chosen->id) continue;
    if (category(t.id) != category(chosen->id))
      return fail(errc::type_mismatch,
                  std::string(what) + " types " + pg_name(*chosen) + " and " + pg_name(t) +
                      " cannot be matched",
                  b.n->location);
    if (context_of(chosen->id, t.id) == cast_context::implicit &&
        context_of(t.id, chosen->id) != cast_context::implicit)
      chosen = &t;
  }
  if (!chosen) return data_type(type_id::string);
  if (chosen->id == type_id::list || chosen->id == type_id::struct_)
    return fail(errc::unsupported, std::string(what) + " over lists and structs", location);
  data_type r = *chosen;
  if (r.id == type_id::decimal) {
    for (const auto& b : all) {
      if (!b.unknown && b.n->type.id == type_id::decimal)
        r.scale = std::max(r.scale, b.n->type.scale);
      if (!has_text(b)) continue;
      if (auto d = parse_decimal(trimmed(b.n->literal.s))) r.scale = std::max(r.scale, d->scale);
    }
  }
  return r;
}

}  // namespace weir::expr
