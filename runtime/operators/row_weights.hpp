// Whole rows with their weights: what a step keeps that is about rows as such. A table keyed by all
// columns, looked up in runs. Owned by one operator instance.
#pragma once

#include <memory>
#include <optional>

#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/operator.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

class row_weights {
 public:
  static constexpr uint32_t run_max = 512;

  static result<std::unique_ptr<row_weights>> make(const schema& rows, bool expires = false);
  void open(const operator_context&);

  /// Begins with another batch.
  void begin_batch() noexcept { hashes_ = {}; }
  /// Finds, or adds with weight 0, logical rows [begin, begin + n) of the batch, n <= run_max, to
  /// be changed at once.
  void look_up(const batch&, uint32_t begin, uint32_t n);
  /// Physical row, and weight, of row i of the run.
  uint32_t at(uint32_t i) const noexcept { return at_[i]; }
  int64_t& weight(uint32_t i) noexcept { return weight_of(rows_[i]); }
  /// Rows of the run whose weight is 0 leave.
  void erase_empty(uint32_t n);

  row_table& table() noexcept { return *table_; }
  const key_codec& codec() const noexcept { return codec_; }
  int64_t& weight_of(uint64_t* row) const noexcept {
    return reinterpret_cast<int64_t&>(row[1 + layout_.key_words]);
  }
  int64_t weight_of(const uint64_t* row) const noexcept {
    return static_cast<int64_t>(row[1 + layout_.key_words]);
  }

  void snapshot_begin(snapshot_writer& w) { table_->snapshot_begin(w); }
  bool snapshot_continue(snapshot_writer&, size_t budget);
  status restore(const snapshot_reader&, key_group_range);

 private:
  key_codec codec_;
  row_layout layout_;
  std::optional<row_table> table_;
  memory_pool* memory_ = nullptr;
  uint32_t key_groups_ = default_key_groups;
  std::vector<uint32_t> columns_;
  buffer_ref hashes_;  // of the batch, for key groups; made when a row is new
  std::vector<uint64_t> encoded_;
  std::vector<uint32_t> added_;
  uint32_t at_[run_max], key_hashes_[run_max], ids_[run_max];
  uint64_t* rows_[run_max];
};

}  // namespace weir
