// Rows as records: the value in the table's format, the other parts from the columns that options
// name; changes as Debezium's envelopes or upserts under the primary key. One sink's.
#pragma once

#include "runtime/connectors/change_encoder.hpp"
#include "runtime/connectors/kafka/records.hpp"
#include "runtime/connectors/kafka/settings.hpp"

namespace weir {

class record_encoder {
 public:
  static result<record_encoder> of(const sink_spec&, const kafka_sink_settings&);
  /// Appends the records of a batch (records.hpp); returns how many.
  result<uint64_t> encode(std::string& out, const batch&);

 private:
  status add_row(std::string& out, const batch&, const batch& values, uint32_t row);
  result<uint64_t> encode_changes(std::string& out, const batch&);
  bool raw_ = false, upserts_ = false;
  std::string topic_;
  row_encoder values_;
  std::optional<change_encoder> changes_;
  std::vector<uint32_t> value_columns_;
  std::optional<uint32_t> key_, partition_, timestamp_, headers_;
  std::string value_text_, header_bytes_;
};

}  // namespace weir
