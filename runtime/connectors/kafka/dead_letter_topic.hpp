// The topic of records that could not be read or computed (option dead_letter_topic): each becomes
// a record with the bytes, the key and the headers of the one that failed, and headers that say
// why, where and in which job. They leave with their epoch (outbox.hpp), so each is there exactly
// once. Owned by a reader or an operator's error policy; its task's thread.
#pragma once

#include "runtime/connectors/dead_letters.hpp"
#include "runtime/connectors/kafka/outbox.hpp"

namespace weir {

class dead_letter_topic {
 public:
  /// The options of the table whose bad records they are.
  static result<std::unique_ptr<dead_letter_topic>> of(const option_map&);

  void open(const operator_context&);
  status restore(const snapshot_reader& r) { return outbox_.restore(r); }
  /// Appends a letter's record to `out`, for add().
  void append(std::string& out, const dead_letters::letter&) const;
  status add(std::string_view records);
  bool blocked() const { return outbox_.blocked(); }

  void snapshot_begin(snapshot_writer& w) { outbox_.snapshot_begin(w); }
  result<bool> snapshot_continue(snapshot_writer&);
  status on_epoch_complete(epoch);
  void on_epoch_aborted() { outbox_.on_epoch_aborted(); }
  result<bool> committed() const;
  void close() { outbox_.close(); }

 private:
  explicit dead_letter_topic(record_outbox::options o) : outbox_(std::move(o)) {}

  operator_context context_;
  record_outbox outbox_;
};

/// Where a reader's bad records go: to files, to a topic, or (neither) nowhere.
struct letter_outlet {
  std::unique_ptr<dead_letters> files;
  std::unique_ptr<dead_letter_topic> topic;

  /// As the table's options say; open.
  static result<letter_outlet> of(const source_spec&, const operator_context&);
  bool keeps() const { return files || topic; }
  /// Appends a letter in the outlet's form.
  void append(std::string& out, const dead_letters::letter&) const;
};

/// What is wrong with the options of a table that is read, as far as its dead letters' topic goes.
status check_dead_letter_topic(std::string_view connector, const option_map&);
/// Whether `name` says where the cluster of a table's dead letters is, of connectors that have no
/// cluster of their own.
bool is_dead_letter_option(std::string_view name, const option_map&);

}  // namespace weir
