// Types of columns and schemas. Plain immutable values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir {

/// The numbers are part of the wire and snapshot formats: append only.
enum class type_id : uint8_t {
  boolean = 0,    // uint8 0 or 1
  int32 = 1,      //
  int64 = 2,      //
  float64 = 3,    //
  decimal = 4,    // decimal(38, scale): signed 128-bit integer, value = integer / 10^scale
  string = 5,     // UTF-8: uint32 offsets + bytes
  bytes = 6,      // uint32 offsets + bytes
  date = 7,       // int32 days since 1970-01-01
  timestamp = 8,  // int64 microseconds since 1970-01-01 00:00:00 UTC
  interval = 9,   // 16 bytes: int32 months, int32 days, int64 microseconds (PostgreSQL's layout)
  json = 10,      // text that parses as JSON; stored like string
  list = 11,      // uint32 offsets + one child column
  struct_ = 12,   // one child column per field
};

struct interval_value {
  int32_t months = 0;
  int32_t days = 0;
  int64_t micros = 0;
  friend bool operator==(const interval_value&, const interval_value&) = default;
};

struct field;

struct data_type {
  type_id id = type_id::int64;
  uint8_t scale = 0;                                 // decimal only, 0 to 38
  std::shared_ptr<const std::vector<field>> fields;  // list: one ("item"); struct: its fields

  data_type() = default;
  data_type(type_id t, uint8_t s = 0) : id(t), scale(s) {}  // NOLINT: implicit on purpose
  friend bool operator==(const data_type& a, const data_type& b);
};

struct field {
  std::string name;
  data_type type;
  bool nullable = true;
  friend bool operator==(const field&, const field&) = default;
};

/// Bytes of one fixed-width value; 0 for string, bytes, json, list and struct.
constexpr size_t fixed_width(type_id t) noexcept {
  switch (t) {
    case type_id::boolean:
      return 1;
    case type_id::int32:
    case type_id::date:
      return 4;
    case type_id::int64:
    case type_id::float64:
    case type_id::timestamp:
      return 8;
    case type_id::decimal:
    case type_id::interval:
      return 16;
    default:
      return 0;
  }
}
/// Whether values are uint32 offsets into bytes.
constexpr bool is_varlen(type_id t) noexcept {
  return t == type_id::string || t == type_id::bytes || t == type_id::json;
}

/// SQL's name: "int", "bigint", "text", "decimal(38,2)", "timestamp", "text[]" ...
std::string to_string(const data_type&);
/// The type of a SQL name (case-insensitive, with aliases such as int4, varchar, double precision,
/// numeric(p,s), "timestamp without time zone"); unknown names list the nearest.
result<data_type> parse_type(std::string_view sql_name);

struct schema {
  std::vector<field> fields;
  /// Index of the column that holds event time (type timestamp), where the stream has one.
  std::optional<uint32_t> event_time;

  size_t size() const noexcept { return fields.size(); }
  /// Index by exact name; nothing when absent.
  std::optional<uint32_t> find(std::string_view name) const noexcept;
  friend bool operator==(const schema&, const schema&) = default;
};
using schema_ptr = std::shared_ptr<const schema>;

}  // namespace weir
