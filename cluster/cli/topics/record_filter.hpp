// --filter: a SQL condition over records. Columns: key, value (text), "offset", partition,
// timestamp; any other name is that field of a value that is a JSON object, as text (value::json
// ->> 'name'). One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir::cli {

/// A record that outlives the fetch it came in.
struct held_record {
  int32_t partition = 0;
  int64_t offset = 0, timestamp_ms = 0;
  std::optional<std::string> key, value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;

  held_record(int32_t partition, const record&);
};

class record_filter {
 public:
  /// Errors name the column of the text, as those of job files do.
  static result<record_filter> make(const std::string& sql);
  record_filter(record_filter&&) noexcept;
  ~record_filter();

  /// Indices of those for which the condition is true, rising. A record for which it cannot be
  /// computed (a value that is no JSON, say) is none of them, and counted.
  result<std::vector<uint32_t>> matching(const std::vector<held_record>&);
  uint64_t failed() const noexcept;
  /// Why, of the first one.
  const std::string& first_failure() const noexcept;

 private:
  struct state;
  explicit record_filter(std::unique_ptr<state>);
  std::unique_ptr<state> s_;
};

}  // namespace weir::cli
