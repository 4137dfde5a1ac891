// The membership of a KIP-848 consumer group: members with their epochs, the target assignment, and
// which partitions are owned at this moment. Owned by the group, no thread of its own. Members are
// immutable values that are replaced as a whole, so that a change can be taken back when its record
// could not be written.
//
// What always holds: a member is current when its epoch is the target's epoch and its state is
// stable; a partition that some member has, or still has to give up, counts as owned.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/kafka/groups/assignment.hpp"

namespace weir::kafka::membership {

inline constexpr int32_t leave_epoch = -1;         // a member that leaves
inline constexpr int32_t static_leave_epoch = -2;  // a static member that will come back
/// Partitions beyond this number are refused when records are read; guards memory.
inline constexpr int32_t partition_index_max = 1'000'000;

enum class member_state : int8_t {  // values are those of the stored records
  stable = 0,                       // has all of its target assignment
  unrevoked = 1,                    // has to give up partitions first
  unreleased = 2,                   // waits for partitions that others have to give up
  unknown = 127,                    // written by a newer version
};

struct classic_protocol {
  std::string name;
  std::string metadata;
  friend bool operator==(const classic_protocol&, const classic_protocol&) = default;
};

/// Of a member that speaks the classic protocol in a consumer group.
struct classic_facts {
  int32_t session_timeout_ms = 0;
  std::vector<classic_protocol> protocols;
  friend bool operator==(const classic_facts&, const classic_facts&) = default;
};

struct consumer_member {
  std::string id;
  std::optional<std::string> instance_id;
  std::optional<std::string> rack_id;
  std::string client_id;
  std::string client_host;
  int32_t rebalance_timeout_ms = -1;
  std::vector<std::string> topics;  // subscribed by name; sorted, unique
  std::string regex;                // subscribed by pattern; empty = none
  std::optional<std::string> assignor;
  std::optional<classic_facts> classic;

  int32_t epoch = 0;
  int32_t previous_epoch = 0;
  member_state state = member_state::stable;
  assignment assigned;
  assignment revoking;

  bool current(int32_t target_epoch) const {
    return state == member_state::stable && epoch == target_epoch;
  }
  /// Whether what the member's metadata record says is equal.
  bool same_metadata(const consumer_member& other) const;
};

using member_ptr = std::shared_ptr<const consumer_member>;
using assignment_ptr = std::shared_ptr<const assignment>;

class consumer_members {
 public:
  int32_t epoch = 0;         // of the group: rises with each change of members or topics
  int32_t target_epoch = 0;  // the group epoch that the target assignment was made for
  uint64_t topics_hash = 0;  // of the subscribed topics' ids and partition counts; 0 = unknown

  const std::map<std::string, member_ptr>& all() const { return members_; }
  bool empty() const { return members_.empty(); }
  size_t size() const { return members_.size(); }
  member_ptr find(const std::string& id) const;
  member_ptr find_instance(const std::optional<std::string>& instance_id) const;
  const std::map<std::string, assignment_ptr>& targets() const { return targets_; }
  const assignment& target(const std::string& id) const;

  /// Inserts or replaces; returns what was there before (or nullptr), for taking it back.
  member_ptr put(member_ptr);
  member_ptr erase(const std::string& id);
  /// nullptr removes.
  assignment_ptr put_target(const std::string& id, assignment_ptr);

  bool owned(const uuid& topic, int32_t partition) const;
  /// Whether the member waits for a partition of its target that another still has.
  bool waits_for_others(const consumer_member&) const;
  size_t classic_count() const { return classic_count_; }
  /// How many classic members support the protocol.
  size_t supporters(const std::string& protocol) const;
  bool all_classic_but(const std::string& id) const;
  /// "Empty", "Assigning", "Reconciling" or "Stable".
  const char* state_name() const;

 private:
  void count(const consumer_member&, int change);

  std::map<std::string, member_ptr> members_;
  std::map<std::string, std::string> by_instance_;
  std::map<std::string, assignment_ptr> targets_;
  // How many members have a partition: at most 1, but for records that are replayed out of step.
  std::unordered_map<uuid, std::vector<uint16_t>> owners_;
  size_t classic_count_ = 0;
};

/// One step of a member towards its target (KIP-848, "member state machine"): first it gives up
/// partitions, then its epoch rises, then it gets what nobody owns any more. `reported` is what the
/// member says it has, if it said so. Nothing if the member's state is unknown and it has
/// partitions: it must be fenced.
std::optional<consumer_member> reconcile(const consumer_members& group,
                                         const consumer_member& member, int32_t target_epoch,
                                         const assignment& target,
                                         const std::optional<assignment>& reported);

}  // namespace weir::kafka::membership
