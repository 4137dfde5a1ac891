#include "runtime/kafka/partition/refused_batches.hpp"

#include <algorithm>

#include "runtime/log/record_batch.hpp"

namespace weir::kafka {
namespace {

bool passes(error_code e) {
  return e == error_code::not_leader_or_follower || e == error_code::not_enough_replicas ||
         e == error_code::kafka_storage_error;
}

/// How far `b` is behind `a`; not above 0: it is not. Sequences begin again at 0 after the largest.
int32_t distance(int32_t a, int32_t b) {
  constexpr uint32_t sequences = uint32_t{1} << 31;
  const auto d = (static_cast<uint32_t>(b) - static_cast<uint32_t>(a)) % sequences;
  return d < sequences / 2 ? static_cast<int32_t>(d) : -static_cast<int32_t>(sequences - d);
}

bool before(int32_t a, int32_t b) {
  return distance(a, b) > 0;
}

}  // namespace

error_code refused_batches::behind(const batch& b, std::optional<int32_t> last_sequence,
                                   int64_t now_ms) const {
  if (refused_.empty()) return error_code::none;
  const auto found = refused_.find(b.producer_id);
  if (found == refused_.end() || found->second.until_ms < now_ms ||
      found->second.producer_epoch != b.producer_epoch ||
      !before(found->second.base_sequence, b.base_sequence))
    return error_code::none;
  // The next in order, or a repetition: what was refused in front of it has come by another leader.
  if (last_sequence && distance(*last_sequence, b.base_sequence) <= 1) return error_code::none;
  return found->second.error;
}

void refused_batches::note(const batch& b, error_code e, int64_t now_ms) {
  if (e == error_code::none && refused_.empty()) return;
  auto found = refused_.find(b.producer_id);
  if (passes(e)) {
    if (found == refused_.end()) {
      if (refused_.size() >= remembered_max)
        std::erase_if(refused_, [now_ms](const auto& r) { return r.second.until_ms < now_ms; });
      if (refused_.size() >= remembered_max) return;
      found = refused_.emplace(b.producer_id, entry{b.producer_epoch, b.base_sequence, e, 0}).first;
    }
    auto& known = found->second;
    if (known.until_ms < now_ms || known.producer_epoch < b.producer_epoch ||
        before(b.base_sequence, known.base_sequence))
      known.base_sequence = b.base_sequence;
    known.producer_epoch = std::max(known.producer_epoch, b.producer_epoch);
    known.error = e;
    known.until_ms = now_ms + remembered_ms;
  } else if (found != refused_.end() && e != error_code::out_of_order_sequence_number &&
             (found->second.producer_epoch < b.producer_epoch ||
              found->second.base_sequence == b.base_sequence ||
              (e == error_code::none && before(found->second.base_sequence, b.base_sequence)))) {
    // It has come again, and was taken or refused for good; or one behind it was taken.
    refused_.erase(found);
  }
}

std::optional<refused_batches::batch> idempotent_batch(std::span<const std::byte> bytes) {
  if (bytes.size() < record_batch_header_bytes) return std::nullopt;
  const record_batch_view b(bytes);
  if (b.magic() != record_batch_magic || !b.has_producer()) return std::nullopt;
  return refused_batches::batch{b.producer_id(), b.producer_epoch(), b.base_sequence()};
}

}  // namespace weir::kafka
