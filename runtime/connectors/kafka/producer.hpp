// What a sink's thread does with the cluster: transactions that hold an epoch's records and, as the
// offset of a group, the mark that the epoch is in them; or plain idempotent writes. Everything
// here waits and belongs to one thread at a time, that of the sink's lane; cancel() is anyone's.
#pragma once

#include <algorithm>
#include <atomic>
#include <span>

#include "runtime/column/buffer.hpp"
#include "runtime/connectors/kafka/client.hpp"
#include "runtime/connectors/kafka/settings.hpp"

namespace weir {

/// What the newest committed transaction says is written: of a run's epoch the first pieces, and of
/// epochs before it all. Offset and metadata of partition 0 of the sink's topic in a group of the
/// sink's task. A run is "JOB-TENURE-ATTEMPT", of one deployment; later ones of a job go on where
/// earlier ones ended.
struct epoch_mark {
  std::string run;  // whose epochs are counted
  uint64_t epoch = 0;
  size_t pieces = 0;

  std::string metadata() const { return run + ' ' + std::to_string(pieces); }
  static epoch_mark of(int64_t offset, const std::string& metadata);
  /// How many pieces of this epoch are written, of `total`. A task that is restored late, when
  /// another one has gone on from the same snapshot, finds a later run's mark, not its own.
  size_t written(const std::string& of_run, uint64_t of_epoch, size_t total) const;
};

class kafka_producer {
 public:
  /// Set when the task has ended: whatever waits gives up.
  using cancel_flag = std::shared_ptr<std::atomic<bool>>;
  /// `transactional_id`: empty = idempotent writes without transactions.
  kafka_producer(option_map, kafka_sink_settings, std::string transactional_id, cancel_flag);
  ~kafka_producer();

  /// Connects. With a transactional id it fences whoever had it, and ends their transaction: it is
  /// committed or aborted when this returns.
  status open();
  /// An epoch's pieces of records (records.hpp) from `written.pieces` on, in transactions with
  /// their marks. An error: the next owner of the transactional id finds a mark of what is written.
  status commit(std::span<const buffer_ref> pieces, const std::string& group, epoch_mark written);
  /// The newest mark; nothing = there is none. After open() it is final.
  result<std::optional<epoch_mark>> newest_mark(const std::string& group) const;

  /// Without transactions: hands records to librdkafka, and waits until all are acknowledged.
  status send(std::string_view records);
  status flush();
  /// At the end of the task: what is open is aborted, if the cluster answers soon.
  void abandon();

 private:
  enum class next_step : uint8_t { done, again, give_up };
  struct outcome {
    next_step what = next_step::done;
    std::optional<error> why;
  };
  outcome judge(std::string_view what, rd_kafka_error_t*);
  outcome judge(std::string_view what, rd_kafka_resp_err_t);
  template <class Call>
  outcome repeat(std::string_view what, int64_t limit_ms, Call&&);
  status commit_some(std::span<const buffer_ref>, const std::string& group, const epoch_mark&);
  outcome try_commit(std::span<const buffer_ref>, const std::string& group, const epoch_mark&);
  outcome add(std::string_view records);
  outcome cancelled() const;
  error say(std::string_view what, const std::string& why, rd_kafka_resp_err_t) const;

  option_map options_;
  kafka_sink_settings settings_;
  std::string transactional_id_;
  cancel_flag cancel_;
  std::unique_ptr<kafka_client> client_;
  rd_kafka_topic_t* topic_ = nullptr;
  std::atomic<uint32_t> turn_{0};  // records without a key; librdkafka's threads ask, too
  bool in_transaction_ = false;
  std::optional<error> undelivered_;  // the first one since the last commit
};

}  // namespace weir
