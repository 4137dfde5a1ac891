#include "runtime/column/types.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include "runtime/base/nearest.hpp"

namespace weir {
namespace {

struct type_name {
  std::string_view name;
  type_id id;
};
// The first name of each type is how it is printed.
constexpr type_name names[] = {
    {"boolean", type_id::boolean},
    {"bool", type_id::boolean},
    {"int", type_id::int32},
    {"integer", type_id::int32},
    {"int4", type_id::int32},
    {"int32", type_id::int32},
    {"smallint", type_id::int32},
    {"int2", type_id::int32},
    {"bigint", type_id::int64},
    {"int8", type_id::int64},
    {"int64", type_id::int64},
    {"double precision", type_id::float64},
    {"float64", type_id::float64},
    {"float8", type_id::float64},
    {"double", type_id::float64},
    {"float", type_id::float64},
    {"real", type_id::float64},
    {"float4", type_id::float64},
    {"decimal", type_id::decimal},
    {"numeric", type_id::decimal},
    {"text", type_id::string},
    {"string", type_id::string},
    {"varchar", type_id::string},
    {"character varying", type_id::string},
    {"bytea", type_id::bytes},
    {"bytes", type_id::bytes},
    {"date", type_id::date},
    {"timestamp", type_id::timestamp},
    {"timestamp without time zone", type_id::timestamp},
    {"interval", type_id::interval},
    {"json", type_id::json},
};
// Lists and structs inside each other: deeper than any real schema, shallow enough for recursion.
constexpr int nesting_max = 16;

// Lower case, blanks collapsed to one and removed around punctuation; "quoted names" are kept.
std::string normalise(std::string_view s) {
  std::string out;
  bool blank = false, quoted = false;
  for (char c : s) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      blank = true;
      continue;
    }
    bool tight = !quoted && std::strchr("(),[]", c) && c != 0;
    if (blank && !out.empty() && !tight && !std::strchr("(,[", out.back())) out += ' ';
    blank = false;
    out += !quoted && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

error unknown_type(std::string_view name) {
  std::vector<std::string_view> all;
  for (const auto& n : names) all.push_back(n.name);
  auto hint = nearest_hint(name, all);
  if (hint.empty())
    hint =
        "; valid are boolean, int, bigint, double precision, decimal(38,S), text, bytea, date, "
        "timestamp, interval, json, TYPE[] and struct(NAME TYPE, ...)";
  return {errc::unknown_name, "unknown type \"" + std::string(name) + "\"" + hint};
}

result<int> parse_small(std::string_view s, std::string_view whole) {
  int v = 0;
  auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  if (r.ec != std::errc() || r.ptr != s.data() + s.size())
    return error(errc::parse, "\"" + std::string(s) + "\" in type \"" + std::string(whole) +
                                  "\" is not a number of digits");
  return v;
}

result<data_type> parse_decimal_type(std::string_view args, std::string_view whole) {
  auto comma = args.find(',');
  WEIR_ASSIGN(int precision, parse_small(args.substr(0, comma), whole));
  int scale = 0;
  if (comma != std::string_view::npos) {
    WEIR_ASSIGN(scale, parse_small(args.substr(comma + 1), whole));
  }
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision)
    return error(errc::invalid_argument, "type \"" + std::string(whole) +
                                             "\": precision must be 1 to 38 and scale 0 to the "
                                             "precision");
  return data_type(type_id::decimal, static_cast<uint8_t>(scale));
}

result<data_type> parse_normalised(std::string_view s, int depth);

// The end of the piece of `s` that a comma at nesting 0 closes.
size_t end_of_field(std::string_view s) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '"') quoted = !quoted;
    if (quoted) continue;
    if (s[i] == '(') ++depth;
    if (s[i] == ')') --depth;
    if (s[i] == ',' && depth == 0) return i;
  }
  return s.size();
}

result<data_type> parse_struct(std::string_view args, int depth) {
  auto fields = std::make_shared<std::vector<field>>();
  while (!args.empty()) {
    size_t end = end_of_field(args);
    auto piece = args.substr(0, end);
    size_t split = !piece.empty() && piece[0] == '"' ? piece.find('"', 1) + 1 : piece.find(' ');
    if (split == std::string_view::npos || split == 0 || split >= piece.size() ||
        piece[split] != ' ')
      return error(errc::parse,
                   "struct field \"" + std::string(piece) + "\" needs a name and a type");
    field f;
    f.name = piece[0] == '"' ? piece.substr(1, split - 2) : piece.substr(0, split);
    WEIR_ASSIGN(f.type, parse_normalised(piece.substr(split + 1), depth + 1));
    fields->push_back(std::move(f));
    args.remove_prefix(std::min(args.size(), end + 1));
  }
  if (fields->empty()) return error(errc::parse, "a struct type needs at least one field");
  data_type t(type_id::struct_);
  t.fields = std::move(fields);
  return t;
}

result<data_type> parse_normalised(std::string_view s, int depth) {
  if (depth > nesting_max)
    return error(errc::invalid_argument,
                 "type is nested deeper than " + std::to_string(nesting_max));
  if (s.ends_with("[]")) {
    field item{"item", {}, true};
    WEIR_ASSIGN(item.type, parse_normalised(s.substr(0, s.size() - 2), depth + 1));
    data_type t(type_id::list);
    t.fields = std::make_shared<std::vector<field>>(1, std::move(item));
    return t;
  }
  auto open = s.find('(');
  if (open != std::string_view::npos && s.back() == ')') {
    auto base = s.substr(0, open);
    auto args = s.substr(open + 1, s.size() - open - 2);
    if (base == "struct" || base == "row") return parse_struct(args, depth);
    if (base == "decimal" || base == "numeric") return parse_decimal_type(args, s);
    if (base == "timestamp" && args == "6") return data_type(type_id::timestamp);
    if (base == "varchar" || base == "character varying" || base == "char" || base == "character")
      return error(errc::unsupported,
                   "type \"" + std::string(s) + "\": length limits are not supported; write text");
    if (base == "timestamp" || base == "interval")
      return error(errc::unsupported, "type \"" + std::string(s) +
                                          "\": the precision is always microseconds; write " +
                                          std::string(base));
    return unknown_type(s);
  }
  if (s == "decimal" || s == "numeric")
    return error(errc::unsupported, "type \"" + std::string(s) +
                                        "\" needs its digits after the point, for example "
                                        "decimal(38,2)");
  if (s == "timestamptz" || s == "timestamp with time zone")
    return error(errc::unsupported, "type \"" + std::string(s) +
                                        "\" is not supported; timestamps are UTC: write timestamp");
  for (const auto& n : names)
    if (n.name == s) return data_type(n.id);
  return unknown_type(s);
}

bool plain_name(std::string_view s) {
  if (s.empty()) return false;
  for (char c : s)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
  return true;
}

}  // namespace

bool operator==(const data_type& a, const data_type& b) {
  if (a.id != b.id || a.scale != b.scale) return false;
  if (a.fields == b.fields) return true;
  if (!a.fields || !b.fields) return false;
  return *a.fields == *b.fields;
}

std::string to_string(const data_type& t) {
  switch (t.id) {
    case type_id::decimal:
      return "decimal(38," + std::to_string(t.scale) + ")";
    case type_id::list:
      return (t.fields && !t.fields->empty() ? to_string(t.fields->front().type) : "?") + "[]";
    case type_id::struct_: {
      std::string s = "struct(";
      if (t.fields)
        for (const auto& f : *t.fields) {
          if (s.back() != '(') s += ", ";
          s += plain_name(f.name) ? f.name : '"' + f.name + '"';
          s += ' ' + to_string(f.type);
        }
      return s + ")";
    }
    default:
      for (const auto& n : names)
        if (n.id == t.id) return std::string(n.name);
      return "?";
  }
}

result<data_type> parse_type(std::string_view sql_name) {
  auto s = normalise(sql_name);
  if (s.empty()) return error(errc::parse, "a type name is missing");
  return parse_normalised(s, 0);
}

std::optional<uint32_t> schema::find(std::string_view name) const noexcept {
  for (size_t i = 0; i < fields.size(); ++i)
    if (fields[i].name == name) return static_cast<uint32_t>(i);
  return std::nullopt;
}

}  // namespace weir
