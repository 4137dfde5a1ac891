// Types, schemas, errors and parameters as custom operators see them. Plain values.
// Part of the SDK: include <weir/operator.hpp>.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/abi.hpp>

// The namespace keeps the SDK's names apart from the engine's in one process.
namespace weir {
inline namespace sdk1 {

/// Microseconds since 1970-01-01 00:00:00 UTC.
using timestamp_us = int64_t;
inline constexpr timestamp_us watermark_none = INT64_MIN;  // nothing known yet
inline constexpr timestamp_us watermark_end = INT64_MAX;   // no row will follow
using duration = std::chrono::microseconds;

/// What the SDK throws; operators may throw it too, or any other exception. It ends the call and
/// becomes a failure of the task that names the operator.
class error : public std::runtime_error {
 public:
  explicit error(const std::string& message, abi::code code = abi::user_code)
      : std::runtime_error(message), code_(code) {}
  abi::code code() const noexcept { return code_; }

 private:
  abi::code code_;
};

enum class type_id : uint8_t {
  boolean = 0,    // bool
  int32 = 1,      // int32_t
  int64 = 2,      // int64_t
  float64 = 3,    // double
  decimal = 4,    // weir::decimal
  string = 5,     // std::string_view, UTF-8
  bytes = 6,      // std::string_view
  date = 7,       // int32_t days since 1970-01-01
  timestamp = 8,  // int64_t microseconds since 1970-01-01 00:00:00 UTC
  interval = 9,   // weir::interval
  json = 10,      // std::string_view
};

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

struct decimal {
  int128 unscaled = 0;  // value = unscaled / 10^scale
  uint8_t scale = 0;
  friend bool operator==(const decimal&, const decimal&) = default;
};

struct interval {
  int32_t months = 0;
  int32_t days = 0;
  int64_t micros = 0;
  friend bool operator==(const interval&, const interval&) = default;
};

namespace detail {

inline std::string_view view(abi::text t) {
  return {t.data, static_cast<size_t>(t.size)};
}
inline abi::text text_of(std::string_view s) {
  return {s.data(), s.size()};
}
inline std::string str(std::string_view s) {
  return std::string(s);
}

inline std::string_view trim(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}

inline std::string lower(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return r;
}

inline size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t next = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = row[j];
      row[j] = next;
    }
  }
  return row[b.size()];
}

/// "; did you mean 'x'?" or "; there are: a, b, c".
inline std::string suggestion(std::string_view wanted, const std::vector<std::string>& names) {
  const std::string* best = nullptr;
  size_t distance = wanted.size() / 3 + 2;
  for (const auto& n : names)
    if (auto d = edit_distance(lower(wanted), lower(n)); d < distance) distance = d, best = &n;
  if (best) return "; did you mean '" + *best + "'?";
  std::string r = names.empty() ? "; there are none" : "; there are: ";
  for (size_t i = 0; i < names.size(); ++i) r += (i ? ", " : "") + names[i];
  return r;
}

/// Whether T reads and writes columns of a type, and T's name in messages.
template <class T>
constexpr bool accepts(type_id t) {
  if constexpr (std::is_same_v<T, bool>) return t == type_id::boolean;
  if constexpr (std::is_same_v<T, int32_t>) return t == type_id::int32 || t == type_id::date;
  if constexpr (std::is_same_v<T, int64_t>) return t == type_id::int64 || t == type_id::timestamp;
  if constexpr (std::is_same_v<T, double>) return t == type_id::float64;
  if constexpr (std::is_same_v<T, decimal>) return t == type_id::decimal;
  if constexpr (std::is_same_v<T, interval>) return t == type_id::interval;
  if constexpr (std::is_same_v<T, std::string_view>)
    return t == type_id::string || t == type_id::bytes || t == type_id::json;
  return false;
}
template <class T>
inline constexpr bool is_column_type =
    std::is_same_v<T, bool> || std::is_same_v<T, int32_t> || std::is_same_v<T, int64_t> ||
    std::is_same_v<T, double> || std::is_same_v<T, decimal> || std::is_same_v<T, interval> ||
    std::is_same_v<T, std::string_view>;

inline const char* cpp_name(type_id t) {
  switch (t) {
    case type_id::boolean:
      return "bool";
    case type_id::int32:
    case type_id::date:
      return "int32_t";
    case type_id::int64:
    case type_id::timestamp:
      return "int64_t";
    case type_id::float64:
      return "double";
    case type_id::decimal:
      return "weir::decimal";
    case type_id::interval:
      return "weir::interval";
    default:
      return "std::string_view";
  }
}

constexpr size_t width_of(type_id t) {
  switch (t) {
    case type_id::boolean:
      return 1;
    case type_id::int32:
    case type_id::date:
      return 4;
    case type_id::decimal:
    case type_id::interval:
      return 16;
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return 0;
    default:
      return 8;
  }
}

}  // namespace detail

/// A column bound once (in open) and then used for every batch without a look-up by name.
template <class T>
struct column_ref {
  uint32_t index = UINT32_MAX;
};

struct field {
  std::string name;
  type_id type = type_id::int64;
  uint8_t scale = 0;
  bool nullable = true;
  /// "text", "bigint", "decimal(38,2)" ...
  std::string type_name() const;
  friend bool operator==(const field&, const field&) = default;
};

class schema {
 public:
  schema() = default;
  /// "origin text, window_start timestamp, n bigint": names and SQL types, as in CREATE TABLE.
  schema(std::string_view sql);                                      // NOLINT: implicit on purpose
  schema(const char* sql) : schema(std::string_view(sql)) {}         // NOLINT
  schema(const std::string& sql) : schema(std::string_view(sql)) {}  // NOLINT

  schema& add(std::string name, type_id type, uint8_t scale = 0) {
    fields_.push_back({std::move(name), type, scale, true});
    return *this;
  }
  schema& add(field f) { return fields_.push_back(std::move(f)), *this; }
  /// Marks a timestamp column as the event time of the stream.
  schema& event_time(std::string_view column);
  /// The event-time column, if there is one.
  std::optional<uint32_t> event_time() const { return event_time_; }
  void set_event_time(std::optional<uint32_t> i) { event_time_ = i; }

  size_t size() const { return fields_.size(); }
  const field& operator[](size_t i) const { return fields_[i]; }
  const std::vector<field>& fields() const { return fields_; }
  std::optional<uint32_t> find(std::string_view name) const {
    for (size_t i = 0; i < fields_.size(); ++i)
      if (fields_[i].name == name) return static_cast<uint32_t>(i);
    return {};
  }
  /// The index of a column; an error with the nearest name when there is none.
  uint32_t index(std::string_view name) const {
    if (auto i = find(name)) return *i;
    std::vector<std::string> names;
    for (const auto& f : fields_) names.push_back(f.name);
    throw error("no column '" + std::string(name) + "'" + detail::suggestion(name, names),
                abi::invalid_argument);
  }
  /// A typed reference to a column, checked against its type.
  template <class T>
  column_ref<T> bind(std::string_view name) const {
    return bind<T>(index(name));
  }
  template <class T>
  column_ref<T> bind(uint32_t i) const {
    static_assert(detail::is_column_type<T>,
                  "columns are read as bool, int32_t, int64_t, double, weir::decimal, "
                  "weir::interval or std::string_view");
    if (i >= fields_.size())
      throw error(
          "no column " + std::to_string(i) + ": there are " + std::to_string(fields_.size()),
          abi::invalid_argument);
    if (!detail::accepts<T>(fields_[i].type))
      throw error("column '" + fields_[i].name + "' is " + fields_[i].type_name() + ": use " +
                      detail::cpp_name(fields_[i].type),
                  abi::invalid_argument);
    return {i};
  }
  friend bool operator==(const schema&, const schema&) = default;

 private:
  std::vector<field> fields_;
  std::optional<uint32_t> event_time_;
};

namespace detail {

inline field parse_field(std::string_view item) {
  item = trim(item);
  size_t space = item.find_first_of(" \t\n");
  if (item.empty() || space == std::string_view::npos)
    throw error("column '" + str(item) + "': expected a name and a type, such as 'n bigint'",
                abi::invalid_argument);
  field f;
  f.name = item.substr(0, space);
  std::string t = lower(trim(item.substr(space)));
  if (size_t p = t.find("not null"); p != std::string::npos)
    f.nullable = false, t = lower(trim(std::string_view(t).substr(0, p)));
  if (t.starts_with("decimal") || t.starts_with("numeric")) {
    f.type = type_id::decimal;
    if (size_t c = t.find(','); c != std::string::npos)
      f.scale = static_cast<uint8_t>(std::atoi(t.c_str() + c + 1));
    if (f.scale > 38) throw error("decimal scale is over 38: " + t, abi::invalid_argument);
    return f;
  }
  static constexpr std::pair<std::string_view, type_id> types[] = {
      {"boolean", type_id::boolean},     {"bool", type_id::boolean},
      {"int", type_id::int32},           {"integer", type_id::int32},
      {"int4", type_id::int32},          {"bigint", type_id::int64},
      {"int8", type_id::int64},          {"double precision", type_id::float64},
      {"double", type_id::float64},      {"float8", type_id::float64},
      {"float64", type_id::float64},     {"text", type_id::string},
      {"varchar", type_id::string},      {"string", type_id::string},
      {"bytea", type_id::bytes},         {"date", type_id::date},
      {"timestamp", type_id::timestamp}, {"interval", type_id::interval},
      {"json", type_id::json},           {"jsonb", type_id::json}};
  std::vector<std::string> names;
  for (auto [n, id] : types) {
    if (t == n) return f.type = id, f;
    names.emplace_back(n);
  }
  throw error("column '" + f.name + "': unknown type '" + t + "'" + suggestion(t, names),
              abi::invalid_argument);
}

}  // namespace detail

inline schema::schema(std::string_view sql) {
  size_t begin = 0, depth = 0;
  for (size_t i = 0; i <= sql.size(); ++i) {
    if (i < sql.size() && sql[i] == '(') ++depth;
    if (i < sql.size() && sql[i] == ')' && depth) --depth;
    if (i < sql.size() && (sql[i] != ',' || depth)) continue;
    fields_.push_back(detail::parse_field(sql.substr(begin, i - begin)));
    begin = i + 1;
  }
}

inline schema& schema::event_time(std::string_view column) {
  uint32_t i = index(column);
  if (fields_[i].type != type_id::timestamp)
    throw error("event time column '" + fields_[i].name + "' is " + fields_[i].type_name() +
                    ", not timestamp",
                abi::invalid_argument);
  event_time_ = i;
  return *this;
}

inline std::string field::type_name() const {
  static constexpr const char* names[] = {"boolean",   "int",      "bigint", "double precision",
                                          "decimal",   "text",     "bytea",  "date",
                                          "timestamp", "interval", "json"};
  auto i = static_cast<size_t>(type);
  if (type == type_id::decimal) return "decimal(38," + std::to_string(scale) + ")";
  return i < std::size(names) ? names[i] : "a nested type";
}

}  // namespace sdk1
}  // namespace weir
