// Keeps the readers of one generated stream together: whoever is far ahead of the slowest waits for
// it, so that joins and windows downstream hold what lies between them and not whole tables.
// Within a process and a job; advice, not a promise: a reader that is stuck holds the others up for
// a while only. Thread-safe; a member belongs to one reader.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/base/ids.hpp"

namespace weir {

class stream_lead {
 public:
  class member {
   public:
    ~member();
    /// Says where the reader is, and asks whether it may go on or has to wait for others. Any unit
    /// of progress, the same for all.
    bool may_read(uint64_t at, timestamp_us now);
    /// The reader has nothing to read: nobody waits for it.
    void leave();

   private:
    friend class stream_lead;
    std::shared_ptr<stream_lead> lead_;
    std::atomic<uint64_t> at_{UINT64_MAX};
    uint64_t slowest_ = 0;            // when this one last looked
    timestamp_us waiting_since_ = 0;  // 0 = not waiting
  };

  /// Joins the readers of stream `name`. `limit`: how far one may be ahead of the slowest.
  static std::unique_ptr<member> join(const std::string& name, uint64_t limit);

 private:
  explicit stream_lead(uint64_t limit) : limit_(limit) {}
  uint64_t limit_;
  std::mutex m_;
  std::vector<member*> members_;
};

}  // namespace weir
