// Producer ids for everybody on this node who needs one: taken from a pool that is filled in blocks
// by a source. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/kafka/protocol/error_code.hpp"
#include "runtime/kafka/transactions/producer_id_pool.hpp"

namespace weir {

/// Where blocks come from. Thread-safe.
class producer_id_source {
 public:
  virtual ~producer_id_source() = default;
  /// `done` is called once, on any thread, perhaps at once: with the first of `count` ids in a row
  /// that nobody else in the cluster is ever given; or with an error to come again after.
  virtual void allocate(int64_t count,
                        std::function<void(kafka::error_code, int64_t first)> done) = 0;
  /// The records of this node show that all ids below `next` may be in use.
  virtual void taken_below(int64_t next) = 0;
};

class producer_id_desk : public std::enable_shared_from_this<producer_id_desk> {
 public:
  /// Requests that wait for a block; more are told to come again.
  static constexpr size_t waiting_max = 10'000;
  /// An id, or none with the error: COORDINATOR_LOAD_IN_PROGRESS means come again.
  using taken = std::function<void(kafka::error_code, int64_t id)>;

  explicit producer_id_desk(std::shared_ptr<producer_id_source> s) : source_(std::move(s)) {}

  /// May call at once.
  void take(taken done);
  /// `count` of them, or fewer; none: come again.
  void take(int64_t count, std::function<void(std::vector<int64_t>)> done);
  void taken_below(int64_t next);

 private:
  void refill();
  void filled(kafka::error_code, int64_t first);

  std::shared_ptr<producer_id_source> source_;
  std::mutex mutex_;
  kafka::producer_id_pool pool_;
  std::deque<taken> waiting_;
};

}  // namespace weir
