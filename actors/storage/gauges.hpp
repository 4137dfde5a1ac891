// What partitions show of themselves to metrics, without being asked: numbers that a partition
// keeps up to date and anyone may read, so that looking opens no partition and waits for none.
// Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/log/log_types.hpp"

namespace weir {

struct partition_gauges {
  // Of the log; -1 until the partition was opened.
  std::atomic<int64_t> start{-1}, end{-1}, stable{-1}, bytes{-1}, segments{-1};
  // Since the node started.
  std::atomic<uint64_t> records_in{0}, bytes_in{0}, batches_in{0}, bytes_out{0}, refused{0};
};
using partition_gauges_ptr = std::shared_ptr<partition_gauges>;

class gauge_board {
 public:
  partition_gauges_ptr add(const log_id& id) {
    auto g = std::make_shared<partition_gauges>();
    std::lock_guard lock(mutex_);
    gauges_[id] = g;
    return g;
  }
  void remove(const log_id& id) {
    std::lock_guard lock(mutex_);
    gauges_.erase(id);
  }
  /// Null for a partition that is not on this node.
  partition_gauges_ptr find(const log_id& id) const {
    std::lock_guard lock(mutex_);
    auto it = gauges_.find(id);
    return it == gauges_.end() ? nullptr : it->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<log_id, partition_gauges_ptr> gauges_;
};

}  // namespace weir
