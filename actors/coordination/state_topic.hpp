// An internal topic in which coordinators keep their state: made when first needed, appended to
// with the answer given back, replayed at the start. Shared by the actors of one node; thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/storage/storage.hpp"
#include "runtime/kafka/topics/admin/admin.hpp"
#include "runtime/log/record_batch_builder.hpp"

namespace weir {

/// 16 random bytes of the system, as a version 4 UUID.
kafka::uuid random_uuid();

/// What is known when an append is over.
using append_done = std::function<void(append_reply)>;

class state_topic {
 public:
  state_topic(stream_storage& storage, kafka::node_facts node, const clock& time, std::string name)
      : storage_(storage), node_(std::move(node)), time_(time), name_(std::move(name)) {}

  const std::string& name() const noexcept { return name_; }
  /// Makes the topic if it is absent; `done` may be called at once.
  void ensure(std::function<void(const kafka::api_error&)> done);
  /// How many partitions it has; 0 while it does not exist.
  int32_t partitions() const;
  /// `done` is called on the partition's thread.
  void append(int32_t partition, std::vector<std::byte> batch, append_done done);
  void append_marker(int32_t partition, const marker_message&, append_done done);
  int64_t now_ms() const { return time_.now() / 1000; }

  /// Who is told what a replay finds; any call may fail it.
  struct visitor {
    std::function<status(int32_t partition, const record&, record_batch_view)> on_record;
    std::function<status(int32_t partition, int64_t producer_id, bool commit)> on_marker;
  };
  /// Every record of every partition, in order. Blocks: for a thread of its own.
  status replay(const visitor&);

 private:
  status replay_partition(int32_t number, const partition_actor&, const visitor&);

  stream_storage& storage_;
  kafka::node_facts node_;
  const clock& time_;
  std::string name_;
};

}  // namespace weir
