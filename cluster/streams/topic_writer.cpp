#include "cluster/streams/topic_writer.hpp"

#include <chrono>
#include <random>
#include <thread>

#include "cluster/streams/admin.hpp"
#include "cluster/streams/partitioner.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir::streams {
namespace {

using kafka::error_code;
using steady = std::chrono::steady_clock;

// The newest version of Produce that names topics, before KIP-890's second part.
constexpr int16_t produce_version = 11;

}  // namespace

result<topic_writer> topic_writer::open(brokers& b, topic_facts t, topic_writer_options o) {
  if (t.partitions.empty()) return error{errc::not_found, "topic " + t.name + " has no partitions"};
  topic_writer w(b, std::move(t), o);
  WEIR_ASSIGN(auto configs, topic_configs(b, w.topic_.name));
  for (const auto& c : configs)
    if (c.name == "max.message.bytes") {
      const auto max = std::strtoull(c.value.c_str(), nullptr, 10);
      if (max > 0) w.options_.batch_bytes = std::min<size_t>(w.options_.batch_bytes, max);
    }
  w.builders_.resize(w.topic_.partitions.size());
  if (o.idempotent) WEIR_TRY(w.start_producer());
  return w;
}

uint32_t topic_writer::first_of(const topic_writer_options& o) {
  return o.first_partition ? *o.first_partition : std::random_device()();
}

status topic_writer::start_producer() {
  kafka::init_producer_id_request q;
  q.transaction_timeout_ms = options_.timeout_ms;
  const auto deadline = steady::now() + std::chrono::milliseconds(options_.retry_ms);
  for (;;) {
    WEIR_ASSIGN(auto a, brokers_->ask(q));
    if (a.error_code == error_code::none) {
      producer_id_ = a.producer_id;
      producer_epoch_ = a.producer_epoch;
      return {};
    }
    // A node that has just started still reads its coordinators' state.
    if (!kafka::is_retriable(a.error_code) || steady::now() >= deadline)
      return refused(a.error_code, "a producer for topic " + topic_.name);
    std::this_thread::sleep_for(retry_pause);
  }
}

result<int32_t> topic_writer::partition_for(std::optional<int32_t> partition,
                                            const std::optional<byte_view>& key) const {
  const int32_t n = partitions();
  const int32_t to = partition ? *partition : key ? partition_of_key(*key, n) : turn_.partition();
  if (to < 0 || to >= n)
    return error{errc::invalid_argument, "topic " + topic_.name + ": there is no partition " +
                                             std::to_string(to) + "; it has " + std::to_string(n)};
  return to;
}

result<int32_t> topic_writer::add(std::optional<int32_t> partition, int64_t timestamp_ms,
                                  std::optional<byte_view> key, std::optional<byte_view> value,
                                  std::span<const record_header> headers) {
  WEIR_ASSIGN(const int32_t to, partition_for(partition, key));
  const bool in_turn = !partition && !key;
  // What a record takes beside key and value: lengths, offsets and times as varints.
  constexpr size_t overhead_max = 40;
  size_t size = overhead_max + (key ? key->size() : 0) + (value ? value->size() : 0);
  for (const auto& h : headers) size += h.key.size() + (h.value ? h.value->size() : 0) + 10;
  auto& batch = builders_[static_cast<size_t>(to)];
  if (!batch.empty() && batch.size_bytes() + size > options_.batch_bytes) {
    WEIR_TRY(close_batch(to));
    if (in_turn) {
      turn_.next();
      return add(partition, timestamp_ms, key, value, headers);
    }
  }
  batch.add(timestamp_ms, key, value, headers);
  ++waiting_records_;
  if (in_turn) turn_.added(size);
  return to;
}

status topic_writer::close_batch(int32_t partition) {
  auto& batch = builders_[static_cast<size_t>(partition)];
  if (batch.empty()) return {};
  flight f;
  f.partition = partition;
  f.records = static_cast<uint32_t>(batch.record_count());
  auto& sequence = sequences_[partition];
  record_batch_options o;
  o.compression = options_.compression;
  o.producer_id = producer_id_;
  o.producer_epoch = producer_epoch_;
  o.base_sequence = options_.idempotent ? sequence : -1;
  batch.set_options(o);
  WEIR_ASSIGN(f.batch, batch.build());
  // After 2^31 - 1 sequences begin at 0 again.
  sequence = static_cast<int32_t>((static_cast<uint32_t>(sequence) + f.records) & 0x7fffffff);
  waiting_records_ -= f.records;
  while (in_flight_.size() >= writer_in_flight_max) WEIR_TRY(receive_one());
  in_flight_.push_back(std::move(f));
  if (auto s = transmit(in_flight_.back()); !s)
    return send_again(std::exchange(in_flight_, {}), s.err());
  return {};
}

status topic_writer::transmit(flight& f) {
  kafka::produce_request q;
  q.acks = -1;
  q.timeout_ms = options_.timeout_ms;
  auto& t = q.topic_data.emplace_back();
  t.name = topic_.name;
  auto& p = t.partition_data.emplace_back();
  p.index = f.partition;
  p.records = kafka::record_bytes(f.batch);
  WEIR_ASSIGN(auto* node, brokers_->leader(topic_, f.partition));
  WEIR_ASSIGN(f.correlation_id, node->send(q, produce_version));
  return {};
}

result<std::optional<error_code>> topic_writer::receive(flight& f,
                                                        std::optional<std::string>& text) {
  WEIR_ASSIGN(auto* node, brokers_->leader(topic_, f.partition));
  WEIR_ASSIGN(auto a, node->receive<kafka::produce_response>(f.correlation_id, produce_version));
  if (a.responses.size() != 1 || a.responses.front().partition_responses.size() != 1)
    return error{errc::parse, brokers_->address() +
                                  ": an answer to a produce of one partition "
                                  "that does not have this partition"};
  auto& p = a.responses.front().partition_responses.front();
  if (p.error_code != error_code::none && p.error_code != error_code::duplicate_sequence_number) {
    text = p.error_message;
    if (!p.record_errors.empty() && p.record_errors.front().batch_index_error_message)
      text = p.record_errors.front().batch_index_error_message;
    return std::optional(p.error_code);
  }
  records_ += f.records;
  bytes_ += f.batch.size();
  if (told_) told_(f.partition, p.base_offset, f.records);
  return std::optional<error_code>();
}

error topic_writer::describe(const flight& f, error_code e,
                             const std::optional<std::string>& text) const {
  auto why =
      refused(e, "topic " + topic_.name + ", partition " + std::to_string(f.partition), text);
  if (e == error_code::message_too_large)
    why.message += "; topic alter --set max.message.bytes=N allows more";
  return why;
}

status topic_writer::receive_one() {
  std::optional<std::string> text;
  auto refusal = receive(in_flight_.front(), text);
  if (!refusal) {
    if (!is_of_transport(refusal.err())) return refusal.err();
    return send_again(std::exchange(in_flight_, {}), refusal.err());
  }
  auto first = std::move(in_flight_.front());
  in_flight_.pop_front();
  if (!*refusal) return {};
  auto why = describe(first, **refusal, text);
  if (!kafka::is_retriable(**refusal)) return why;
  // Those behind it in its partition are out of order now; the answers of all say which.
  std::deque<flight> failed;
  failed.push_back(std::move(first));
  while (!in_flight_.empty()) {
    std::optional<std::string> other_text;
    auto other = receive(in_flight_.front(), other_text);
    if (!other) {
      if (!is_of_transport(other.err())) return other.err();
      for (auto& f : in_flight_) failed.push_back(std::move(f));
      in_flight_.clear();
      break;
    }
    if (*other) {
      if (!kafka::is_retriable(**other) && **other != error_code::out_of_order_sequence_number)
        return describe(in_flight_.front(), **other, other_text);
      failed.push_back(std::move(in_flight_.front()));
    }
    in_flight_.pop_front();
  }
  return send_again(std::move(failed), why);
}

status topic_writer::send_again(std::deque<flight> flights, error why) {
  if (!options_.idempotent) return why;
  const auto deadline = steady::now() + std::chrono::milliseconds(options_.retry_ms);
  while (!flights.empty()) {
    if (steady::now() >= deadline)
      return error{why.code, why.message + "; given up after " +
                                 std::to_string(options_.retry_ms / 1000) + " s"};
    std::this_thread::sleep_for(retry_pause);
    // New connections, for the answers of old ones are lost; new leaders, for they may have moved.
    if (auto s = brokers_->reconnect(); !s) {
      why = s.err();
      continue;
    }
    if (auto t = brokers_->topic(topic_.name)) {
      topic_ = std::move(*t);
    } else if (is_of_transport(t.err())) {
      why = t.err();
      continue;
    } else {
      return t.err();
    }
    // One after the other: what was there already is answered as a duplicate.
    while (!flights.empty()) {
      std::optional<std::string> text;
      auto sent = transmit(flights.front());
      auto refusal =
          sent ? receive(flights.front(), text) : result<std::optional<error_code>>(sent.err());
      if (!refusal && !is_of_transport(refusal.err())) return refusal.err();
      if (!refusal) {
        why = refusal.err();
        break;
      }
      if (*refusal) {
        why = describe(flights.front(), **refusal, text);
        if (!kafka::is_retriable(**refusal)) return why;
        break;
      }
      flights.pop_front();
    }
  }
  return {};
}

status topic_writer::send() {
  if (!builders_[static_cast<size_t>(turn_.partition())].empty()) turn_.next();
  for (int32_t p = 0; p < partitions(); ++p) WEIR_TRY(close_batch(p));
  return {};
}

status topic_writer::flush() {
  WEIR_TRY(send());
  while (!in_flight_.empty()) WEIR_TRY(receive_one());
  return {};
}

}  // namespace weir::streams
