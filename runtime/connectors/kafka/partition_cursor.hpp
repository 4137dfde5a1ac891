// A partition as its reader sees it: records that were taken and not decoded yet, and how far it
// is. One reader's; its task's thread.
#pragma once

#include <deque>

#include "runtime/connectors/kafka/consumer.hpp"

namespace weir {

/// One partition that is being read.
struct partition_cursor {
  source_split split;  // its payload is made anew by snapshot()
  kafka_split at;      // as of the last emitted batch
  std::deque<kafka_message> waiting;
  int64_t read = 0;       // offset behind the last record that was decoded or passed over
  int64_t seen_end = -1;  // the partition has nothing (stable) from here on, for now
  bool past_end = false;  // a record behind the split's end has come
  bool ended() const {
    return waiting.empty() && at.end != kafka_split::never &&
           (read >= at.end || past_end || seen_end >= at.end);
  }
};

inline std::string place_of(const kafka_partition& p, int64_t offset) {
  return to_string(p) + ":" + std::to_string(offset);
}

}  // namespace weir
