// Rows of partitioned_rows in their order, partition by partition. Owned by one operator instance;
// rebuilt on restore.
#pragma once

#include <absl/container/btree_set.h>

#include "runtime/operators/partitioned_rows.hpp"

namespace weir {

class row_index {
 public:
  struct entry {
    uint64_t word;  // row_order::word
    uint32_t partition, id;
  };

 private:
  struct partition_only {
    uint32_t partition;
  };
  struct order {
    using is_transparent = void;
    const partitioned_rows* rows;
    bool operator()(const entry& a, const entry& b) const noexcept {
      if (a.partition != b.partition) return a.partition < b.partition;
      if (a.word != b.word) return a.word < b.word;
      return a.id != b.id && rows->order().compare(rows->row(a.id), rows->row(b.id)) < 0;
    }
    bool operator()(const entry& a, partition_only b) const noexcept {
      return a.partition < b.partition;
    }
    bool operator()(partition_only a, const entry& b) const noexcept {
      return a.partition < b.partition;
    }
  };
  using set = absl::btree_set<entry, order>;

 public:
  using iterator = set::const_iterator;

  explicit row_index(const partitioned_rows& rows) : set_(order{&rows}) {}
  void insert(const entry& e) { set_.insert(e); }
  void erase(const entry& e) { set_.erase(e); }
  void erase(iterator first, iterator end) { set_.erase(first, end); }
  iterator begin(uint32_t partition) const { return set_.lower_bound(partition_only{partition}); }
  iterator end(uint32_t partition) const { return set_.upper_bound(partition_only{partition}); }
  size_t memory_bytes() const noexcept { return set_.size() * sizeof(entry) * 4 / 3; }

 private:
  set set_;
};

}  // namespace weir
