// Casts: which exist, when PostgreSQL applies them, the common type of several expressions.
#include <algorithm>

#include "runtime/column/text.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/expr/bytes_text.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/nested.hpp"
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

/// One type for two lists or structs: equal but for digits of decimals and, of structs, names; the
/// first one's names stay.
std::optional<data_type> matched(const data_type& a, const data_type& b) {
  if (a == b) return a;
  if (a.id != b.id) return {};
  if (a.id == type_id::decimal) return data_type(type_id::decimal, std::max(a.scale, b.scale));
  if (!a.fields || !b.fields || a.fields->size() != b.fields->size()) return {};
  auto fields = std::make_shared<std::vector<field>>(*a.fields);
  for (size_t i = 0; i < fields->size(); ++i) {
    auto both = matched((*a.fields)[i].type, (*b.fields)[i].type);
    if (!both) return {};
    (*fields)[i].type = *both;
  }
  data_type t = a;
  t.fields = std::move(fields);
  return t;
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

cast_context context_of(const data_type& from, const data_type& to) {
  if (from == to) return cast_context::implicit;
  if (from.id == type_id::list && to.id == type_id::list)
    return context_of(item_type(from), item_type(to));
  if (from.id == type_id::struct_ && to.id == type_id::struct_) {
    if (from.fields->size() != to.fields->size()) return cast_context::never;
    auto worst = cast_context::implicit;
    for (size_t i = 0; i < from.fields->size(); ++i)
      worst = std::max(worst, context_of((*from.fields)[i].type, (*to.fields)[i].type));
    return worst;
  }
  if (is_nested(from.id))
    return to.id == type_id::string ? cast_context::assignment : cast_context::never;
  if (is_nested(to.id)) return can_cast(from, to) ? cast_context::on_request : cast_context::never;
  return context_of(from.id, to.id);
}

result<bound> binder::convert_nested_literal(const bound& b, const data_type& target) const {
  const node& n = *b.n;
  const bool list = target.id == type_id::list;
  if (!target.fields)
    return fail(errc::type_mismatch,
                "could not determine the type of the array; cast it, for example '{}'::integer[]",
                n.location);
  scalar v{target, n.literal.null};
  if (v.null) return bound{literal(std::move(v), n.location)};
  auto parts = list ? split_list_text(n.literal.s) : split_struct_text(n.literal.s);
  if (!parts) return fail(parts.err().code, parts.err().message, n.location);
  if (!list && parts->size() != target.fields->size())
    return fail(errc::parse,
                "malformed record literal: \"" + n.literal.s + "\": too " +
                    (parts->size() < target.fields->size() ? "few" : "many") + " columns",
                n.location);
  for (size_t i = 0; i < parts->size(); ++i) {
    const auto& t = (*target.fields)[list ? 0 : i].type;
    const auto& part = (*parts)[i];
    auto text = part ? scalar::of_string(*part) : scalar::of_null(type_id::string);
    WEIR_ASSIGN(auto value, convert_literal(bound{literal(std::move(text), n.location), true}, t));
    v.items.push_back(value.n->literal);
  }
  return bound{literal(std::move(v), n.location)};
}

result<bound> binder::convert_literal(const bound& b, const data_type& target) const {
  if (is_nested(target.id)) return convert_nested_literal(b, target);
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
      } else if (auto ok = append_unescaped(v.s, text); !ok) {
        return at(ok.err());
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
  if (b.n->kind == node_kind::call && b.n->function == "()" && target.id == type_id::struct_ &&
      b.n->args.size() == target.fields->size()) {
    // ROW(...): its texts in quotes have no type of their own.
    std::vector<node_ptr> args;
    for (size_t i = 0; i < b.n->args.size(); ++i) {
      const auto& a = b.n->args[i];
      const bool text = a->kind == node_kind::literal && a->type.id == type_id::string;
      WEIR_ASSIGN(auto part, coerce(bound{a, text}, (*target.fields)[i].type, context));
      args.push_back(part.n);
    }
    return bound{call("()", target, std::move(args), b.n->location)};
  }
  auto needed = context_of(b.n->type, target);
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
  if (name.ends_with("[]")) {
    auto item = s;
    item.name.resize(name.size() - 2);
    // What "numeric" without digits means depends on the elements.
    bound part;
    auto n = std::make_shared<node>();
    n->type = type_id::string;
    part.unknown = true;
    if (!value.unknown && value.n->type.id == type_id::list) {
      n->type = item_type(value.n->type);
      part.unknown = false;
    } else if (has_text(value)) {
      auto parts = split_list_text(value.n->literal.s);
      size_t digits = 0;
      n->literal = scalar::of_string("0");
      for (size_t i = 0; parts && i < parts->size(); ++i)
        if (auto d = parse_decimal(trimmed((*parts)[i].value_or("0"))); d && d->scale >= digits) {
          digits = d->scale;
          n->literal.s = (*parts)[i].value_or("0");
        }
    }
    if (!has_text(bound{n, part.unknown}) && part.unknown) n->literal = scalar::of_null(n->type);
    part.n = std::move(n);
    WEIR_ASSIGN(auto t, named_type(item, part, precision));
    if (precision >= 0 && t.id != type_id::decimal)
      return fail(errc::unsupported,
                  "an array of a type with a length or precision is not supported", s.location);
    if (t.id == type_id::list)
      return fail(errc::unsupported, "an array of several dimensions is not supported", s.location);
    precision = -1;
    return list_of(t);
  }
  if (s.made_type && m.empty()) return *s.made_type;
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
  return fail(errc::unsupported, "type \"" + name + "\" with modifiers is not supported",
              s.location);
}

/// A cast to INTERVAL with fields or a precision. Those of literals say how to read them, too;
/// other texts are read first, as PostgreSQL does.
result<bound> binder::cast_to_fields(const syntax& s, const bound& value) {
  const int32_t fields = s.modifiers[0], digits = s.modifiers.size() > 1 ? s.modifiers[1] : -1;
  if (has_text(value)) {
    auto v = scalar::of_null(type_id::interval);
    auto read = text_to_interval(value.n->literal.s, fields);
    if (!read) return fail(read.err().code, read.err().message, value.n->location);
    const auto kept = kept_fields(*read, fields, digits);
    if (!kept) return fail(errc::overflow, "interval out of range", value.n->location);
    v.null = false;
    v.interval = *kept;
    return bound{literal(std::move(v), value.n->location)};
  }
  WEIR_ASSIGN(auto from, coerce(value, type_id::interval, cast_context::on_request));
  auto number = [&](int v) { return literal(scalar::of_int(type_id::int32, v), s.location); };
  return bound{call("interval_fields", type_id::interval, {from.n, number(fields), number(digits)},
                    s.location)};
}

/// ARRAY[...]::type[] casts each element, which PostgreSQL does, too.
result<bound> binder::cast_array(const syntax& s) {
  WEIR_ASSIGN(auto items, bind_args(s.args[0]));
  bound like;
  like.unknown = true;
  auto n = std::make_shared<node>();
  n->type = type_id::string;
  n->literal = scalar::of_null(type_id::string);
  if (auto common = common_type(items, "ARRAY", s.location);
      common &&
      std::any_of(items.begin(), items.end(), [](const bound& b) { return !b.unknown; })) {
    n->type = list_of(*common);
    like.unknown = false;
  }
  like.n = std::move(n);
  int precision = -1;
  WEIR_ASSIGN(auto type, named_type(s, like, precision));
  return make_array(std::move(items), item_type(type), cast_context::on_request, s.location);
}

result<bound> binder::bind_cast(const syntax& s) {
  const auto& of = s.args[0];
  if (s.name.ends_with("[]") && of.kind == syntax_kind::special && of.name == "array")
    return cast_array(s);
  WEIR_ASSIGN(auto value, bind(s.args[0]));
  int precision = -1;
  WEIR_ASSIGN(auto type, named_type(s, value, precision));
  if (type.id == type_id::interval && !s.modifiers.empty()) return cast_to_fields(s, value);
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
    if (is_nested(t.id) && t.id == chosen->id) continue;  // below
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
  data_type r = *chosen;
  if (is_nested(r.id)) {
    for (const auto& b : all) {
      if (b.unknown) continue;
      auto both = matched(r, b.n->type);
      if (!both)
        return fail(errc::type_mismatch,
                    std::string(what) + " types " + pg_name(r) + " and " + pg_name(b.n->type) +
                        " cannot be matched",
                    location);
      r = *both;
    }
    return r;
  }
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
