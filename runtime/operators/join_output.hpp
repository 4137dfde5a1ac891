// Pairs of rows -> batches: what a join emits. Rows are as row_table and key_codec hold them, so
// that rows of the batch at hand and stored ones are the same. Owned by one join.
#pragma once

#include "runtime/operators/join_state.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

class join_output {
 public:
  /// `columns` number the left columns, then the right ones.
  join_output(const join_state& state, std::vector<uint32_t> columns, schema_ptr type)
      : state_(state), columns_(std::move(columns)), type_(std::move(type)) {}
  void open(memory_pool* memory) { memory_ = memory; }

  /// Rows must stay where they are until flush().
  void add(const uint64_t* left, const uint64_t* right, int64_t weight) {
    left_.push_back(left);
    right_.push_back(right);
    weights_.push_back(weight);
  }
  bool full() const noexcept { return left_.size() >= batch_rows_target; }
  bool empty() const noexcept { return left_.empty(); }
  /// Emits what was added. An error: a weight beyond what a batch can carry.
  status flush(collector&);

 private:
  const join_state& state_;
  std::vector<uint32_t> columns_;
  schema_ptr type_;
  memory_pool* memory_ = nullptr;
  std::vector<const uint64_t*> left_, right_;
  std::vector<int64_t> weights_;

  /// The different rows of one side of a batch, and which of them each pair has.
  struct repeated {
    std::vector<const uint64_t*> rows;
    buffer_ref places;  // uint32 by pair
  };
  /// Nothing where most pairs have rows of their own.
  bool find_repeated(const std::vector<const uint64_t*>& pairs, repeated& out);
  column_ptr dictionary_column(const key_codec&, uint32_t k, const repeated&,
                               const std::vector<const uint64_t*>& pairs) const;
  repeated repeated_[2];
  std::vector<std::pair<const uint64_t*, uint32_t>> slots_;
};

/// Columns of pairs: column i is one of the left rows (i < left's columns) or of the right ones.
column_ptr pair_column(const join_state&, uint32_t i, const std::vector<const uint64_t*>& left,
                       const std::vector<const uint64_t*>& right, memory_pool&);

}  // namespace weir
