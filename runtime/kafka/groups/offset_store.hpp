// The committed offsets of one group, and those that open transactions will commit. Changes under
// way to the log are announced first (begin) and applied when they are durable; fetches see only
// applied ones. Owned by the group, no thread of its own.
//
// What always holds: changes are applied in the order of the log, and a transaction's offset never
// replaces one that was written after it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weir::kafka::membership {

struct offset_key {
  std::string topic;
  int32_t partition = 0;
  friend auto operator<=>(const offset_key&, const offset_key&) = default;
};

struct stored_offset {
  int64_t offset = 0;
  int32_t leader_epoch = -1;
  std::string metadata;
  int64_t commit_ms = 0;
  int64_t expire_ms = -1;  // from old commits with a retention time of their own
  uint64_t order = 0;      // position among the group's offset records in the log
};

/// One record: an offset, or its removal.
struct offset_change {
  offset_key at;
  std::optional<stored_offset> value;
  int64_t producer_id = -1;  // of an open transaction
};

class offset_store {
 public:
  using by_partition = std::map<offset_key, stored_offset>;

  /// Numbers changes as they are handed to the log (or read from it).
  uint64_t next_order() { return ++order_; }
  void begin(const offset_change&);
  void failed(const offset_change& c) { settle(c); }
  void written(const offset_change&);
  /// A change read from the log.
  void apply(const offset_change&);
  void end_transaction(int64_t producer_id, bool commit);

  const by_partition& all() const { return offsets_; }
  const stored_offset* find(const offset_key&) const;
  /// An open transaction may change it.
  bool unstable(const offset_key&) const;
  bool open_transactions() const { return !pending_.empty() || !under_way_pending_.empty(); }
  /// Nothing stored, pending, or under way.
  bool empty() const;
  /// Everything a deletion must write tombstones for.
  std::vector<offset_key> keys() const;
  bool known(const offset_key&) const;
  bool under_way(const offset_key& at) const { return under_way_.count(at) != 0; }

 private:
  void settle(const offset_change&);

  by_partition offsets_;
  std::map<int64_t, by_partition> pending_;      // by producer id
  std::map<offset_key, int> under_way_;          // all changes
  std::map<offset_key, int> under_way_pending_;  // those of transactions
  uint64_t order_ = 0;
};

}  // namespace weir::kafka::membership
