// Records as JSON, the form that the command line and the HTTP API read and write alike:
//   {"partition": 0, "offset": 17, "timestamp": "2026-01-31 10:00:00.123", "key": "ann",
//    "value": "...", "headers": {"trace": "42"}}
// Keys, values and headers are strings; bytes that are no UTF-8 stand as {"base64": "..."}. A
// header that occurs several times has a list. Pure functions.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/log/record_reader.hpp"

namespace weir::streams {

struct record_json_options {
  /// A value that is JSON itself stands as it is instead of as a string.
  bool embed_json = false;
};
void append_record_json(std::string& out, int32_t partition, const record&,
                        record_json_options = {});

/// "2026-01-31 10:00:00.123", UTC.
std::string time_text(int64_t ms);
/// A time as people write it: such a text (also with T and Z), milliseconds since 1970, or "-5m":
/// so long before `now_ms`.
result<int64_t> parse_time_ms(const std::string& text, int64_t now_ms);

std::string_view text_of(byte_view) noexcept;
/// For people: text as it is, other bytes as "\x0a1b..." (PostgreSQL's form).
std::string readable(byte_view);

/// A record to be written.
struct new_record {
  std::optional<std::string> key, value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::optional<int32_t> partition;
  std::optional<int64_t> timestamp_ms;
};
/// The reverse; "offset" and "topic" are passed over. A key or value that is an object, list,
/// number or boolean stands for its JSON text. `now_ms`: for timestamps.
result<new_record> parse_record_json(simdjson::dom::element, int64_t now_ms);

/// The field of a JSON object that a record's key is taken from: "id", or "user.id" inside objects.
/// Strings without their quotes, other values as JSON; null is no key. errc::unknown_name without
/// such a field.
result<std::optional<std::string>> key_of_json(simdjson::dom::element, const std::string& field);

}  // namespace weir::streams
