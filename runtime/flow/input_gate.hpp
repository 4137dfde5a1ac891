// The receiving end of a task's channels: queues, credit, the merged watermark, and the alignment
// of barriers (Chandy-Lamport; aligned, turning unaligned when told to). Transport-free and without
// a clock; owned by one task. Invariants: a channel that is ahead of a barrier in alignment is not
// read and gets no credit; the merged watermark never goes back; every channel's messages are taken
// in order; what was in flight in a restored epoch is taken before anything newer.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/flow/message.hpp"

namespace weir {

struct input_channel_spec {
  channel_id id;
  uint32_t edge = 0;
  uint16_t port = 0;  // input of the chain's first operator
  uint32_t from_subtask = 0;
};

class input_gate {
 public:
  struct options {
    bool align = true;  // false: at-least-once, barriers do not hold channels back
    credit window;      // what each channel may have unprocessed here
  };
  using grant_fn = std::function<void(channel_id, credit)>;

  enum class item_kind : uint8_t { none, data, watermark, idle, barrier, input_end };
  struct item {
    item_kind kind = item_kind::none;
    uint16_t port = 0;     // data, input_end
    uint32_t channel = 0;  // data: for give_back()
    batch_ptr rows;
    timestamp_us watermark = watermark_none;
    epoch number;     // barrier
    epoch completed;  // barrier: newest epoch that is complete
  };

  input_gate(std::vector<input_channel_spec>, options, grant_fn);

  /// The job continues from an epoch: every channel says `restored` behind what it had in flight.
  void await_restored() { restored_left_ = channels_.size(); }
  bool awaits_restored() const noexcept { return restored_left_ != 0; }
  /// A message arrived. Never blocks; memory is bounded by the credit that was granted.
  void enqueue(channel_message);
  /// The next thing to process, or none when all that is queued has to wait.
  item next();
  /// Rows of the item that next() gave last which were not processed: they are the next ones of
  /// their channel, in front of its barriers.
  void give_back(const item&, batch_ptr rest);
  /// Whether next() would return something.
  bool ready() const;
  bool empty() const noexcept { return channels_.empty(); }

  /// The newest epoch of which a barrier has arrived, in a queue or taken; 0 = none. While it is
  /// newer than completed(), the time limit of alignment runs.
  epoch seen() const noexcept { return seen_; }
  /// What the newest barrier that has arrived said of the epochs before it.
  epoch seen_completed() const noexcept { return seen_completed_; }
  /// The newest epoch whose barriers were taken on all channels, overtaken or given up.
  epoch completed() const noexcept { return last_barrier_; }
  /// A barrier that has overtaken data arrived: the task has to snapshot now.
  std::optional<epoch> must_overtake() const noexcept { return overtake_request_; }
  /// Makes epoch `e` unaligned: channels are released, and data that is queued or still arrives
  /// before its channel's barrier is recorded for the snapshot.
  void overtake(epoch e);
  /// Epoch being recorded after overtake(); 0 = none.
  epoch recording() const noexcept { return recording_; }
  bool recording_complete() const noexcept { return recording_left_ == 0; }
  /// Once complete: what was recorded. Ends the recording.
  std::vector<in_flight> take_recorded();
  /// The coordinator gave the epoch up: releases what it held.
  void abort(epoch);

  timestamp_us watermark() const noexcept { return merged_; }
  /// The watermark that the restored snapshot had reached: it does not go back behind it.
  void raise_floor(timestamp_us t) noexcept { merged_ = std::max(merged_, t); }
  /// All channels have reached watermark_end and everything queued was taken.
  bool ended() const;
  /// Batches waiting here, for reports.
  size_t queued() const noexcept { return queued_; }
  /// The channel that holds the merged watermark back; nothing when there is none.
  std::optional<channel_id> slowest() const;

 private:
  struct channel {
    input_channel_spec spec;
    std::deque<channel_message> queue;
    uint64_t next_sequence = 0;
    timestamp_us watermark = watermark_none;
    bool idle = false;
    bool given_back = false;  // the front of the queue is the rest of a batch
    bool held = false;        // its barrier of aligning_ was taken
    bool restored = false;    // all that it had in flight was taken
    bool recording = false;   // data up to its barrier of recording_ is recorded
    credit consumed;          // not yet granted back
  };
  channel& find(channel_id);
  void record(const channel&, const channel_message&);
  void consume(channel&, const channel_message&);
  void settle(channel&);
  item merge_watermark();
  /// Whether `c`, which has just ended, was the last channel of its port that had not, of several.
  bool ends_input(const channel& c) const;
  item take_barrier(channel&, const channel_message&);
  void release_all();
  bool waits(const channel& c) const {
    return (c.held && options_.align) || (c.restored && restored_left_ != 0);
  }

  std::vector<channel> channels_;
  std::vector<uint32_t> index_;  // channel id - first id -> position
  uint32_t first_id_ = 0;
  options options_;
  grant_fn grant_;
  size_t cursor_ = 0;
  size_t queued_ = 0;
  timestamp_us merged_ = watermark_none;
  bool all_idle_ = false;
  bool merge_due_ = false;  // a watermark was taken, and the end of an input said first
  epoch aligning_, last_barrier_, seen_, seen_completed_;
  size_t arrived_ = 0;
  size_t restored_left_ = 0;  // channels that have rows of the restored epoch to come
  epoch recording_;
  size_t recording_left_ = 0;
  std::vector<in_flight> recorded_;
  std::optional<epoch> overtake_request_;
};

}  // namespace weir
