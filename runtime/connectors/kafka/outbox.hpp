// Records that leave with their epoch: they are kept in its snapshot, and written in one
// transaction when it is complete. librdkafka cannot finish a transaction of a process that is
// gone, so the transaction holds a mark of its epoch: who continues from a snapshot looks for it,
// after fencing the task before, and writes what the mark does not cover. Records are never in a
// transaction while they wait for an epoch, so none hangs, and readers are not held up by
// snapshots. At least once: records leave at once, a barrier waits for their acknowledgement.
// Owned by a sink or by what writes dead letters; its task's thread. What waits runs on a thread of
// the outbox's own, in the order of one lane.
#pragma once

#include "runtime/connectors/kafka/settings.hpp"
#include "runtime/connectors/kafka/sink_snapshot.hpp"

namespace weir {

class io_lane;

class record_outbox {
 public:
  struct options {
    option_map table;  // where the cluster is
    kafka_sink_settings settings;
    std::string state = std::string(sink_snapshot::records_state);
    /// Connects with the first record, not with the first barrier: for what is seldom written.
    bool lazy = false;
  };
  explicit record_outbox(options);
  ~record_outbox();

  /// Transactions and marks are under `name` and the subtask's number.
  void open(const operator_context&, const std::string& name);
  status restore(const snapshot_reader&);
  /// Before the first row.
  void begin();
  /// Where records (records.hpp) are appended, and the word that some were.
  std::string& text() { return text_; }
  status filled();
  /// Too much waits; the task is woken when it may be less.
  bool blocked() const;
  status failed() const;

  void snapshot_begin(snapshot_writer&);
  result<bool> snapshot_continue(snapshot_writer&);
  status on_epoch_complete(epoch);
  void on_epoch_aborted() { frozen_ = 0; }  // they are the next epoch's
  /// False while records of complete epochs are being written.
  result<bool> committed() const;
  void close();

 private:
  struct worker;
  io_lane& lane() const;
  void hold();
  void recover(sink_snapshot);

  options options_;
  operator_context context_;
  bool exactly_once_ = true;
  bool begun_ = false;
  std::string transactional_id_, group_;
  std::shared_ptr<worker> worker_;

  std::string text_;              // encoded, in no piece yet
  std::vector<buffer_ref> held_;  // pieces that no transaction holds, in order
  size_t held_bytes_ = 0;
  size_t frozen_ = 0;  // the first ones: of the epoch that is not decided yet
  epoch frozen_in_;
  size_t named_ = 0;  // pieces that the store has of this subtask
  uint64_t barrier_ = 0, commit_ = 0;
};

}  // namespace weir
