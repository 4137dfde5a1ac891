// Pairs of old and new results as one batch of changes: -1 old, +1 new, in order of the groups,
// both left out where the result is the same. Used for one batch and then dropped.
#pragma once

#include "runtime/operators/aggregate_core.hpp"

namespace weir {

class change_output {
 public:
  change_output(schema_ptr type, memory_pool& memory) : type_(std::move(type)), memory_(memory) {}
  /// `before`, `after`: the value words of a group; null where it does (or did) not exist.
  void add(const uint64_t* row, const uint64_t* before, const uint64_t* after) {
    // Both have a place among the columns; the selection leaves out what is not there.
    const uint64_t* any = before ? before : after;
    if (!any) return;
    rows_.push_back(row);
    rows_.push_back(row);
    values_.push_back(any);
    values_.push_back(after ? after : any);
    exists_.push_back(static_cast<uint8_t>((before ? 1 : 0) | (after ? 2 : 0)));
  }
  status emit(const aggregate_core&, collector&);

 private:
  schema_ptr type_;
  memory_pool& memory_;
  std::vector<const uint64_t*> rows_, values_;
  std::vector<uint8_t> exists_;
};

}  // namespace weir
