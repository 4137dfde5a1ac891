// Records that wait for their transaction, as bytes: the form in which a sink's memory and its
// snapshots hold them. Plain functions; the reader checks every length, for snapshots come from
// disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace weir {

struct record_view {
  std::optional<std::string_view> key, value;  // absent value: a tombstone
  std::string_view headers;                    // header_writer's bytes
  int32_t partition = -1;                      // -1 = by key, or the next in turn
  int64_t timestamp_ms = 0;                    // 0 = when it is sent
};

void append_record(std::string& out, const record_view&);

class record_cursor {
 public:
  explicit record_cursor(std::string_view bytes) : rest_(bytes) {}
  /// False at the end. An error: the bytes are damaged.
  result<bool> next(record_view&);
  /// Where the record that next() will give begins.
  size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

struct header_view {
  std::string_view name;
  std::optional<std::string_view> value;
};
void append_header(std::string& out, const header_view&);

class header_cursor {
 public:
  explicit header_cursor(std::string_view bytes) : rest_(bytes) {}
  result<bool> next(header_view&);

 private:
  std::string_view rest_;
};

/// The bytes of a JSON object's members as headers, as metadata_columns.hpp gives them; an error
/// says what is wrong with the text.
status headers_from_json(std::string_view json, std::string& out);

}  // namespace weir
