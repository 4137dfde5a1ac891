// Kernels over whole columns and batches. Results are new immutable values that share what they
// can; inputs must be valid columns (the wire decoder checks foreign ones). Thread-compatible.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/column/hash.hpp"

namespace weir {

/// Values at `indices` (each < c.length, in any order, repeats allowed) as a column of that length.
/// A dictionary stays shared.
column_ptr gather(const column& c, std::span<const uint32_t> indices, memory_pool& pool);
/// Values [begin, begin + n) of a column; shares its buffers (validity is copied when `begin` is
/// not a multiple of 8).
column_ptr slice(const column& c, uint32_t begin, uint32_t n, memory_pool& pool);
/// The same values without a dictionary; `c` itself when it has none.
column_ptr flatten(const column_ptr& c, memory_pool& pool);

/// The same rows without a selection; `b` itself when it has none.
batch_ptr compact(const batch_ptr& b, memory_pool& pool);
/// Logical rows [begin, begin + n), sharing columns.
batch_ptr slice(const batch_ptr& b, uint32_t begin, uint32_t n, memory_pool& pool);
/// All logical rows of batches of one schema, in order, without a selection. Dictionaries stay only
/// when all batches share the same one. At least one batch.
batch_ptr concat(std::span<const batch_ptr> batches, memory_pool& pool);

/// Splits by key group: hashes[i] is the hash (hash_keys) of logical row i; the row goes to
/// subtask_of_group(group_of_hash(hash)). One batch per subtask, rows in order, without selection;
/// nullptr where no row goes.
std::vector<batch_ptr> partition(const batch_ptr& b, const buffer_ref& hashes, uint32_t parallelism,
                                 uint32_t key_groups, memory_pool& pool);
/// The same split for any other rule: targets[i] < parallelism is where logical row i goes.
std::vector<batch_ptr> partition_by(const batch_ptr& b, std::span<const uint32_t> targets,
                                    uint32_t parallelism, memory_pool& pool);

/// The same rows with weights times `factor`, which makes insertions deletions when it is -1.
/// Products must fit int32 (asserted).
batch_ptr scale_weights(const batch& b, int32_t factor, memory_pool& pool);
inline batch_ptr negate(const batch& b, memory_pool& pool) {
  return scale_weights(b, -1, pool);
}
/// Whether every selected row has weight +1.
bool all_insertions(const batch& b);

/// Smallest and largest value of an int64, timestamp, int32 or date column over the selected rows
/// that are not null; nothing when there are none.
struct value_range {
  int64_t min = 0, max = 0;
};
std::optional<value_range> range_of(const batch& b, uint32_t column);

}  // namespace weir
