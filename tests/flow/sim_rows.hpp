// Rows of the flow tests: event time, key, a number that is unique in the whole job, and a count
// that keyed operators write. Small helpers; no state.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/snapshot/chunk.hpp"

namespace weir::sim {

struct row {
  int64_t time = 0, key = 0, number = 0, count = 0;
  friend auto operator<=>(const row&, const row&) = default;
};

schema_ptr row_schema();
batch_ptr to_batch(const std::vector<row>&, memory_pool&);
std::vector<row> to_rows(const batch&);

/// Rows as the bytes of a chunk and back.
buffer_ref to_buffer(const std::vector<row>&, memory_pool&);
std::vector<row> from_bytes(std::span<const std::byte>);

class random_source {
 public:
  explicit random_source(uint64_t seed) : engine_(seed) {}
  /// Uniform in [low, high].
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool one_in(int64_t n) { return between(1, n) == 1; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace weir::sim
