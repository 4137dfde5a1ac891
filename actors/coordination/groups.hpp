// Consumer groups of a node: one actor a group, found by the group's id. A group lives where the
// leader of its partition of __consumer_offsets is; its actor serves one tenure, and says
// NOT_COORDINATOR to all who still come when that is over. The router is shared by gateways and
// those who write transactions' markers; thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/coordination/state_homes.hpp"
#include "runtime/kafka/groups/group.hpp"

namespace weir {

/// A request for a group: what to call, and what to do with the one answer.
struct group_request_message {
  int16_t version = 0;
  std::string client_id, client_host;
  std::function<void(kafka::group&, const kafka::group_call&, kafka::group_effects&)> work;
  std::function<void(kafka::group_response)> answer;
  /// Instead, when this is not the home of the group any more.
  std::function<void(kafka::error_code)> refuse;
};
/// A look at a group. `refuse`: as above; without it the group's last state here is shown.
struct group_visit_message {
  std::function<void(const kafka::group&)> visit;
  std::function<void(kafka::error_code)> refuse;
};
/// The tenure is over.
struct group_ended_message {};
/// An event for a group that nobody waits for.
struct group_event_message {
  std::function<void(kafka::group&, int64_t now_ms, kafka::group_effects&)> event;
};
struct group_written_message {
  uint64_t id = 0;
  kafka::error_code error = kafka::error_code::none;
};

using group_actor = caf::typed_actor<
    // Gateways: requests and looks. Router: events, the end.
    caf::reacts_to<group_request_message>, caf::reacts_to<group_visit_message>,
    caf::reacts_to<group_event_message>, caf::reacts_to<group_ended_message>,
    // Its partition of __consumer_offsets: a write is durable, or failed.
    caf::reacts_to<group_written_message>,
    // Itself.
    caf::reacts_to<timer_atom, int64_t>>;

/// What is known of a group's id. NONE without an actor: there is no such group.
struct group_place {
  kafka::error_code error = kafka::error_code::none;
  group_actor actor;
};

class group_router final : public state_homes {
 public:
  group_router(caf::actor_system&, std::shared_ptr<state_topic>, kafka::group_options,
               std::function<void(std::string)> log);
  ~group_router();

  /// A request to a group, which is made if there is none. Where this node is not its home (yet, or
  /// at all), the message's `refuse` says so.
  void ask(const std::string& group, group_request_message);
  group_place find(const std::string& group) const;
  /// The same for answers from memory, where this node surely is the group's home, whatever it
  /// believes; else NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE (the metadata does not answer), or
  /// what check() says. Makes the topic if it is absent: it may be that only this node has not
  /// heard of it. May call at once.
  void find_surely(const std::string& group, std::function<void(group_place)> done);
  /// The groups that live here, but for those that still are read.
  std::vector<std::pair<std::string, group_actor>> all() const;
  /// The transaction marker of a producer is durable in this partition of __consumer_offsets.
  void transaction_ended(int32_t partition, int64_t producer_id, bool commit);
  /// The same for callbacks that may come when the router is gone.
  std::function<void(int32_t partition, int64_t producer_id, bool commit)> transaction_listener();

 private:
  /// Of a tenure. What happens while it is read is kept for those who are read.
  struct home {
    kafka::tenure of;
    std::unordered_map<std::string, group_actor> groups;
    std::vector<std::pair<int64_t, bool>> ended_transactions;  // producer, commit
    std::vector<std::string> deleted_topics;
  };

  void begun(const kafka::tenure&) override;
  void ended(const kafka::tenure&) override;
  result<bool> load(const kafka::tenure&, int64_t& end) override;
  void topics_changed(const kafka::topic_change&) override;

  /// Under mutex().
  group_place place_of(int32_t partition, const std::string& group) const;
  group_actor spawn(const kafka::tenure&, std::unique_ptr<kafka::group>);
  std::shared_ptr<const kafka::topic_view> view() const;

  caf::actor_system& system_;
  kafka::group_options options_;
  std::map<int32_t, home> homes_;  // by partition; under mutex()
};

}  // namespace weir

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_request_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_visit_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_event_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_ended_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::group_written_message)
