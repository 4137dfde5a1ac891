// Writes records to a topic: batches per partition, several requests under way, acknowledged by all
// replicas (acks=all). By default an idempotent producer: what is sent again after an error or a
// lost connection is there once, in order. Blocking, one thread. What always holds: records of one
// partition are acknowledged in the order of add().
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "cluster/streams/brokers.hpp"
#include "cluster/streams/keyless_turn.hpp"
#include "runtime/log/record_batch_builder.hpp"

namespace weir::streams {

struct topic_writer_options {
  compression_type compression = compression_type::none;
  /// A batch is sent when it is this large, before compression. The topic's max.message.bytes
  /// lowers it.
  size_t batch_bytes = 1'000'000;
  int32_t timeout_ms = 30'000;  // of the broker for one request
  int32_t retry_ms = 60'000;    // how long a batch is sent again before its error is final
  /// Without, nothing is sent again: for writers of a moment, which brokers need not remember.
  bool idempotent = true;
  /// Where records without key begin, modulo the number of partitions. Absent: anywhere, so that
  /// many short-lived writers do not all begin with the same one.
  std::optional<uint32_t> first_partition;
};
/// Batches of one partition that brokers recognise as repeated.
inline constexpr size_t writer_in_flight_max = 5;

class topic_writer {
 public:
  /// Told of each acknowledged batch: its records have offsets from `base_offset` on.
  using acknowledged =
      std::function<void(int32_t partition, int64_t base_offset, uint32_t records)>;

  static result<topic_writer> open(brokers&, topic_facts, topic_writer_options = {});

  /// Without partition: by the key, without key in turn (keyless_turn). Returns the partition. A
  /// full batch is sent, which may wait for others to be acknowledged.
  result<int32_t> add(std::optional<int32_t> partition, int64_t timestamp_ms,
                      std::optional<byte_view> key, std::optional<byte_view> value,
                      std::span<const record_header> headers = {});
  /// Where such a record would go now; an error when the topic has no such partition.
  result<int32_t> partition_for(std::optional<int32_t> partition,
                                const std::optional<byte_view>& key) const;
  /// Sends what waits in batches.
  status send();
  /// The same, and waits until everything is acknowledged.
  status flush();
  bool idle() const noexcept { return in_flight_.empty() && waiting_records_ == 0; }

  void on_acknowledged(acknowledged f) { told_ = std::move(f); }
  uint64_t records_acknowledged() const noexcept { return records_; }
  /// Of batches as they were sent.
  uint64_t bytes_acknowledged() const noexcept { return bytes_; }
  int32_t partitions() const noexcept { return static_cast<int32_t>(topic_.partitions.size()); }

 private:
  struct flight {
    int32_t partition = 0;
    std::vector<std::byte> batch;
    uint32_t records = 0;
    int32_t correlation_id = 0;
  };
  topic_writer(brokers& b, topic_facts t, topic_writer_options o)
      : brokers_(&b), topic_(std::move(t)), options_(o), turn_(partitions(), first_of(o)) {}
  static uint32_t first_of(const topic_writer_options&);
  status start_producer();
  status close_batch(int32_t partition);
  status transmit(flight&);
  status receive_one();
  /// Nothing when the flight is acknowledged, else why not.
  result<std::optional<kafka::error_code>> receive(flight&, std::optional<std::string>& text);
  status send_again(std::deque<flight>, error why);
  error describe(const flight&, kafka::error_code, const std::optional<std::string>&) const;

  brokers* brokers_;
  topic_facts topic_;
  topic_writer_options options_;
  int64_t producer_id_ = -1;
  int16_t producer_epoch_ = -1;
  std::map<int32_t, int32_t> sequences_;  // the next one of each partition
  std::vector<record_batch_builder> builders_;
  keyless_turn turn_;
  size_t waiting_records_ = 0;
  std::deque<flight> in_flight_;
  acknowledged told_;
  uint64_t records_ = 0, bytes_ = 0;
};

}  // namespace weir::streams
