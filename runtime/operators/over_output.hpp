// Rows with the values of window functions on their way out. Rows and strings are read at flush(),
// so they must stay until then. Owned by one operator instance.
#pragma once

#include "runtime/operators/operator.hpp"
#include "runtime/operators/over_eval.hpp"

namespace weir {

/// A partition as it was evaluated.
struct over_rows {
  std::vector<uint32_t> ids;
  std::vector<const uint64_t*> rows;
  std::vector<std::vector<over_value>> values;  // by call

  void clear() {
    ids.clear();
    rows.clear();
  }
};

class over_output {
 public:
  over_output(schema_ptr type, const key_codec& codec, const over_spec&);

  void add(const over_rows&, size_t row, int32_t weight, memory_pool&, collector&);
  void flush(memory_pool&, collector&);
  size_t size() const noexcept { return rows_.size(); }
  /// Orders the values of two rows; 0 = all calls agree.
  int compare(const over_rows& a, size_t i, const over_rows& b, size_t k) const;

 private:
  schema_ptr type_;
  const key_codec& codec_;
  std::vector<data_type> types_;
  std::vector<const uint64_t*> rows_;
  std::vector<std::vector<over_value>> values_;
  std::vector<int32_t> weights_;
  bool all_one_ = true;
};

}  // namespace weir
