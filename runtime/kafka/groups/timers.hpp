// The deadlines of one group: each has a kind and whom it is about (a member's id, or nobody).
// Owned by the group; times are the driver's, in milliseconds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "runtime/kafka/groups/effects.hpp"

namespace weir::kafka::membership {

enum class timer_kind : uint8_t {
  classic_session,  // a classic member, or one that was only given an id so far
  classic_initial,  // the first rebalance of a classic group has waited for more members
  classic_join,     // the join phase of a classic group ends
  classic_sync,     // members that did not ask for their assignment are out
  session,          // a member of a consumer group
  rebalance,        // a member of a consumer group does not give up partitions
  mixed_join,       // a classic member of a consumer group does not rejoin
  mixed_sync,       // ... or does not ask for its assignment
  offset_expiry,    // look for offsets past their retention
};

class timer_set {
 public:
  struct key {
    timer_kind kind;
    std::string who;
    friend auto operator<=>(const key&, const key&) = default;
  };

  void set(timer_kind kind, const std::string& who, int64_t at_ms);
  void set_if_absent(timer_kind kind, const std::string& who, int64_t at_ms);
  void cancel(timer_kind kind, const std::string& who);
  void cancel_all(timer_kind kind);
  bool has(timer_kind kind, const std::string& who) const { return at_.count({kind, who}) != 0; }
  /// Removes and returns one that is due, the earliest first.
  std::optional<key> pop(int64_t now_ms);
  /// The earliest deadline, or group_effects::no_wake.
  int64_t next() const { return order_.empty() ? group_effects::no_wake : order_.begin()->first; }

 private:
  struct before {
    bool operator()(const std::pair<int64_t, const key*>& a,
                    const std::pair<int64_t, const key*>& b) const {
      return a.first != b.first ? a.first < b.first : *a.second < *b.second;
    }
  };
  std::map<key, int64_t> at_;
  std::set<std::pair<int64_t, const key*>, before> order_;  // keys point into at_
};

}  // namespace weir::kafka::membership
