#include "runtime/column/batch.hpp"

namespace weir {

size_t column::memory_bytes() const noexcept {
  size_t n = values.size() + offsets.size() + validity.size();
  if (dictionary) {
    // A dictionary that is longer than the column is not this one's alone: its share counts.
    size_t shared = dictionary->memory_bytes();
    n += dictionary->length > length ? shared * length / dictionary->length : shared;
  }
  for (const auto& c : children) n += c->memory_bytes();
  return n;
}

size_t batch::memory_bytes() const noexcept {
  size_t n = selection.size() + weights.size() + sizeof(batch);
  for (const auto& c : columns) n += c->memory_bytes();
  return n;
}

}  // namespace weir
