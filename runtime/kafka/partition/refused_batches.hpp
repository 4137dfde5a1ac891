// Batches of idempotent producers that were refused for a reason that passes: another node leads,
// too few replicas are in sync, the disk is full. Producers send several without waiting. If the
// reason has passed by the time the next one is looked at, that one is out of order, which some
// clients take for a lost state and end (librdkafka 2.0), or, of a producer that is not known yet,
// would be taken in front of the one before it. So it is refused like that one, until that is sent
// again: both come again, in order. One that another leader has taken meanwhile does not: what the
// log has is not waited for. Of one partition, which owns it; no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "runtime/kafka/protocol/error_code.hpp"

namespace weir::kafka {

class refused_batches {
 public:
  struct batch {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
  };
  /// What a batch is to be answered because of one before it; none: it may be looked at.
  /// `last_sequence`: of the producer in this epoch, as the log has it; none: it has nothing.
  error_code behind(const batch&, std::optional<int32_t> last_sequence, int64_t now_ms) const;
  /// What it was answered by itself, not because of one before it, whose memory would never end;
  /// none: it was accepted, or is a repetition. Refused for good, it holds up none behind it.
  void note(const batch&, error_code, int64_t now_ms);
  size_t size() const noexcept { return refused_.size(); }

  /// Of a producer that does not come back within this time nothing is expected.
  static constexpr int64_t remembered_ms = 30'000;
  /// Producers; of more than these the next are not remembered.
  static constexpr size_t remembered_max = 10'000;

 private:
  struct entry {
    int16_t producer_epoch;
    int32_t base_sequence;  // the lowest
    error_code error;
    int64_t until_ms;
  };
  std::unordered_map<int64_t, entry> refused_;
};

/// What a record batch says of its producer, before anything of it is checked; nothing when it is
/// not an idempotent one's.
std::optional<refused_batches::batch> idempotent_batch(std::span<const std::byte>);

}  // namespace weir::kafka
