// The way of a batch into a partition: what is refused, what is a repetition, what is staged.
#include <algorithm>

#include "runtime/kafka/partition/partition.hpp"
#include "runtime/kafka/partition/record_walk.hpp"
#include "runtime/log/record_batch_builder.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir::kafka {

namespace {

constexpr const char* not_led_text = " is led by another node";

produce_outcome reject(error_code code, std::string message) {
  produce_outcome out;
  out.error = code;
  out.message = std::move(message);
  return out;
}

error_code code_of_verify(errc code, std::span<const std::byte> bytes) {
  switch (code) {
    case errc::budget_exceeded:
      return error_code::message_too_large;
    case errc::unsupported:
      return record_batch_view(bytes).magic() == record_batch_magic
                 ? error_code::unsupported_compression_type
                 : error_code::unsupported_for_message_format;
    case errc::invalid_argument:
      return error_code::invalid_record;
    default:
      return error_code::corrupt_message;
  }
}

error_code code_of_stage(errc code) {
  switch (code) {
    case errc::budget_exceeded:
      return error_code::record_list_too_large;
    case errc::invalid_argument:
      return error_code::invalid_record;
    default:
      return error_code::kafka_storage_error;
  }
}

}  // namespace

produce_outcome partition::produce(std::span<std::byte> bytes, std::shared_ptr<const void> owner,
                                   int64_t now_ms, uint64_t verification) {
  if (!leads()) return reject(error_code::not_leader_or_follower, config_.name + not_led_text);
  auto verified = verify_batch(bytes, {batch_origin::producer, config_.message_bytes_max});
  if (!verified.ok())
    return reject(code_of_verify(verified.err().code, bytes),
                  config_.name + ": " + verified.err().message);
  const record_batch_view batch = *verified;
  if (batch.size_bytes() != bytes.size())
    return reject(error_code::invalid_record,
                  config_.name + ": a produce request holds one batch per partition");
  if (auto refused = check_batch(batch)) return std::move(*refused);
  if (auto refused = check_records(batch, now_ms)) return std::move(*refused);
  if (batch.has_producer())
    if (auto decided = check_producer(batch, now_ms, verification)) return std::move(*decided);
  if (config_.timestamps == timestamp_type::log_append_time) set_log_append_time(bytes, now_ms);
  return stage(bytes, std::move(owner), now_ms);
}

std::optional<produce_outcome> partition::check_batch(record_batch_view batch) const {
  if (batch.base_offset() != 0)
    return reject(error_code::invalid_record, config_.name + ": the batch begins at offset " +
                                                  std::to_string(batch.base_offset()) +
                                                  " instead of 0");
  if (batch.is_control())
    return reject(error_code::invalid_record, config_.name + ": clients do not write markers");
  if (batch.record_count() <= 0 || batch.record_count() != batch.last_offset_delta() + 1)
    return reject(error_code::invalid_record, config_.name + ": " +
                                                  std::to_string(batch.record_count()) +
                                                  " records do not fill the offsets 0 to " +
                                                  std::to_string(batch.last_offset_delta()));
  if (batch.has_producer() && (batch.base_sequence() < 0 || batch.producer_epoch() < 0))
    return reject(error_code::invalid_record,
                  config_.name + ": a batch of producer " + std::to_string(batch.producer_id()) +
                      " has sequence " + std::to_string(batch.base_sequence()) + " and epoch " +
                      std::to_string(batch.producer_epoch()));
  if (batch.is_transactional() && !batch.has_producer())
    return reject(error_code::invalid_record,
                  config_.name + ": a transactional batch has no producer id");
  if (batch.timestamps() == timestamp_type::log_append_time)
    return reject(error_code::invalid_timestamp,
                  config_.name + ": producers must not set the timestamp type to LogAppendTime");
  if (batch.size_bytes() > log_->config().segment_bytes)
    return reject(error_code::record_list_too_large,
                  config_.name + ": the batch has " + std::to_string(batch.size_bytes()) +
                      " bytes, a segment at most " + std::to_string(log_->config().segment_bytes));
  return std::nullopt;
}

std::optional<produce_outcome> partition::check_records(record_batch_view batch,
                                                        int64_t now_ms) const {
  const bool create_time = config_.timestamps == timestamp_type::create_time;
  const bool compact = log_->config().cleanup_compact;
  const bool too_old_matters = create_time && config_.timestamp_before_max_ms != INT64_MAX;
  const bool compressed = batch.compression() != compression_type::none;
  const auto out_of_range = [this, now_ms](int64_t t) {
    return t >= 0 && (t - now_ms > config_.timestamp_after_max_ms ||
                      now_ms - t > config_.timestamp_before_max_ms);
  };
  const auto range_text = [this, now_ms](int64_t t) {
    return "timestamp " + std::to_string(t) + " is more than " +
           (t > now_ms ? std::to_string(config_.timestamp_after_max_ms) + " ms after "
                       : std::to_string(config_.timestamp_before_max_ms) + " ms before ") +
           "the broker's time " + std::to_string(now_ms);
  };
  // The header's maximum settles "too new" without looking at the records.
  const bool too_new = create_time && out_of_range(batch.max_timestamp());
  if (!too_new && !compact && !too_old_matters && (compressed || !config_.check_records))
    return std::nullopt;
  if (!too_new && !compressed) {
    const auto facts = walk_records(batch);
    if (facts && (!compact || facts->all_have_keys) &&
        (!create_time ||
         (!out_of_range(facts->timestamp_min_ms) && !out_of_range(facts->timestamp_max_ms))))
      return std::nullopt;
  }
  record_reader reader;
  record r;
  produce_outcome refused;
  auto opened = reader.open(batch);
  if (!opened.ok())
    return reject(error_code::corrupt_message, config_.name + ": " + opened.err().message);
  const auto note = [&refused](error_code code, int32_t index, std::string text) {
    if (refused.error != error_code::invalid_timestamp) refused.error = code;
    if (refused.record_errors.size() < record_errors_max)
      refused.record_errors.push_back({index, std::move(text)});
  };
  for (int32_t index = 0;; ++index) {
    auto more = reader.next(r);
    if (!more.ok())
      return reject(error_code::invalid_record, config_.name + ": " + more.err().message);
    if (!*more) break;
    if (compact && !r.key)
      note(error_code::invalid_record, index, "a compacted topic needs a key in every record");
    else if (create_time && out_of_range(r.timestamp_ms))
      note(error_code::invalid_timestamp, index, range_text(r.timestamp_ms));
  }
  if (too_new && refused.error == error_code::none)
    return reject(error_code::invalid_timestamp,
                  config_.name + ": " + range_text(batch.max_timestamp()));
  if (refused.error == error_code::none) return std::nullopt;
  refused.message = config_.name + ": " + refused.record_errors.front().message;
  return refused;
}

std::optional<produce_outcome> partition::check_producer(record_batch_view batch, int64_t now_ms,
                                                         uint64_t verification) {
  const batch_facts facts = facts_of(batch, log_->staged_end_offset());
  producer_verdict verdict = producers_.check(facts);
  if (verdict.duplicate) {
    produce_outcome out;
    out.base_offset = verdict.duplicate->first_offset();
    out.end_offset = verdict.duplicate->last_offset + 1;
    out.what = out.end_offset <= high_watermark() ? produce_outcome::kind::duplicate
                                                  : produce_outcome::kind::pending_duplicate;
    if (config_.timestamps == timestamp_type::log_append_time)
      out.log_append_time_ms = verdict.duplicate->timestamp_ms;
    return out;
  }
  if (verdict.error != error_code::none)
    return reject(verdict.error, config_.name + ": " + verdict.message);
  if (!config_.verify_transactions || !facts.transactional ||
      producers_.in_transaction(facts.producer_id))
    return std::nullopt;

  // The first batch of a transaction: the coordinator has to know it. A guard of its own for each
  // transaction keeps a late answer from admitting a batch after the transaction has ended. What
  // ends a guard may also be another leader for a moment, so the coordinator is asked again: it
  // knows, and a batch that is refused for good costs its producer more than the transaction.
  auto found = verifications_.find(facts.producer_id);
  if (found == verifications_.end() || found->second.producer_epoch < facts.producer_epoch) {
    if (verifications_.size() >= verifications_max && found == verifications_.end())
      return reject(error_code::coordinator_load_in_progress,
                    config_.name + ": too many transactions wait for their coordinator");
    found = verifications_
                .insert_or_assign(facts.producer_id,
                                  verification_entry{next_guard_++, facts.producer_epoch,
                                                     facts.base_sequence, now_ms})
                .first;
  }
  verification_entry& entry = found->second;
  // Of several first batches in flight only the one with the lowest sequence may begin.
  entry.lowest_sequence = std::min(entry.lowest_sequence, facts.base_sequence);
  if (verification != entry.guard) {  // 0: it was not asked yet
    produce_outcome out;
    out.what = produce_outcome::kind::needs_verification;
    out.verification = entry.guard;
    out.producer_id = facts.producer_id;
    out.producer_epoch = facts.producer_epoch;
    return out;
  }
  if (facts.base_sequence > entry.lowest_sequence)
    return reject(error_code::out_of_order_sequence_number,
                  config_.name + ": sequence " + std::to_string(facts.base_sequence) +
                      " comes before sequence " + std::to_string(entry.lowest_sequence));
  verifications_.erase(found);
  return std::nullopt;
}

produce_outcome partition::append(std::span<std::byte> batches, std::shared_ptr<const void> owner,
                                  int64_t now_ms) {
  if (!leads()) return reject(error_code::not_leader_or_follower, config_.name + not_led_text);
  int64_t next = log_->staged_end_offset();
  for (std::span<const std::byte> rest = batches; !rest.empty();) {
    auto batch = verify_batch(rest, {batch_origin::log, segment_bytes_max});
    if (!batch.ok())
      return reject(code_of_verify(batch.err().code, rest),
                    config_.name + ": " + batch.err().message);
    if (batch->has_producer()) {
      const auto verdict = producers_.check_without_sequence(facts_of(*batch, next));
      if (!verdict.accepted()) return reject(verdict.error, config_.name + ": " + verdict.message);
    }
    next += batch->last_offset_delta() + 1;
    rest = rest.subspan(batch->size_bytes());
  }
  return stage(batches, std::move(owner), now_ms);
}

produce_outcome partition::write_marker(int64_t producer_id, int16_t producer_epoch, bool commit,
                                        int32_t coordinator_epoch, int64_t now_ms) {
  if (!leads()) return reject(error_code::not_leader_or_follower, config_.name + not_led_text);
  const end_marker marker{commit, coordinator_epoch};
  const auto verdict = producers_.check_marker(producer_id, producer_epoch, marker);
  if (!verdict.accepted()) return reject(verdict.error, config_.name + ": " + verdict.message);
  auto batch = std::make_shared<std::vector<std::byte>>(
      build_control_batch({commit ? control_type::commit : control_type::abort, coordinator_epoch},
                          producer_id, producer_epoch, now_ms));
  const std::span<std::byte> bytes(*batch);
  auto staged = log_->stage(bytes, batch, leader_epoch_, now_ms);
  if (!staged.ok()) return reject(code_of_stage(staged.err().code), staged.err().message);
  const record_batch_view view(bytes);
  producers_.stage_marker(facts_of(view, staged->base_offset), marker, now_ms);
  epochs_.assign(leader_epoch_, staged->base_offset);
  verifications_.erase(producer_id);
  bytes_since_snapshot_ += bytes.size();
  produce_outcome out;
  out.what = produce_outcome::kind::staged;
  out.base_offset = staged->base_offset;
  out.end_offset = staged->last_offset + 1;
  out.write = std::move(staged->write);
  if (replicated_) out.write.high_watermark = high_watermark_;
  return out;
}

produce_outcome partition::stage(std::span<std::byte> batches, std::shared_ptr<const void> owner,
                                 int64_t now_ms) {
  auto staged = log_->stage(batches, std::move(owner), leader_epoch_, now_ms);
  if (!staged.ok())
    return reject(code_of_stage(staged.err().code), config_.name + ": " + staged.err().message);
  for (std::span<const std::byte> rest = batches; !rest.empty();) {
    const record_batch_view batch(rest);  // its base offset is patched by now
    if (batch.has_producer()) producers_.stage(facts_of(batch, batch.base_offset()), now_ms);
    rest = rest.subspan(batch.size_bytes());
  }
  epochs_.assign(leader_epoch_, staged->base_offset);
  bytes_since_snapshot_ += batches.size();
  produce_outcome out;
  out.what = produce_outcome::kind::staged;
  out.base_offset = staged->base_offset;
  out.end_offset = staged->last_offset + 1;
  if (config_.timestamps == timestamp_type::log_append_time) out.log_append_time_ms = now_ms;
  out.write = std::move(staged->write);
  if (replicated_) out.write.high_watermark = high_watermark_;
  return out;
}

}  // namespace weir::kafka
