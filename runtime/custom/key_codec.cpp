#include "runtime/custom/key_codec.hpp"

#include <bit>
#include <cstring>
#include <limits>

namespace weir::custom {

namespace {

template <class T>
T load(const void* values, size_t i) {
  T v;
  std::memcpy(&v, static_cast<const char*>(values) + i * sizeof(T), sizeof(T));
  return v;
}
uint64_t ordered(int64_t v) {
  return __builtin_bswap64(static_cast<uint64_t>(v) ^ 1ull << 63);
}
int64_t unordered(uint64_t v) {
  return static_cast<int64_t>(__builtin_bswap64(v) ^ 1ull << 63);
}
void append_word(std::string& out, uint64_t w) {
  out.append(reinterpret_cast<const char*>(&w), 8);
}

}  // namespace

void append_key(std::string& out, const abi::column& c, uint32_t row) {
  bool null = c.validity && (c.validity[row >> 3] >> (row & 7) & 1) == 0;
  out.push_back(static_cast<char>(null));
  if (null) return;
  switch (static_cast<type_id>(c.type)) {
    case type_id::boolean:
      return out.push_back(static_cast<const char*>(c.values)[row]);
    case type_id::int32:
    case type_id::date:
      return append_word(out, ordered(load<int32_t>(c.values, row)));
    case type_id::int64:
    case type_id::timestamp:
      return append_word(out, ordered(load<int64_t>(c.values, row)));
    case type_id::float64: {
      auto d = load<double>(c.values, row);
      // -0 and 0 are one key, and so are all NaN, as for the exchange's hash.
      if (d == 0) d = 0;
      if (d != d) d = std::numeric_limits<double>::quiet_NaN();
      return append_word(out, std::bit_cast<uint64_t>(d));
    }
    case type_id::decimal:
      append_word(out, ordered(load<int64_t>(c.values, 2 * size_t{row} + 1)));
      return append_word(out, load<uint64_t>(c.values, 2 * size_t{row}));
    case type_id::interval:
      append_word(out, load<uint64_t>(c.values, 2 * size_t{row}));
      return append_word(out, load<uint64_t>(c.values, 2 * size_t{row} + 1));
    default: {
      const abi::column* plain = c.dictionary ? c.dictionary : &c;
      size_t i = c.dictionary ? load<uint32_t>(c.values, row) : row;
      uint32_t begin = plain->offsets[i], size = plain->offsets[i + 1] - begin;
      out.append(reinterpret_cast<const char*>(&size), 4);
      out.append(static_cast<const char*>(plain->values) + begin, size);
    }
  }
}

namespace {

bool decode_cell(std::string_view& key, abi::cell& cell) {
  auto word = [&key](uint64_t& w) {
    if (key.size() < 8) return false;
    std::memcpy(&w, key.data(), 8);
    key.remove_prefix(8);
    return true;
  };
  uint64_t a = 0, b = 0;
  switch (static_cast<type_id>(cell.type)) {
    case type_id::boolean:
      if (key.empty()) return false;
      cell.i = key[0] != 0;
      key.remove_prefix(1);
      return true;
    case type_id::int32:
    case type_id::date:
    case type_id::int64:
    case type_id::timestamp:
      if (!word(a)) return false;
      cell.i = unordered(a);
      return true;
    case type_id::float64:
      if (!word(a)) return false;
      cell.d = std::bit_cast<double>(a);
      return true;
    case type_id::decimal:
      if (!word(a) || !word(b)) return false;
      cell.high = unordered(a);
      cell.i = static_cast<int64_t>(b);
      return true;
    case type_id::interval:
      if (!word(a) || !word(b)) return false;
      cell.high = static_cast<int64_t>(a);
      cell.i = static_cast<int64_t>(b);
      return true;
    default: {
      uint32_t size = 0;
      if (key.size() < 4) return false;
      std::memcpy(&size, key.data(), 4);
      key.remove_prefix(4);
      if (key.size() < size) return false;
      cell.s = {key.data(), size};
      key.remove_prefix(size);
      return true;
    }
  }
}

}  // namespace

bool decode_key(std::string_view key, const std::vector<data_type>& types,
                std::vector<abi::cell>& cells) {
  cells.clear();
  for (const auto& t : types) {
    abi::cell cell{};
    cell.type = static_cast<uint8_t>(t.id);
    cell.scale = t.scale;
    if (key.empty()) return false;
    cell.is_null = key[0] != 0;
    key.remove_prefix(1);
    if (!cell.is_null && !decode_cell(key, cell)) return false;
    cells.push_back(cell);
  }
  return key.empty();
}

}  // namespace weir::custom
