// Consumer groups of a node: one actor a group, found by the group's id. The router is shared by
// gateways and the transaction coordinator; thread-safe. Groups come back from __consumer_offsets
// at the start; until then nobody is served (COORDINATOR_LOAD_IN_PROGRESS).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/coordination/state_topic.hpp"
#include "runtime/kafka/groups/group.hpp"

namespace weir {

/// A request for a group: what to call, and what to do with the one answer.
struct group_request_message {
  int16_t version = 0;
  std::string client_id, client_host;
  std::function<void(kafka::group&, const kafka::group_call&, kafka::group_effects&)> work;
  std::function<void(kafka::group_response)> answer;
};
/// A look at a group.
struct group_visit_message {
  std::function<void(const kafka::group&)> visit;
};
/// An event for a group that nobody waits for.
struct group_event_message {
  std::function<void(kafka::group&, int64_t now_ms, kafka::group_effects&)> event;
};
struct group_written_message {
  uint64_t id = 0;
  kafka::error_code error = kafka::error_code::none;
};

using group_actor = caf::typed_actor<
    // Gateways: requests and looks. Router: events.
    caf::reacts_to<group_request_message>, caf::reacts_to<group_visit_message>,
    caf::reacts_to<group_event_message>,
    // Its partition of __consumer_offsets: a write is durable, or failed.
    caf::reacts_to<group_written_message>,
    // Itself.
    caf::reacts_to<timer_atom, int64_t>>;

class group_router {
 public:
  group_router(caf::actor_system&, stream_storage&, kafka::node_facts, const clock&,
               kafka::group_options);
  ~group_router();

  /// Reads what is stored; `failed` is told when it cannot be. Blocks.
  status load();
  bool ready() const noexcept { return ready_.load(); }

  /// A request to a group, which is made if there is none. Not ready, or without its topic: the
  /// answer is an error that `refuse` makes of it.
  void ask(const std::string& group, group_request_message,
           std::function<void(kafka::error_code)> refuse);
  /// Null if nothing is known of this group.
  group_actor find(const std::string& group) const;
  std::vector<std::pair<std::string, group_actor>> all() const;
  /// The transaction marker of a producer is durable in this partition of __consumer_offsets.
  void transaction_ended(int32_t partition, int64_t producer_id, bool commit);
  state_topic& offsets() noexcept { return *offsets_; }
  int32_t partition_of(const std::string& group) const;

 private:
  group_actor spawn(const std::string& id, std::unique_ptr<kafka::group> restored);
  std::shared_ptr<const kafka::topic_view> view() const;
  void topics_changed(const kafka::topic_change&);

  caf::actor_system& system_;
  stream_storage& storage_;
  const clock& time_;
  kafka::group_options options_;
  std::shared_ptr<state_topic> offsets_;
  std::atomic<bool> ready_{false};
  mutable std::mutex mutex_;
  std::unordered_map<std::string, group_actor> groups_;
  /// Told of topics while the router lives.
  std::shared_ptr<group_router*> alive_;
};

}  // namespace weir

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_request_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_visit_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_event_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_written_message)
