// What a node fetches from one leader: which of its partitions are read on from where, which are
// busy (their batches are being made durable, their logs cut), which have to wait after an error.
// Gives whole requests and takes whole answers apart. A state machine: no thread, socket or clock;
// owned by who talks to that leader.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/kafka/partition/leader_epochs.hpp"
#include "runtime/kafka/partition/role.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/log/log_types.hpp"

namespace weir::kafka {

/// After the first error of a partition; doubled with each further one, up to
/// replica.fetch.backoff.ms.
inline constexpr int64_t fetch_backoff_first_ms = 50;
/// Where positions are busy their next fetch is due soon: others do not hold the request longer.
inline constexpr int32_t fetch_wait_busy_ms = 5;

struct fetch_plan_options {
  int32_t self = no_node;
  int64_t incarnation = -1;               // grows with each registration of this node
  int32_t wait_ms_max = 500;              // replica.fetch.wait.max.ms
  int32_t bytes_min = 1;                  // replica.fetch.min.bytes
  int32_t partition_bytes_max = 1 << 20;  // replica.fetch.max.bytes
  int32_t response_bytes_max = 10 << 20;  // replica.fetch.response.max.bytes
  int64_t backoff_ms_max = 1000;          // replica.fetch.backoff.ms
  /// Bytes per second of partitions that are not in sync; 0: no bound.
  uint64_t throttle_bytes_per_s = 0;
};

/// Where one partition is read on.
struct fetch_position {
  log_id id;
  int32_t leader_epoch = 0;
  int64_t offset = 0;
  int32_t last_epoch = -1;
  int64_t log_start = 0;
  bool in_sync = true;  // as the metadata has it
};

/// What an answer says of one partition. Batches, a diverging epoch and OFFSET_OUT_OF_RANGE make it
/// busy until follow() says where it goes on; other errors are waited out.
struct fetched_partition {
  log_id id;
  int32_t leader_epoch = 0;
  int64_t offset = 0;  // as it was asked for
  error_code error = error_code::none;
  bytes_view batches;  // of the answer
  int64_t high_watermark = -1;
  int64_t log_start = -1;
  std::optional<epoch_end> diverging;  // with OFFSET_OUT_OF_RANGE: the leader's end
};

class fetch_plan {
 public:
  explicit fetch_plan(fetch_plan_options);

  /// The partition is read from here on, whatever was before.
  void follow(const fetch_position&);
  /// The same after an error of ours: not before the backoff is over.
  void follow_later(const fetch_position&, int64_t now_ms);
  void forget(const log_id&);
  bool empty() const noexcept { return partitions_.empty(); }
  size_t size() const noexcept { return partitions_.size(); }
  size_t busy() const noexcept { return busy_; }

  struct planned {
    fetch_request request;
    std::vector<std::pair<log_id, uint64_t>> asked;  // with the serial of its position
  };
  /// Nothing when all are busy or wait; see next_ms().
  std::optional<planned> next_request(int64_t now_ms);
  /// When something may be asked that waits now; INT64_MAX: only follow() changes that.
  int64_t next_ms(int64_t now_ms) const;
  /// What is news in the answer; what became of partitions meanwhile is left out. The bytes are the
  /// answer's.
  std::vector<fetched_partition> take(const planned&, const fetch_response&, int64_t now_ms);

 private:
  struct entry {
    fetch_position at;
    uint64_t serial = 0;
    bool busy = false;
    int64_t not_before_ms = 0;
    int errors = 0;
    int64_t told_high_watermark = -1, told_log_start = -1;
    std::list<log_id>::iterator place;
  };
  void set_busy(entry&, bool);
  void back_off(entry&, int64_t now_ms);
  void refill(int64_t now_ms);
  bool throttled(const entry& e) const noexcept {
    return options_.throttle_bytes_per_s > 0 && !e.at.in_sync && tokens_ <= 0;
  }

  fetch_plan_options options_;
  std::map<log_id, entry> partitions_;
  std::list<log_id> order_;  // who got some goes last
  size_t busy_ = 0;
  uint64_t next_serial_ = 1;
  int64_t tokens_ = 0;  // bytes; may be overdrawn by one answer
  int64_t refilled_ms_ = 0;
};

}  // namespace weir::kafka
