// Whole rows that leave an operator as changes, with numbers behind their columns if it adds some.
// Rows are read when a batch is full or at flush(), so they must stay until then. Owned by one
// operator instance.
#pragma once

#include <vector>

#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

class row_changes {
 public:
  /// `numbered`: a bigint column follows those of the rows.
  row_changes(schema_ptr type, const key_codec& codec, bool numbered)
      : type_(std::move(type)), codec_(codec), numbered_(numbered) {}

  void add(const uint64_t* row, int64_t number, int64_t weight, memory_pool&, collector&);
  void flush(memory_pool&, collector&);
  size_t size() const noexcept { return rows_.size(); }

 private:
  schema_ptr type_;
  const key_codec& codec_;
  bool numbered_;
  bool all_one_ = true;
  std::vector<const uint64_t*> rows_;
  std::vector<int64_t> numbers_;
  std::vector<int32_t> weights_;
};

}  // namespace weir
