// What tasks say to each other. A channel carries channel_messages from one task to one other, in
// order; credit flows back. Tasks know each other only through these, so a channel between two
// processes is the same code over another transport.
#pragma once

#include "runtime/base/ids.hpp"
#include "runtime/column/batch.hpp"

namespace weir {

enum class message_kind : uint8_t {
  data = 0,       // rows, charged against credit
  watermark = 1,  // event time: no later row of this channel is older than `value`
  idle = 2,       // the channel leaves the minimum of watermarks until it speaks again
  barrier = 3,    // everything before belongs to epoch `value`, everything after does not
  restored = 4,   // everything before was in flight in the restored epoch: the receiver takes it
                  // from all channels before anything newer, so that order per key is kept
};

struct channel_message {
  channel_id channel;
  uint64_t sequence = 0;  // 0, 1, 2 ... per channel: a gap or repeat is a transport's bug
  message_kind kind = message_kind::data;
  bool unaligned = false;  // barrier: it has overtaken data; the receiver snapshots at once
  int64_t value = 0;       // watermark: microseconds; barrier: epoch
  epoch completed;         // barrier: the newest epoch that is complete; older ones were given up
  batch_ptr rows;          // data
  uint64_t bytes = 0;      // data: what is charged against credit
};

/// Permission to send that much more over a channel; from receiver to sender.
struct credit {
  uint64_t bytes = 0;
  uint32_t batches = 0;
};

/// A batch that was on its way when a barrier overtook it; part of the snapshot.
struct in_flight {
  uint32_t edge = 0;  // index in the plan
  batch_ptr rows;
  uint32_t from_subtask = 0;  // of the sender: the same one sends it again, so that order is kept
};

}  // namespace weir
