#include "runtime/kafka/transactions/transaction.hpp"

#include <array>
#include <limits>
#include <map>

#include "runtime/kafka/protocol/messages/stored.hpp"

namespace weir::kafka {

namespace {

constexpr std::array names = {"Empty",        "Ongoing",        "PrepareCommit",
                              "PrepareAbort", "CompleteCommit", "CompleteAbort"};

std::string text_of(const writer& w) {
  return std::string(as_string_view(w.view()));
}

}  // namespace

const char* to_string(transaction_state state) noexcept {
  return names[static_cast<size_t>(state)];
}

bool is_state_name(std::string_view name, std::optional<transaction_state>& out) noexcept {
  out.reset();
  for (size_t i = 0; i < names.size(); ++i)
    if (name == names[i]) out = static_cast<transaction_state>(i);
  return out.has_value() || name == "Dead" || name == "PrepareEpochFence";
}

transaction_values complete(const transaction_values& prepared, int64_t now_ms) {
  weir_assert(prepared.preparing(), "only a prepared transaction can be completed");
  transaction_values next = prepared;
  next.state = prepared.state == transaction_state::prepare_commit
                   ? transaction_state::complete_commit
                   : transaction_state::complete_abort;
  next.partitions.clear();
  next.update_ms = now_ms;
  if (prepared.client_version < 2) return next;
  next.previous_producer_id = prepared.producer_id;
  next.last_epoch = prepared.epoch;
  if (prepared.next_producer_id >= 0) {  // the epochs of the old id were used up
    next.producer_id = prepared.next_producer_id;
    next.epoch = 0;
    next.next_producer_id = -1;
  }
  return next;
}

std::string encode_transaction_key(std::string_view transactional_id) {
  transaction_log_key key;
  key.transactional_id = transactional_id;
  writer w;
  encode_versioned(w, key);
  return text_of(w);
}

std::string encode_transaction_value(const transaction_values& values, int16_t version) {
  transaction_log_value out;
  out.producer_id = values.producer_id;
  out.previous_producer_id = values.previous_producer_id;
  out.next_producer_id = values.next_producer_id;
  out.producer_epoch = values.epoch;
  out.transaction_timeout_ms = values.timeout_ms;
  out.transaction_status = static_cast<int8_t>(values.state);
  if (values.state != transaction_state::empty) {
    auto& topics = out.transaction_partitions.emplace();
    for (const transaction_partition& p : values.partitions) {
      if (topics.empty() || topics.back().topic != p.topic) topics.push_back({p.topic, {}});
      topics.back().partition_ids.push_back(p.partition);
    }
  }
  out.transaction_last_update_timestamp_ms = values.update_ms;
  out.transaction_start_timestamp_ms = values.start_ms;
  out.client_transaction_version = values.client_version;
  writer w;
  encode_versioned(w, out, version);
  return text_of(w);
}

result<transaction_values> decode_transaction_value(std::string_view bytes) {
  transaction_log_value in;
  reader r(as_bytes_view(bytes));
  WEIR_TRY(decode_versioned(r, in));
  WEIR_TRY(r.expect_end());
  if (in.transaction_status < 0 || static_cast<size_t>(in.transaction_status) >= names.size())
    return error(errc::corrupt,
                 "a transaction has the state " + std::to_string(in.transaction_status));
  transaction_values out;
  out.producer_id = in.producer_id;
  out.previous_producer_id = in.previous_producer_id;
  out.next_producer_id = in.next_producer_id;
  out.epoch = in.producer_epoch;
  out.timeout_ms = in.transaction_timeout_ms;
  out.state = static_cast<transaction_state>(in.transaction_status);
  out.update_ms = in.transaction_last_update_timestamp_ms;
  out.start_ms = in.transaction_start_timestamp_ms;
  out.client_version = in.client_transaction_version;
  if (in.transaction_partitions && out.state != transaction_state::empty)
    for (const auto& topic : *in.transaction_partitions)
      for (int32_t partition : topic.partition_ids) out.partitions.insert({topic.topic, partition});
  return out;
}

std::string encode_producer_ids_key() {
  writer w;
  w.int16(producer_ids_key_version);
  w.string("producer-ids");
  return text_of(w);
}

std::string encode_producer_ids_value(int64_t next_producer_id) {
  writer w;
  w.int16(0);
  w.int64(next_producer_id);
  return text_of(w);
}

result<int64_t> decode_producer_ids_value(std::string_view bytes) {
  reader r(as_bytes_view(bytes));
  const int16_t version = r.int16("version");
  const int64_t next = r.int64("next_producer_id");
  WEIR_TRY(r.expect_end());
  if (version != 0 || next < 0)
    return error(errc::corrupt, "the record of producer ids has version " +
                                    std::to_string(version) + " and next id " +
                                    std::to_string(next));
  return next;
}

result<transaction_key> decode_transaction_key(std::string_view bytes) {
  reader r(as_bytes_view(bytes));
  const int16_t version = r.int16("version");
  WEIR_TRY(r.state());
  transaction_key out;
  if (version == producer_ids_key_version) {
    out.producer_ids = true;
  } else if (version == transaction_log_key::info.max_version) {
    transaction_log_key key;
    WEIR_TRY(decode(r, key, version));
    WEIR_TRY(r.expect_end());
    out.transactional_id = std::move(key.transactional_id);
  }
  return out;
}

int32_t partition_of_key(std::string_view key, int32_t partitions) noexcept {
  uint32_t hash = 0;
  const auto unit = [&hash](uint32_t u) { hash = hash * 31 + u; };
  for (size_t i = 0; i < key.size();) {
    const auto lead = static_cast<uint8_t>(key[i]);
    const size_t more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);
    for (size_t k = 1; k <= more && i + k < key.size(); ++k)
      point = point << 6 | (static_cast<uint8_t>(key[i + k]) & 0x3fu);
    i += more + 1;
    if (point < 0x10000) {
      unit(point);
    } else {  // Java counts UTF-16 units
      point -= 0x10000;
      unit(0xd800 + (point >> 10 & 0x3ff));
      unit(0xdc00 + (point & 0x3ff));
    }
  }
  // Kafka's Utils.abs: the one number without a positive twin counts as 0.
  const auto value = static_cast<int32_t>(hash);
  if (value == std::numeric_limits<int32_t>::min()) return 0;
  return (value < 0 ? -value : value) % partitions;
}

}  // namespace weir::kafka
