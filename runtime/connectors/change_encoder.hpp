// Changes as lines of JSON: Debezium's envelopes (a row before and after), or upserts by key. One
// sink's; not thread-safe.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/connectors/row_encoder.hpp"

namespace weir {

class change_encoder {
 public:
  /// Of a sink whose format is debezium_json or upsert_json; nothing for other formats. An error:
  /// upserts without a primary key.
  static result<std::optional<change_encoder>> of(const sink_spec&);

  /// Appends what the batch changes. With a key an old and a new row of it within the batch are one
  /// update. Returns the number of lines.
  uint64_t encode(std::string& out, const batch&);
  /// The same, change by change: the key's columns as JSON (empty: the table has no key) and the
  /// row before and after.
  using visitor =
      std::function<void(const std::string& key, const std::optional<std::string>& before,
                         const std::optional<std::string>& after)>;
  void for_each(const batch&, const visitor&);
  /// Debezium's envelope of a change.
  static void envelope(std::string& out, const std::optional<std::string>& before,
                       const std::optional<std::string>& after);

 private:
  struct change {
    std::optional<std::string> before, after;
  };
  void note(const batch&, uint32_t row, int32_t weight);

  bool upserts_ = false;
  std::vector<uint32_t> keys_;
  row_encoder rows_, key_rows_;
  absl::flat_hash_map<std::string, size_t> places_;
  std::vector<std::pair<std::string, change>> changes_;
};

}  // namespace weir
