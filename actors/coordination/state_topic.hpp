// An internal topic in which coordinators keep their state: made when first needed, appended to
// in a tenure with the answer given back, replayed when a tenure begins. Shared by the actors of
// one node; thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "actors/storage/storage.hpp"
#include "runtime/kafka/coordination/tenures.hpp"
#include "runtime/kafka/topics/admin/admin.hpp"
#include "runtime/log/record_batch_builder.hpp"

namespace weir {

/// What is known when an append is over.
using append_done = std::function<void(append_reply)>;

class state_topic {
 public:
  state_topic(stream_storage& storage, kafka::node_facts node, const clock& time, std::string name)
      : storage_(storage), node_(std::move(node)), time_(time), name_(std::move(name)) {}

  const std::string& name() const noexcept { return name_; }
  directory_ptr directory() const { return storage_.directory(); }
  const topics_actor& topics() const { return storage_.topics(); }
  /// Makes the topic if it is absent; `done` may be called at once.
  void ensure(std::function<void(const kafka::api_error&)> done);
  /// How many partitions it has; 0 while it does not exist.
  int32_t partitions() const;
  /// In another leader epoch than the tenure's: NOT_LEADER_OR_FOLLOWER. `done` is called on the
  /// partition's thread.
  void append(const kafka::tenure&, std::vector<std::byte> batch, append_done done);
  /// Whether the tenure still lasts, whatever this node believes (leadership_message): for what
  /// is answered from memory. `done` is called on the partition's thread, or at once.
  void confirm(const kafka::tenure&, std::function<void(kafka::error_code)> done) const;
  int64_t now_ms() const { return time_.now() / 1000; }

  /// Who is told what a replay finds; any call may fail it.
  struct visitor {
    std::function<status(const record&, record_batch_view)> on_record;
    std::function<status(int64_t producer_id, bool commit)> on_marker;
  };
  /// Every record that the tenure's partition had when this was first called with `end` = -1, in
  /// order. False, and nothing was told: not all of them are committed yet, so that some may not
  /// survive; to be called again with the same `end`. Blocks: for a thread of its own.
  result<bool> replay(const kafka::tenure&, int64_t& end, const visitor&,
                      const std::atomic<bool>& stop);

 private:
  stream_storage& storage_;
  kafka::node_facts node_;
  const clock& time_;
  std::string name_;
};

}  // namespace weir
