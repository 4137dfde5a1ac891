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
  /// are. Where that is at most one `groups` may be left empty: all rows are in group 0.
  uint32_t number(const batch&, memory_pool&, std::vector<uint32_t>& groups);
  /// Of a batch whose rows are one group: whether it is that of the last batch that was asked for.
  /// Always false where keys are texts.
  bool same_group(const batch&);

 private:
  struct slot {
    uint32_t tag, group;  // bits of the hash; 1 + group, 0 = empty
  };
  bool find_heads(const batch&);
  uint32_t number_rows(const batch&, memory_pool&, std::vector<uint32_t>& groups);
  bool equal_keys(const uint64_t* a, const uint64_t* b) const noexcept;

  std::vector<uint32_t> keys_;
  row_layout layout_;
  key_codec codec_;
  std::vector<column_ptr> columns_;
  std::vector<buffer_ref> constant_;  // by key: values of the last batch that were all the same
  // Of long runs of one key the first rows are looked at only: logical rows, and by run its group.
  std::vector<uint32_t> heads_, group_of_head_;
  std::vector<uint32_t> at_, first_;  // physical rows; by group the first row that was looked at
  std::vector<uint64_t> encoded_;
  std::vector<uint64_t> last_key_, key_;  // of same_group()
  std::vector<slot> slots_;
};

}  // namespace weir
