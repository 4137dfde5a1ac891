// Values of records, one after the other in a window that the decoders of text formats take. One
// reader's; filled and decoded chunk by chunk.
#pragma once

#include "runtime/connectors/kafka/consumer.hpp"
#include "runtime/connectors/text_window.hpp"

namespace weir {

class record_chunk {
 public:
  /// `raw_text`: format raw into a column of type text.
  record_chunk(const text_format& f, bool raw_text) : format_(f), raw_text_(raw_text) {}

  void clear();
  bool full() const;
  bool empty() const { return messages_.empty(); }
  /// The record's value joins the chunk; nullopt = it has. Else the reason why it is no row's:
  /// "" = nothing is missing without it (Debezium's record behind a deletion), or what is wrong.
  std::optional<std::string> add(const rd_kafka_message_t*);
  /// Completes the window: masks, UTF-8. CSV records with a quote that stays open are in `bad`,
  /// and to be taken out.
  void finish(std::vector<bad_record>& bad);
  /// Leaves out records; indices ascend.
  void take_out(const std::vector<bad_record>&);

  const text_window& window() const { return window_; }
  const std::vector<record_range>& records() const { return records_; }
  /// By record.
  const std::vector<const rd_kafka_message_t*>& messages() const { return messages_; }

 private:
  void scan();
  text_format format_;
  bool raw_text_;
  std::vector<char> text_;
  size_t used_ = 0;
  text_window window_;
  std::vector<record_range> records_;
  std::vector<const rd_kafka_message_t*> messages_;
};

}  // namespace weir
