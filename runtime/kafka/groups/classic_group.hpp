// The membership of a classic group: members, generation, leader, and who waits for what. Plain
// data with the rules that concern nothing else (no timers, no records); owned by the group.
//
// What always holds: `instances` maps exactly the static members; a leader is a member; a member
// has at most one request of each kind waiting.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/kafka/groups/consumer_members.hpp"
#include "runtime/kafka/groups/effects.hpp"

namespace weir::kafka::membership {

inline constexpr const char* consumer_protocol_type = "consumer";

struct classic_member {
  std::string id;
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  int32_t rebalance_timeout_ms = 0;
  int32_t session_timeout_ms = 0;
  std::vector<classic_protocol> protocols;  // by preference
  std::string assignment;
  std::optional<reply_token> waiting_join;
  std::optional<reply_token> waiting_sync;
  bool is_new = false;  // has not been part of a generation yet

  const std::string* metadata(const std::string& protocol) const;
  /// A member whose request waits needs no heartbeat.
  bool alive_by_waiting() const { return !is_new && (waiting_join || waiting_sync); }
};

enum class classic_state : uint8_t { empty, preparing, completing, stable };
/// "Empty", "PreparingRebalance", "CompletingRebalance", "Stable".
const char* to_string(classic_state) noexcept;

struct classic_group {
  classic_state state = classic_state::empty;
  classic_state previous = classic_state::empty;
  int64_t state_since_ms = -1;  // -1: unknown (old records)
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  int32_t generation = 0;
  std::optional<std::string> leader;
  std::map<std::string, classic_member> members;
  std::map<std::string, std::string> instances;
  std::set<std::string> pending_joins;  // got an id, have not joined with it yet
  std::set<std::string> pending_syncs;
  bool new_member_added = false;                    // while the first rebalance waits for more
  std::optional<std::set<std::string>> subscribed;  // nothing: not known
  bool recorded = false;                            // the log has (or will have) a record of it

  classic_member* find(const std::string& id);
  const std::string* instance_owner(const std::string& instance_id) const;
  bool is_leader(const std::string& id) const { return leader == id; }
  bool uses_consumer_protocol() const { return protocol_type == consumer_protocol_type; }
  size_t waiting_joins() const;
  bool all_joined() const;
  int32_t rebalance_timeout_ms() const;
  /// Whether a member with these protocols can be in the group.
  bool supports(const std::string& type, const std::vector<classic_protocol>&) const;
  /// The error for a request in the name of a member, or none.
  error_code validate(const std::string& member_id,
                      const std::optional<std::string>& instance_id) const;

  classic_member& add(classic_member, const std::string& type);
  void remove(const std::string& id);
  void move_to(classic_state next, int64_t now_ms);
  /// If the leader has not rejoined, another member that has becomes leader. False: nobody has.
  bool elect_joined_leader();
  /// The protocol that most members prefer among those that all support.
  std::string select_protocol() const;
  void next_generation(int64_t now_ms);
  void update_subscribed();
};

}  // namespace weir::kafka::membership
