// Splits the batches of one edge over the subtasks behind it. Rows of a hash or rebalance edge are
// gathered straight into one growing batch per target, so that the receiver sees full batches
// whatever the number of targets; broadcast and forward hand on the batch itself. Owned by one
// task. Order of rows per (sender, key) is kept.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/column/batch.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

class exchange_partitioner {
 public:
  using output_fn = std::function<void(uint32_t target, batch_ptr part)>;

  /// `type`: schema of the rows; `keys`: columns of it (hash); `subtask`: the sender's, where a
  /// forward edge leads (modulo targets) and a rebalance edge begins.
  exchange_partitioner(exchange_kind, std::vector<uint32_t> keys, schema_ptr type, uint32_t targets,
                       uint32_t subtask, uint32_t key_groups, memory_pool&);
  ~exchange_partitioner();
  exchange_partitioner(exchange_partitioner&&) noexcept;

  /// Calls `out` for every target's batch that is full (batch_rows_target or batch_bytes_target).
  status add(const batch_ptr&, const output_fn& out);
  /// Hands out what is held, as small as it is.
  status flush(const output_fn& out);
  bool holds_rows() const noexcept;
  /// Bytes that are held, for the budget.
  size_t held_bytes() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weir
