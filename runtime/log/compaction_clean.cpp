// The second phase: batches are copied with the records that stay.
#include <algorithm>

#include "runtime/log/compaction_state.hpp"
#include "runtime/log/segment_swap.hpp"
#include "runtime/log/varint.hpp"

namespace weir {
bool compaction_job::state::needed_by_producer(record_batch_view b) const {
  if (!b.has_producer()) return false;
  if (options.is_last_of_producer) return options.is_last_of_producer(b);
  auto it = last_of_producer.find(b.producer_id());
  return it != last_of_producer.end() && it->second == b.base_offset();
}

result<uint64_t> compaction_job::state::clean_batch(const walked_batch& b) {
  const uint64_t size = b.header.size_bytes();
  // Of every new segment the last batch stays, so that its end can be told from its bytes.
  const bool ends_input = b.end() == inputs[input].bytes;
  if (ends_input) extend = goes_on(size);
  const bool last = ends_input && !*extend;
  WEIR_TRY(walker->read_whole(b, bytes));
  WEIR_ASSIGN(auto batch, verify_batch(bytes, {batch_origin::log, batch_bytes_max}));
  stats.bytes_read += size;
  stats.records_read += static_cast<uint64_t>(batch.record_count());
  if (batch.base_offset() >= map_end) {
    stats.records_kept += static_cast<uint64_t>(batch.record_count());
    WEIR_TRY(append(batch.bytes()));
  } else if (batch.is_hole()) {
    outputs.back().changed = true;
    if (last) WEIR_TRY(put_empty(batch));
  } else if (batch.is_control()) {
    WEIR_TRY(clean_control(batch, last));
  } else {
    WEIR_TRY(clean_data(batch, last));
  }
  return size;
}

result<bool> compaction_job::state::choose(record_batch_view batch, bool aborted,
                                           bool& tombstones) {
  stays.assign(static_cast<size_t>(batch.record_count()), false);
  stays_count = 0;
  tombstones = false;
  if (aborted) {
    stats.aborted_dropped += stays.size();
    return stays.empty();
  }
  const bool expired = batch.has_delete_horizon() && now_ms >= batch.base_timestamp();
  WEIR_TRY(reader.open(batch));
  record r;
  for (size_t i = 0;; ++i) {
    WEIR_ASSIGN(bool more, reader.next(r));
    if (!more) break;
    // Without a key there is nothing to compare: the record stays.
    auto latest = r.key ? keys.find(*r.key) : std::nullopt;
    if (latest && r.offset < *latest) continue;
    const bool tombstone = r.key && !r.value;
    if (tombstone && expired) {
      ++stats.tombstones_dropped;
      continue;
    }
    tombstones = tombstones || tombstone;
    stays[i] = true;
    ++stays_count;
  }
  stats.records_kept += stays_count;
  return stays_count == stays.size();
}

status compaction_job::state::clean_data(record_batch_view batch, bool must_stay) {
  const bool aborted = batch.is_transactional() && options.is_aborted && options.is_aborted(batch);
  bool tombstones = false;
  WEIR_ASSIGN(bool all, choose(batch, aborted, tombstones));
  const bool stays_empty = must_stay || needed_by_producer(batch);
  if (stays_count == 0 && !stays_empty) {
    outputs.back().changed = true;
    return {};
  }
  if (batch.is_transactional()) transaction_has_data[batch.producer_id()] = true;
  if (stays_count == 0) {
    if (batch.record_count() == 0) return append(batch.bytes());
    return put_empty(batch);
  }
  // The clock of a tombstone starts when its batch is first cleaned (KIP-534).
  const bool starts = tombstones && !batch.has_delete_horizon();
  if (all && !starts) return append(batch.bytes());
  std::optional<int64_t> horizon;
  if (starts) horizon = now_ms + config.delete_retention_ms;
  if (tombstones && batch.has_delete_horizon()) horizon = batch.base_timestamp();
  return rebuild(batch, horizon);
}

/// A marker goes when nothing of its transaction is left, after the time that tombstones have too;
/// as long as there is something, a state that is rebuilt from the log needs it to end the
/// transaction.
status compaction_job::state::clean_control(record_batch_view batch, bool must_stay) {
  const bool has_data = std::exchange(transaction_has_data[batch.producer_id()], false);
  const bool expired = batch.has_delete_horizon() && now_ms >= batch.base_timestamp();
  if (!has_data && expired && !must_stay) {
    outputs.back().changed = true;
    return {};
  }
  stats.records_kept += static_cast<uint64_t>(batch.record_count());
  WEIR_ASSIGN(auto marker, read_control_marker(batch));
  if (has_data || batch.has_delete_horizon() || marker.type == control_type::other)
    return append(batch.bytes());
  stays.assign(static_cast<size_t>(batch.record_count()), true);
  return rebuild(batch, now_ms + config.delete_retention_ms);
}

status compaction_job::state::rebuild(record_batch_view batch, std::optional<int64_t> horizon) {
  outputs.back().changed = true;
  record_batch_options o;
  o.compression = batch.compression();
  o.base_offset = batch.base_offset();
  o.leader_epoch = batch.leader_epoch();
  o.timestamps = batch.timestamps();
  o.producer_id = batch.producer_id();
  o.producer_epoch = batch.producer_epoch();
  o.base_sequence = batch.base_sequence();
  o.transactional = batch.is_transactional();
  o.control = batch.is_control();
  o.delete_horizon_ms = horizon;
  builder.set_options(o);
  WEIR_TRY(reader.open(batch));
  record r;
  for (size_t i = 0;; ++i) {
    WEIR_ASSIGN(bool more, reader.next(r));
    if (!more) break;
    if (stays[i]) builder.add_at(r.offset, r.timestamp_ms, r.key, r.value, r.headers);
  }
  builder.set_last_offset(batch.last_offset());
  WEIR_ASSIGN(auto built, builder.build());
  return append(built);
}

/// Only what the state of producers and the offsets behind it need.
status compaction_job::state::put_empty(record_batch_view batch) {
  outputs.back().changed = true;
  record_batch_options o;
  o.base_offset = batch.base_offset();
  o.leader_epoch = batch.leader_epoch();
  o.timestamps = batch.timestamps();
  o.producer_id = batch.producer_id();
  o.producer_epoch = batch.producer_epoch();
  o.base_sequence = batch.base_sequence();
  o.transactional = batch.is_transactional();
  builder.set_options(o);
  builder.set_last_offset(batch.last_offset());
  WEIR_ASSIGN(auto built, builder.build());
  // The producer's state is as old as its last batch.
  store_big_endian(built.data() + 27, batch.max_timestamp());
  store_big_endian(built.data() + 35, batch.max_timestamp());
  set_batch_crc(built);
  return append(built);
}

status compaction_job::state::append(std::span<const std::byte> batch) {
  auto& o = outputs.back();
  const record_batch_view b(batch);
  const uint64_t position = o.facts.bytes;
  if (position + batch.size() > segment_bytes_max)
    return error{errc::budget_exceeded, "a compacted segment grows beyond 2 GiB"};
  o.index->add(static_cast<uint32_t>(b.base_offset() - o.facts.base_offset),
               static_cast<uint32_t>(position), o.facts.max_timestamp);
  if (b.record_count() > 0 && b.max_timestamp() > o.facts.max_timestamp) {
    o.facts.max_timestamp = b.max_timestamp();
    o.facts.max_timestamp_offset = b.base_offset();
  }
  o.facts.bytes += batch.size();
  stats.bytes_kept += batch.size();
  pending.insert(pending.end(), batch.begin(), batch.end());
  return pending.size() >= write_bytes ? flush() : status();
}

status compaction_job::state::flush() {
  if (pending.empty()) return {};
  WEIR_TRY(out->write(outputs.back().facts.bytes - pending.size(), pending));
  pending.clear();
  return {};
}

status compaction_job::state::begin_output() {
  outputs.emplace_back();
  auto& o = outputs.back();
  o.first = o.last = input;
  o.facts.base_offset = inputs[input].base;
  o.facts.end_offset = inputs[input].end_offset;
  o.index = std::make_shared<segment_index>(config.index_interval_bytes);
  o.file = std::make_shared<segment_file>(cache, cleaned_path(folder, o.facts.base_offset, number));
  WEIR_ASSIGN(out, o.file->open(true));
  return out->truncate(0);
}

status compaction_job::state::end_output() {
  auto& o = outputs.back();
  extend.reset();
  WEIR_TRY(flush());
  if (o.changed) WEIR_TRY(out->sync());
  out.reset();
  o.facts.end_offset = inputs[o.last].end_offset;
  if (o.changed) return {};
  // Nothing to do here: the old one is as good.
  WEIR_TRY(o.file->remove());
  o.file.reset();
  return {};
}

}  // namespace weir
