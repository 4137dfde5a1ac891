// Writes the markers that end transactions into the partitions that took part, wherever their
// leaders are. Thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "actors/coordination/remote.hpp"

namespace weir {

class marker_desk {
 public:
  using done = std::function<void(kafka::error_code)>;
  /// Hears of each marker that became durable in a partition of __consumer_offsets on this node.
  using listener = std::function<void(int32_t partition, int64_t producer_id, bool commit)>;

  marker_desk(std::shared_ptr<directory_board> board, std::shared_ptr<remote_coordination> remote,
              std::string offsets_topic, listener offsets)
      : board_(std::move(board)),
        remote_(std::move(remote)),
        offsets_topic_(std::move(offsets_topic)),
        offsets_(std::move(offsets)) {}

  /// To whoever leads the partition now. NONE: it is durable. UNKNOWN_TOPIC_OR_PARTITION: the topic
  /// is deleted. NOT_LEADER_OR_FOLLOWER, NETWORK_EXCEPTION and others: to be asked for again, it
  /// may have happened. `done` is called once, on any thread.
  void write(kafka::marker_item, done) const;
  /// On this node, which has to lead the partition: for the requests of other nodes.
  void write_here(const kafka::marker_item&, done) const;
  const std::string& offsets_topic() const noexcept { return offsets_topic_; }

 private:
  std::shared_ptr<directory_board> board_;
  std::shared_ptr<remote_coordination> remote_;
  std::string offsets_topic_;
  listener offsets_;
};

}  // namespace weir
