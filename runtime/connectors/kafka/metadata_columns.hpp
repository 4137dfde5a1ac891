// Columns of a source that are not in its records' values: key, partition, offset, timestamp,
// headers, topic, as the table's options name them. One reader's.
#pragma once

#include "runtime/connectors/kafka/consumer.hpp"
#include "runtime/connectors/row_builder.hpp"

namespace weir {

class metadata_columns {
 public:
  metadata_columns(const source_spec&, memory_pool&);
  /// The source as the decoder of values sees it: without the columns that are filled here.
  const source_spec& value_spec() const { return value_spec_; }

  /// Why the record's parts are no values of their columns; "" = they are.
  std::string problem(const rd_kafka_message_t&) const;
  void reserve(uint32_t rows);
  /// Row `row`, in order.
  void append(uint32_t row, const rd_kafka_message_t&, const std::string& topic);
  /// All physical columns in the source's order; empty afterwards.
  std::vector<column_ptr> finish(std::vector<column_ptr> values, uint32_t rows);
  size_t bytes() const;

 private:
  enum class part : uint8_t { key, partition, offset, timestamp, headers, topic };
  struct meta {
    part what;
    uint32_t place;  // among the physical columns
    column_filler out;
  };
  source_spec value_spec_;
  std::vector<uint32_t> value_places_;
  std::vector<meta> metas_;
  uint32_t capacity_ = 0;
  std::string headers_;
};

/// {"name":"value"}; a name that occurs several times has a list, a value that is no UTF-8 is
/// {"base64":"..."}, one that is absent null. False: the record has no headers.
bool headers_to_json(const rd_kafka_message_t&, std::string& out);

}  // namespace weir
