// Numbers the rows of one batch by their keys: for operators that look at a batch at a time and
// keep nothing. Owned by one operator instance.
#pragma once

#include <span>
#include <vector>

#include "runtime/operators/key_codec.hpp"

namespace weir {

class batch_groups {
 public:
  /// `keys`: columns of `rows`; none: all rows are one group.
  static result<batch_groups> make(const schema& rows, std::vector<uint32_t> keys);

  /// The group of each logical row, from 0 on in order of their first rows; returns how many there
  /// are.
  uint32_t number(const batch&, memory_pool&, std::vector<uint32_t>& groups);

 private:
  struct slot {
    uint32_t tag, group;  // bits of the hash; 1 + group, 0 = empty
  };
  bool equal_keys(const uint64_t* a, const uint64_t* b) const noexcept;

  std::vector<uint32_t> keys_;
  row_layout layout_;
  key_codec codec_;
  std::vector<column_ptr> columns_;
  std::vector<uint32_t> at_, first_;  // physical rows; by group its first logical row
  std::vector<uint64_t> encoded_;
  std::vector<slot> slots_;
};

}  // namespace weir
