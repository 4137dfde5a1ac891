// The source at the head of a task: polls the reader, keeps event time per split, asks for splits,
// and in at-most-once mode holds rows back until their positions are durable. Owned by one task.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "runtime/connectors/source.hpp"
#include "runtime/flow/standing.hpp"
#include "runtime/flow/watermark.hpp"

namespace weir {

class source_driver {
 public:
  struct options {
    delivery_mode mode = delivery_mode::exactly_once;
    split_watermarks::options time;
    std::optional<uint32_t> event_time;  // column of the source's output
  };
  struct taken {
    enum class kind : uint8_t { rows, nothing, need_splits, ended } what = kind::nothing;
    batch_ptr rows;
    timestamp_us wake_at = watermark_end;
  };

  source_driver(std::unique_ptr<source_reader>, options);

  status open(operator_context);
  /// Splits that the coordinator hands to this task. `last`: there will never be more. `hold`: some
  /// split that bounds event time is not read by anybody yet.
  status add_splits(std::vector<source_split>, bool last, bool hold, timestamp_us now);
  void hold(bool on) {
    watermarks_.hold(on);
    time_moves_ = !on;
  }
  source_standing standing() const;

  result<taken> take(timestamp_us now);
  split_watermarks::reading watermark(timestamp_us now);
  /// Held rows may go on: take() returns them without reading more.
  bool releasable() const;
  timestamp_us next_idle(timestamp_us now) const { return watermarks_.next_idle(now); }

  /// Bad records of an epoch that are not in their topic yet.
  status restore(const snapshot_reader&);
  status snapshot(snapshot_writer&);
  /// What snapshot() has frozen; false = the task is woken when there is more to write.
  result<bool> snapshot_continue(snapshot_writer&);
  /// False while bad records of complete epochs are on their way to their topic.
  result<bool> committed() const;
  /// Too many of them wait.
  bool blocked() const;
  status epoch_complete(epoch);
  void epoch_aborted(epoch);
  std::string position() const { return reader_->position(); }
  status close() { return reader_->close(); }
  const operator_context& context() const { return context_; }

  /// Name of the state that holds the unfinished splits (split_list.hpp). A restored task starts
  /// with none: the coordinator reads them and hands them out again.
  static constexpr std::string_view state_name = "splits";

 private:
  struct held_rows {
    batch_ptr rows;  // none: only the split's end
    epoch after;     // 0 = not yet covered by a snapshot
    std::string split;
    bool split_ended = false;
    timestamp_us split_time = watermark_none;
  };
  taken hand_on(batch_ptr);
  void observe(const held_rows&, timestamp_us now);

  std::unique_ptr<source_reader> reader_;
  options options_;
  operator_context context_;
  split_watermarks watermarks_;
  std::map<std::string, uint64_t> orders_;  // of the splits that were handed to this task
  std::vector<source_split> given_;         // since the newest complete epoch, as they were handed
  size_t given_before_barrier_ = 0;         // of these: before the epoch that is under way
  std::string stream_;                      // `ordered_by` of the last one
  bool time_moves_ = false;                 // it was told that event time is not held
  bool asked_ = false;                      // a request for splits is under way
  bool last_ = false;                       // no more splits will come
  bool nothing_ = false;   // asked, and there is none for this task until the source finds more
  bool exhausted_ = true;  // the reader has nothing left to read
  std::deque<held_rows> held_;
  size_t held_bytes_ = 0;
  epoch released_;
};

}  // namespace weir
