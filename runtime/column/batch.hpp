// Columns and batches: the only form in which records move. Immutable once built and shared by
// reference between operators, tasks and threads: a projection copies nothing, a filter adds a
// selection vector.
#pragma once

#include <memory>
#include <vector>

#include "runtime/column/buffer.hpp"
#include "runtime/column/types.hpp"

namespace weir {

struct column;
using column_ptr = std::shared_ptr<const column>;

/// One column of `length` values.
///   fixed width  values = length * fixed_width(type.id) bytes, naturally aligned
///   varlen       offsets = uint32[length + 1], ascending, the first need not be 0; values = bytes
///   list         offsets likewise, children[0] = items;  struct: children, one per field
///   dictionary   when set: values = uint32[length] indices into it, no offsets; the dictionary is
///   a
///                plain column of the same type without nulls
/// validity: bit i (least significant first) is set when value i is present; absent = no nulls. The
/// value under a null is unspecified but readable (offsets stay ascending, indices in range).
struct column {
  data_type type;
  uint32_t length = 0;
  buffer_ref values;
  buffer_ref offsets;
  buffer_ref validity;
  column_ptr dictionary;
  std::vector<column_ptr> children;

  bool is_valid(uint32_t i) const noexcept {
    return !validity || (validity.as<uint8_t>()[i >> 3] >> (i & 7) & 1) != 0;
  }
  template <class T>
  const T* data() const noexcept {
    return values.as<T>();
  }
  /// Value i of a string, bytes or json column, dictionary or not. Unspecified under a null.
  std::string_view view(uint32_t i) const noexcept {
    const column* c = this;
    if (dictionary) {
      i = values.as<uint32_t>()[i];
      c = dictionary.get();
    }
    const auto* o = c->offsets.as<uint32_t>();
    return {c->values.as<char>() + o[i], o[i + 1] - o[i]};
  }
  /// Bytes of memory that this column keeps alive, dictionary and children included. Of a
  /// dictionary with more entries than values, which many columns share, as much as they take.
  size_t memory_bytes() const noexcept;
};

struct batch;
using batch_ptr = std::shared_ptr<const batch>;

struct batch {
  schema_ptr type;
  uint32_t rows = 0;           // logical rows: those selected
  uint32_t physical_rows = 0;  // length of every column; == rows without a selection
  std::vector<column_ptr> columns;
  buffer_ref selection;  // uint32[rows], strictly ascending indices < physical_rows; absent = all
  buffer_ref weights;    // int32[physical_rows], change weights; absent = all +1

  /// Physical index of logical row i.
  uint32_t row(uint32_t i) const noexcept { return selection ? selection.as<uint32_t>()[i] : i; }
  /// Change weight of physical row r.
  int32_t weight(uint32_t r) const noexcept { return weights ? weights.as<int32_t>()[r] : 1; }
  /// What flow control counts: bytes of the buffers this batch keeps alive.
  size_t memory_bytes() const noexcept;
};

/// Rows a batch holds under load, and bytes after which one is closed earlier.
inline constexpr uint32_t batch_rows_target = 8192;
inline constexpr size_t batch_bytes_target = 256 * 1024;

}  // namespace weir
