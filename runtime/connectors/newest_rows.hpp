// The rows of a keyed table, from records that say what a key's row is from now on or that it is
// gone. Owned by one reading at a time (lookup_table.hpp); rows are merged when they are asked for.
#pragma once

#include "runtime/column/batch.hpp"

namespace weir {

class newest_rows {
 public:
  /// `keys`: columns of the rows, of types that can be keys.
  newest_rows(schema_ptr type, std::vector<uint32_t> keys, memory_pool& memory)
      : type_(std::move(type)), keys_(std::move(keys)), memory_(memory) {}

  /// Rows in the order in which they were written: a weight below 0 takes the key's row away. An
  /// error: a key is NULL.
  status add(const batch_ptr&);
  /// Whether rows came since the last merge().
  bool changed() const { return !fresh_.empty(); }
  /// The rows that stand, one of each key; null: none ever came.
  result<batch_ptr> merge();
  void clear();

 private:
  status check_keys(const batch&) const;
  schema_ptr type_;
  std::vector<uint32_t> keys_;
  memory_pool& memory_;
  batch_ptr rows_;  // one of each key; null: none
  std::vector<batch_ptr> fresh_;
  uint64_t fresh_count_ = 0;
};

}  // namespace weir
