#include "runtime/expr/convert.hpp"

#include <simdjson.h>

#include "runtime/column/text.hpp"

namespace weir::expr {
namespace {

error invalid(type_id t, std::string_view s) {
  return {errc::parse, "invalid input syntax for type " + std::string(pg_name(t)) + ": \"" +
                           std::string(s) + "\""};
}
error out_of_range(type_id t, std::string_view s) {
  return {errc::overflow,
          "value \"" + std::string(s) + "\" is out of range for type " + std::string(pg_name(t))};
}
error field_out_of_range(std::string_view s) {
  return {errc::overflow, "date/time field value out of range: \"" + std::string(s) + "\""};
}
bool digits_only(std::string_view s) {
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
}
bool looks_numeric(std::string_view s) {
  bool digit = false;
  for (char c : s) {
    digit = digit || (c >= '0' && c <= '9');
    if (!((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E'))
      return false;
  }
  return digit;
}
// Digits and the separators of dates and times only: well formed, so a field is out of range.
bool looks_like_date(std::string_view s) {
  size_t dashes = 0;
  for (char c : s) {
    if (c == '-') ++dashes;
    if (!((c >= '0' && c <= '9') || c == '-' || c == ':' || c == '.' || c == ' ' || c == 'T'))
      return false;
  }
  return dashes == 2 && !s.empty() && s[0] != '-' && s.back() != '-';
}
// YYYYMMDD and YYYY/MM/DD in the form that the column readers know.
std::string iso_form(std::string_view s) {
  std::string r;
  size_t digits = s.find_first_not_of("0123456789");
  if (digits == std::string_view::npos) digits = s.size();
  if (digits == 8) {
    r.append(s.substr(0, 4)).append("-").append(s.substr(4, 2)).append("-");
    r.append(s.substr(6));
    return r;
  }
  if (digits == 4 && s.size() > 4 && s[4] == '/') {
    r = s;
    for (auto& c : r)
      if (c == '/') c = '-';
  }
  return r;
}

}  // namespace

std::string_view trimmed(std::string_view s) {
  constexpr std::string_view blanks = " \t\n\r\f\v";
  size_t a = s.find_first_not_of(blanks);
  if (a == std::string_view::npos) return {};
  return s.substr(a, s.find_last_not_of(blanks) - a + 1);
}

result<int64_t> text_to_integer(std::string_view s, type_id t) {
  auto v = trimmed(s);
  if (t == type_id::int32) {
    if (auto r = parse_int32(v)) return static_cast<int64_t>(*r);
  } else if (auto r = parse_int64(v)) {
    return *r;
  }
  return digits_only(v) ? out_of_range(t, s) : invalid(t, s);
}
result<double> text_to_float(std::string_view s) {
  if (auto r = parse_float64(trimmed(s))) return *r;
  if (!looks_numeric(trimmed(s))) return invalid(type_id::float64, s);
  return error(errc::overflow,
               "\"" + std::string(s) + "\" is out of range for type double precision");
}
result<int128> text_to_decimal(std::string_view s, uint8_t scale) {
  auto v = trimmed(s);
  if (auto r = parse_decimal(v, scale)) return *r;
  if (!parse_float64(v) || !looks_numeric(v)) return invalid(type_id::decimal, s);
  return error(errc::overflow,
               "numeric field overflow: \"" + std::string(s) + "\" needs more than 38 digits");
}
result<bool> text_to_bool(std::string_view s) {
  auto v = trimmed(s);
  if (auto r = parse_bool(v)) return *r;
  // Unique prefixes count, as in PostgreSQL: "tr", "fals", "ye", "of".
  static constexpr std::string_view words[] = {"true", "false", "yes", "no", "on", "off"};
  std::string lower;
  for (char c : v) lower += static_cast<char>(tolower(static_cast<unsigned char>(c)));
  if (!lower.empty() && lower != "o")
    for (size_t i = 0; i < 6; ++i)
      if (words[i].substr(0, lower.size()) == lower) return i % 2 == 0;
  return invalid(type_id::boolean, s);
}
result<int32_t> text_to_date(std::string_view s) {
  auto v = trimmed(s);
  if (auto r = parse_date(v)) return *r;
  auto iso = iso_form(v);
  if (!iso.empty())
    if (auto r = parse_date(iso)) return *r;
  // A timestamp's time of day is dropped.
  auto stamp = parse_timestamp(v);
  if (stamp && v.find_first_of(" T") != std::string_view::npos)
    if (auto r = parse_date(v.substr(0, v.find_first_of(" T")))) return *r;
  return looks_like_date(iso.empty() ? v : iso) ? field_out_of_range(s) : invalid(type_id::date, s);
}
result<int64_t> text_to_timestamp(std::string_view s) {
  auto v = trimmed(s);
  if (auto r = parse_timestamp(v)) return *r;
  if (v == "epoch") return int64_t{0};
  auto iso = iso_form(v);
  if (!iso.empty())
    if (auto r = parse_timestamp(iso)) return *r;
  return looks_like_date(iso.empty() ? v : iso) ? field_out_of_range(s)
                                                : invalid(type_id::timestamp, s);
}
result<interval_value> text_to_interval(std::string_view s, int32_t fields) {
  // A date is no interval, though its dashes could be read as signs.
  if (looks_like_date(trimmed(s))) return invalid(type_id::interval, s);
  if (auto r = parse_interval(trimmed(s), fields)) return *r;
  return invalid(type_id::interval, s);
}
status check_json(std::string_view s) {
  thread_local simdjson::dom::parser parser;
  if (parser.parse(s.data(), s.size()).error()) return invalid(type_id::json, s);
  return {};
}

std::string_view pg_name(type_id t) {
  switch (t) {
    case type_id::boolean:
      return "boolean";
    case type_id::int32:
      return "integer";
    case type_id::int64:
      return "bigint";
    case type_id::float64:
      return "double precision";
    case type_id::decimal:
      return "numeric";
    case type_id::string:
      return "text";
    case type_id::bytes:
      return "bytea";
    case type_id::date:
      return "date";
    case type_id::timestamp:
      return "timestamp";
    case type_id::interval:
      return "interval";
    case type_id::json:
      return "json";
    case type_id::list:
      return "array";
    case type_id::struct_:
      return "record";
  }
  return "unknown";
}
std::string pg_name(const data_type& t) {
  if (t.id == type_id::list && t.fields) return pg_name(t.fields->front().type) + "[]";
  if (t.id == type_id::struct_) return to_string(t);
  return std::string(pg_name(t.id));
}

}  // namespace weir::expr
