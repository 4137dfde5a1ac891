// Reads records of a topic's partitions: fetches from their leaders, unpacks batches, leaves out
// control records and (read_committed) what was aborted. Blocking, one thread; records of one
// partition come in the order of their offsets. Errors name topic, partition and offset.
#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "cluster/streams/brokers.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir::streams {

struct topic_reader_options {
  bool read_committed = true;
  int32_t partition_bytes_max = 4 << 20;  // of one partition in one fetch
  int32_t fetch_bytes_max = 32 << 20;     // of one fetch
  /// Leaders that moved are found; none for longer than this is an error.
  int32_t retry_ms = 10'000;
};

/// Called with each record; false ends the reading behind it. Views are valid during the call.
using record_visitor = std::function<bool(int32_t partition, const record&)>;

class topic_reader {
 public:
  topic_reader(brokers& b, topic_facts topic, topic_reader_options o = {})
      : brokers_(b), topic_(std::move(topic)), options_(o) {}

  /// From this offset on; with `end`, up to there (exclusive).
  void add(int32_t partition, int64_t offset, std::optional<int64_t> end = {});
  /// One round of fetches: waits at most `wait_ms` for records. Returns false when the visitor
  /// ended it.
  result<bool> poll(int32_t wait_ms, const record_visitor& visit);
  /// All partitions are at their ends (those without never are).
  bool finished() const noexcept;
  /// Where reading goes on, by partition.
  std::map<int32_t, int64_t> positions() const;
  int64_t high_watermark(int32_t partition) const;
  /// Why some partitions could not be read in the last round; ok: all were.
  const status& away() const noexcept { return away_; }

 private:
  struct position {
    int64_t offset = 0;
    std::optional<int64_t> end;
    int64_t high_watermark = -1, readable_end = -1;
    bool finished() const noexcept { return end && offset >= *end; }
  };
  void pass_over_nothing();
  result<bool> fetch(const kafka::fetch_request&, const record_visitor&);
  status find_leaders();
  result<bool> take(const kafka::fetch_response_partition&, const record_visitor&);
  result<bool> take(int32_t partition, position&, record_batch_view, const record_visitor&);

  brokers& brokers_;
  topic_facts topic_;
  topic_reader_options options_;
  std::map<int32_t, position> positions_;
  record_reader records_;
  size_t round_ = 0;
  size_t bytes_ = 0;  // of the round
  /// Why some partitions couldn't be read in this round; whether a connection is the reason.
  status away_;
  bool broken_ = false;
  std::optional<std::chrono::steady_clock::time_point> away_since_;
};

/// The timestamp of the first record at `offset` or behind it; nothing when there is none.
result<std::optional<int64_t>> first_record_time(brokers&, const topic_facts&, int32_t partition,
                                                 int64_t offset);

}  // namespace weir::streams
