// The committed producer state as bytes: part of a snapshot file (snapshot.hpp), little endian.
#include <cstring>
#include <limits>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "runtime/kafka/partition/byte_io.hpp"
#include "runtime/kafka/partition/producer_state.hpp"

namespace weir::kafka {

namespace {

constexpr size_t entry_bytes_min = 8 + 2 + 4 + 8 + 8 + 4 + 1;
constexpr size_t aborted_bytes = 4 * 8;
constexpr size_t completed_bytes = 4 * 8 + 1;

void put_entry(std::string& out, int64_t id, const producer_entry& entry) {
  put_number(out, id);
  put_number(out, entry.epoch);
  put_number(out, entry.coordinator_epoch);
  put_number(out, entry.last_timestamp_ms);
  put_number(out, entry.transaction_first_offset);
  put_number(out, entry.resume_sequence);
  put_number(out, entry.batch_count);
  for (int i = 0; i < entry.batch_count; ++i) {
    const producer_batch& batch = entry.batches[static_cast<size_t>(i)];
    put_number(out, batch.last_sequence);
    put_number(out, batch.offset_delta);
    put_number(out, batch.last_offset);
    put_number(out, batch.timestamp_ms);
  }
}

}  // namespace

std::string producer_state::encode() const {
  // What is staged may yet be undone: the oldest undo record of a producer is its committed state.
  absl::flat_hash_map<int64_t, const undo_record*> staged;
  for (const undo_record& record : undo_) staged.try_emplace(record.producer_id, &record);
  std::string body;
  uint32_t count = 0;
  for (const auto& [id, entry] : producers_) {
    const producer_entry* committed = &entry;
    if (auto found = staged.find(id); found != staged.end())
      committed = found->second->before ? &*found->second->before : nullptr;
    if (committed == nullptr || committed->unwritten) continue;
    put_entry(body, id, *committed);
    ++count;
  }
  std::string out;
  put_number(out, count);
  out += body;
  put_number(out, static_cast<uint32_t>(aborted_.size()));
  for (const aborted_transaction& aborted : aborted_) {
    put_number(out, aborted.producer_id);
    put_number(out, aborted.first_offset);
    put_number(out, aborted.last_offset);
    put_number(out, aborted.last_stable_offset);
  }
  // Transactions whose markers are durable here and not yet on all replicas: only where there are
  // some, so that a node alone writes what it always wrote.
  std::string completed;
  uint32_t waiting = 0;
  for (const completed_transaction& done : completed_) {
    if (!undo_.empty() && done.last_offset >= undo_.front().offset) break;
    put_number(completed, done.producer_id);
    put_number(completed, done.first_offset);
    put_number(completed, done.last_offset);
    put_number(completed, done.last_stable_offset);
    put_number(completed, static_cast<uint8_t>(done.aborted));
    ++waiting;
  }
  if (waiting > 0) {
    put_number(out, waiting);
    out += completed;
  }
  return out;
}

result<producer_state> producer_state::decode(std::span<const std::byte> bytes, int64_t now_ms) {
  byte_reader in(bytes);
  producer_state state;
  const auto count = in.number<uint32_t>();
  if (count > in.left() / entry_bytes_min)
    return error(errc::corrupt, "more producers are announced than the bytes can hold");
  state.producers_.reserve(count);
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const auto id = in.number<int64_t>();
    producer_entry entry;
    entry.epoch = in.number<int16_t>();
    entry.coordinator_epoch = in.number<int32_t>();
    entry.last_timestamp_ms = in.number<int64_t>();
    entry.transaction_first_offset = in.number<int64_t>();
    entry.resume_sequence = in.number<int32_t>();
    entry.batch_count = in.number<uint8_t>();
    entry.seen_ms = now_ms;
    if (entry.batch_count > producer_batches_max)
      return error(errc::corrupt, "a producer has more batches than are kept");
    for (int b = 0; b < entry.batch_count; ++b) {
      producer_batch& batch = entry.batches[static_cast<size_t>(b)];
      batch.last_sequence = in.number<int32_t>();
      batch.offset_delta = in.number<int32_t>();
      batch.last_offset = in.number<int64_t>();
      batch.timestamp_ms = in.number<int64_t>();
      if (batch.last_sequence < 0 || batch.offset_delta < 0 || batch.last_offset < 0)
        return error(errc::corrupt, "a producer's batch has a negative sequence or offset");
    }
    if (entry.transaction_first_offset >= 0 &&
        !state.open_.emplace(entry.transaction_first_offset, id).second)
      return error(errc::corrupt, "two transactions begin at one offset");
    if (!state.producers_.emplace(id, entry).second)
      return error(errc::corrupt, "a producer is listed twice");
  }
  const auto aborted = in.number<uint32_t>();
  if (aborted > in.left() / aborted_bytes)
    return error(errc::corrupt, "more aborted transactions are announced than the bytes can hold");
  for (uint32_t i = 0; i < aborted && in.ok(); ++i) {
    aborted_transaction a;
    a.producer_id = in.number<int64_t>();
    a.first_offset = in.number<int64_t>();
    a.last_offset = in.number<int64_t>();
    a.last_stable_offset = in.number<int64_t>();
    if (!state.aborted_.empty() && a.last_offset <= state.aborted_.back().last_offset)
      return error(errc::corrupt, "aborted transactions are not in the order of their ends");
    state.aborted_.push_back(a);
  }
  const auto completed = in.ok() && in.left() > 0 ? in.number<uint32_t>() : 0;
  if (completed > in.left() / completed_bytes)
    return error(errc::corrupt, "more ended transactions are announced than the bytes can hold");
  for (uint32_t i = 0; i < completed && in.ok(); ++i) {
    completed_transaction c;
    c.producer_id = in.number<int64_t>();
    c.first_offset = in.number<int64_t>();
    c.last_offset = in.number<int64_t>();
    c.last_stable_offset = in.number<int64_t>();
    c.aborted = in.number<uint8_t>() != 0;
    const int64_t before = !state.completed_.empty() ? state.completed_.back().last_offset
                           : state.aborted_.empty()  ? -1
                                                     : state.aborted_.back().last_offset;
    if (c.last_offset <= before)
      return error(errc::corrupt, "ended transactions are not in the order of their ends");
    state.completed_.push_back(c);
  }
  if (!in.ok() || in.left() != 0) return error(errc::corrupt, "the bytes end early or late");
  return state;
}

}  // namespace weir::kafka
