#include "runtime/expr/row.hpp"

#include "runtime/base/assert.hpp"

namespace weir::expr {

void text_out::grow(size_t n) {
  // Offsets are 32 bits wide.
  weir_assert(size_ + n < (uint64_t{1} << 32), "a text column of one batch exceeds 4 GiB");
  size_t wanted = std::max(size_ + n, capacity_ * 2);
  buffer_ref old = std::move(reg_.own.values);
  if (capacity_ == 0 && reg_.values_capacity >= wanted && old.unique()) {
    reg_.own.values = std::move(old);
    capacity_ = reg_.values_capacity;
    data_ = reg_.own.values.mutable_as<char>();
    return;
  }
  size_t used = size_;
  const char* from = data_;
  reg_.own.values = {};
  reg_.values_capacity = 0;
  data_ = run_.values<char>(reg_, wanted);
  capacity_ = wanted;
  if (used) std::memcpy(data_, from, used);
}

}  // namespace weir::expr
