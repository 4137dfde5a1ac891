#include "runtime/operators/row_append.hpp"

namespace weir {
namespace {

template <class T>
void append_fixed(column_builder& to, const column& c, std::span<const uint32_t> indices) {
  auto n = static_cast<uint32_t>(indices.size());
  const uint32_t first = to.length();
  T* out = to.extend<T>(n);
  const uint32_t* at = indices.data();
  if (c.dictionary) {
    const auto* codes = c.data<uint32_t>();
    const T* values = c.dictionary->data<T>();
    for (uint32_t i = 0; i < n; ++i) out[i] = values[codes[at[i]]];
  } else {
    const T* values = c.data<T>();
    for (uint32_t i = 0; i < n; ++i) out[i] = values[at[i]];
  }
  if (c.validity)
    for (uint32_t i = 0; i < n; ++i)
      if (!c.is_valid(at[i])) to.set_null(first + i);
}

void append_strings(column_builder& to, const column& c, std::span<const uint32_t> indices) {
  if (c.dictionary || c.validity) {
    for (uint32_t i : indices) {
      if (c.is_valid(i)) {
        to.append(c.view(i));
      } else {
        to.append_null();
      }
    }
    return;
  }
  const auto* offsets = c.offsets.as<uint32_t>();
  const char* bytes = c.values.as<char>();
  for (uint32_t i : indices)
    to.append(std::string_view(bytes + offsets[i], offsets[i + 1] - offsets[i]));
}

}  // namespace

void append_places(column_builder& to, const column& c, std::span<const uint32_t> indices) {
  const auto n = static_cast<uint32_t>(indices.size());
  const uint32_t first = to.length();
  auto* out = to.extend<int32_t>(n);
  const auto* places = c.data<int32_t>();
  for (uint32_t i = 0; i < n; ++i) out[i] = places[indices[i]];
  if (c.validity)
    for (uint32_t i = 0; i < n; ++i)
      if (!c.is_valid(indices[i])) to.set_null(first + i);
}

void append_rows(column_builder& to, const column& c, std::span<const uint32_t> indices) {
  switch (c.type.id) {
    case type_id::boolean:
      return append_fixed<uint8_t>(to, c, indices);
    case type_id::int32:
    case type_id::date:
      return append_fixed<int32_t>(to, c, indices);
    case type_id::int64:
    case type_id::timestamp:
      return append_fixed<int64_t>(to, c, indices);
    case type_id::float64:
      return append_fixed<double>(to, c, indices);
    case type_id::decimal:
      return append_fixed<int128>(to, c, indices);
    case type_id::interval:
      return append_fixed<interval_value>(to, c, indices);
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return append_strings(to, c, indices);
    default:
      for (uint32_t i : indices) to.append_from(c, i);
  }
}

}  // namespace weir
