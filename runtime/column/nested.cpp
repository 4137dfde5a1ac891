#include "runtime/column/nested.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/base/assert.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/column/validate.hpp"

namespace weir {
namespace {

constexpr uint64_t sign64 = uint64_t{1} << 63;
constexpr char list_end = 0, present = 1, absent = 2;

int128 length_of(interval_value v) noexcept {
  return (static_cast<int128>(v.months) * 30 + v.days) * 86'400'000'000 + v.micros;
}
template <class T>
int order(T a, T b) noexcept {
  return a < b ? -1 : a > b ? 1 : 0;
}
template <class T>
T load(const column& c, uint32_t i) noexcept {
  T v;
  std::memcpy(&v, c.data<std::byte>() + size_t{i} * sizeof(T), sizeof(T));
  return v;
}
template <class T>
int order_at(const column& a, uint32_t i, const column& b, uint32_t j) noexcept {
  return order(load<T>(a, i), load<T>(b, j));
}

// ---- stored form ----

void put32(std::string& out, uint32_t v) {
  v = __builtin_bswap32(v);
  out.append(reinterpret_cast<const char*>(&v), 4);
}
void put64(std::string& out, uint64_t v) {
  v = __builtin_bswap64(v);
  out.append(reinterpret_cast<const char*>(&v), 8);
}
void put128(std::string& out, int128 v) {
  const auto u = static_cast<unsigned __int128>(v);
  put64(out, static_cast<uint64_t>(u >> 64) ^ sign64);
  put64(out, static_cast<uint64_t>(u));
}
void put_int32(std::string& out, int32_t v) {
  put32(out, static_cast<uint32_t>(v) ^ 0x8000'0000u);
}
void put_int64(std::string& out, int64_t v) {
  put64(out, static_cast<uint64_t>(v) ^ sign64);
}
void put_double(std::string& out, double v) {
  const uint64_t bits = word_of_double(v);
  put64(out, bits & sign64 ? ~bits : bits | sign64);
}
void put_interval(std::string& out, interval_value v) {
  put128(out, length_of(v));
  put_int32(out, v.months);
  put_int32(out, v.days);
  put_int64(out, v.micros);
}
void put_bytes(std::string& out, std::string_view s) {
  for (;;) {
    const size_t zero = std::min(s.find('\0'), s.size());
    out.append(s.substr(0, zero));
    if (zero == s.size()) break;
    out += '\0';
    out += '\xff';
    s.remove_prefix(zero + 1);
  }
  out.append(2, '\0');
}

class taker {
 public:
  explicit taker(std::string_view& in) : in_(in) {}
  bool byte(char& v) {
    if (in_.empty()) return false;
    v = in_[0];
    in_.remove_prefix(1);
    return true;
  }
  bool u32(uint32_t& v) {
    if (in_.size() < 4) return false;
    std::memcpy(&v, in_.data(), 4);
    v = __builtin_bswap32(v);
    in_.remove_prefix(4);
    return true;
  }
  bool u64(uint64_t& v) {
    if (in_.size() < 8) return false;
    std::memcpy(&v, in_.data(), 8);
    v = __builtin_bswap64(v);
    in_.remove_prefix(8);
    return true;
  }
  bool i32(int32_t& v) {
    uint32_t u = 0;
    if (!u32(u)) return false;
    v = static_cast<int32_t>(u ^ 0x8000'0000u);
    return true;
  }
  bool i64(int64_t& v) {
    uint64_t u = 0;
    if (!u64(u)) return false;
    v = static_cast<int64_t>(u ^ sign64);
    return true;
  }
  bool i128(int128& v) {
    uint64_t high = 0, low = 0;
    if (!u64(high) || !u64(low)) return false;
    v = static_cast<int128>(static_cast<unsigned __int128>(high ^ sign64) << 64 | low);
    return true;
  }
  bool text(std::string& out) {
    out.clear();
    for (;;) {
      const size_t zero = in_.find('\0');
      if (zero == std::string_view::npos || zero + 1 >= in_.size()) return false;
      out.append(in_.substr(0, zero));
      const char after = in_[zero + 1];
      in_.remove_prefix(zero + 2);
      if (after == 0) return true;
      if (after != '\xff') return false;
      out += '\0';
    }
  }

 private:
  std::string_view& in_;
};

}  // namespace

bool has_nested(const schema& s) noexcept {
  return std::any_of(s.fields.begin(), s.fields.end(),
                     [](const field& f) { return is_nested(f.type.id); });
}

bool is_comparable(const data_type& t) noexcept {
  if (t.id == type_id::json) return false;
  return !is_nested(t.id) || std::all_of(t.fields->begin(), t.fields->end(),
                                         [](const field& f) { return is_comparable(f.type); });
}

bool has_list_of_lists(const data_type& t) noexcept {
  if (!t.fields) return false;
  if (t.id == type_id::list && t.fields->front().type.id == type_id::list) return true;
  return std::any_of(t.fields->begin(), t.fields->end(),
                     [](const field& f) { return has_list_of_lists(f.type); });
}

int compare_values(const column& a, uint32_t i, const column& b, uint32_t j) noexcept {
  const bool x = a.is_valid(i), y = b.is_valid(j);
  if (!x || !y) return y - x;
  if (a.dictionary) return compare_values(*a.dictionary, a.data<uint32_t>()[i], b, j);
  if (b.dictionary) return compare_values(a, i, *b.dictionary, b.data<uint32_t>()[j]);
  switch (a.type.id) {
    case type_id::boolean:
      return order_at<uint8_t>(a, i, b, j);
    case type_id::int32:
    case type_id::date:
      return order_at<int32_t>(a, i, b, j);
    case type_id::int64:
    case type_id::timestamp:
      return order_at<int64_t>(a, i, b, j);
    case type_id::float64: {
      const double v = load<double>(a, i), w = load<double>(b, j);
      if (v != v || w != w) return (v != v) - (w != w);  // NaN is the largest
      return order(v, w);
    }
    case type_id::decimal:
      return order_at<int128>(a, i, b, j);
    case type_id::interval:
      return order(length_of(load<interval_value>(a, i)), length_of(load<interval_value>(b, j)));
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return order(a.view(i).compare(b.view(j)), 0);
    case type_id::list: {
      const auto* o = a.offsets.as<uint32_t>();
      const auto* p = b.offsets.as<uint32_t>();
      const uint32_t n = o[i + 1] - o[i], m = p[j + 1] - p[j];
      for (uint32_t k = 0; k < std::min(n, m); ++k)
        if (int c = compare_values(*a.children[0], o[i] + k, *b.children[0], p[j] + k)) return c;
      return order(n, m);
    }
    case type_id::struct_:
      for (size_t k = 0; k < a.children.size(); ++k)
        if (int c = compare_values(*a.children[k], i, *b.children[k], j)) return c;
      return 0;
  }
  return 0;
}

void append_stored(std::string& out, const column& c, uint32_t row) {
  if (c.dictionary) return append_stored(out, *c.dictionary, c.data<uint32_t>()[row]);
  switch (c.type.id) {
    case type_id::boolean:
      out += static_cast<char>(c.data<uint8_t>()[row]);
      return;
    case type_id::int32:
    case type_id::date:
      return put_int32(out, load<int32_t>(c, row));
    case type_id::int64:
    case type_id::timestamp:
      return put_int64(out, load<int64_t>(c, row));
    case type_id::float64:
      return put_double(out, load<double>(c, row));
    case type_id::decimal:
      return put128(out, load<int128>(c, row));
    case type_id::interval:
      return put_interval(out, load<interval_value>(c, row));
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return put_bytes(out, c.view(row));
    case type_id::list: {
      const auto* o = c.offsets.as<uint32_t>();
      for (uint32_t i = o[row]; i < o[row + 1]; ++i) append_stored_part(out, *c.children[0], i);
      out += list_end;
      return;
    }
    case type_id::struct_:
      for (const auto& child : c.children) append_stored_part(out, *child, row);
  }
}

void append_stored_part(std::string& out, const column& c, uint32_t row) {
  const bool valid = c.is_valid(row);
  out += valid ? present : absent;
  if (valid) append_stored(out, c, row);
}

void append_stored(std::string& out, const scalar& v) {
  switch (v.type.id) {
    case type_id::boolean:
      out += static_cast<char>(v.i);
      return;
    case type_id::int32:
    case type_id::date:
      return put_int32(out, static_cast<int32_t>(v.i));
    case type_id::int64:
    case type_id::timestamp:
      return put_int64(out, v.i);
    case type_id::float64:
      return put_double(out, v.d);
    case type_id::decimal:
      return put128(out, v.dec);
    case type_id::interval:
      return put_interval(out, v.interval);
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return put_bytes(out, v.s);
    case type_id::list:
    case type_id::struct_:
      for (const auto& item : v.items) {
        out += item.null ? absent : present;
        if (!item.null) append_stored(out, item);
      }
      if (v.type.id == type_id::list) out += list_end;
  }
}

bool read_stored_part(std::string_view& in, column_builder& out) {
  char mark = 0;
  if (!taker(in).byte(mark)) return false;
  if (mark == absent) return out.append_null(), true;
  return mark == present && read_stored(in, out);
}

bool read_stored(std::string_view& in, column_builder& out) {
  taker t(in);
  switch (out.type().id) {
    case type_id::boolean: {
      char v = 0;
      if (!t.byte(v) || (v != 0 && v != 1)) return false;
      out.append(static_cast<uint8_t>(v));
      return true;
    }
    case type_id::int32:
    case type_id::date: {
      int32_t v = 0;
      if (!t.i32(v)) return false;
      out.append(v);
      return true;
    }
    case type_id::int64:
    case type_id::timestamp: {
      int64_t v = 0;
      if (!t.i64(v)) return false;
      out.append(v);
      return true;
    }
    case type_id::float64: {
      uint64_t v = 0;
      if (!t.u64(v)) return false;
      out.append(std::bit_cast<double>(v & sign64 ? v & ~sign64 : ~v));
      return true;
    }
    case type_id::decimal: {
      int128 v = 0;
      if (!t.i128(v) || v >= decimal_limit() || v <= -decimal_limit()) return false;
      out.append(v);
      return true;
    }
    case type_id::interval: {
      int128 length = 0;
      interval_value v;
      if (!t.i128(length) || !t.i32(v.months) || !t.i32(v.days) || !t.i64(v.micros)) return false;
      out.append(v);
      return true;
    }
    case type_id::string:
    case type_id::bytes:
    case type_id::json: {
      std::string v;
      if (!t.text(v)) return false;
      out.append(std::string_view(v));
      return true;
    }
    case type_id::list:
      while (!in.empty() && in[0] != list_end)
        if (!read_stored_part(in, out.child(0))) return false;
      if (in.empty()) return false;
      in.remove_prefix(1);
      out.append_list();
      return true;
    case type_id::struct_:
      for (size_t i = 0; i < out.type().fields->size(); ++i)
        if (!read_stored_part(in, out.child(i))) return false;
      out.append_struct();
      return true;
  }
  return false;
}

column_ptr to_stored(const column& c, memory_pool& pool) {
  column_builder b(type_id::bytes, pool);
  b.reserve(c.length);
  std::string s;
  for (uint32_t i = 0; i < c.length; ++i) {
    if (!c.is_valid(i)) {
      b.append_null();
      continue;
    }
    s.clear();
    append_stored(s, c, i);
    b.append(std::string_view(s));
  }
  return b.finish();
}

column_ptr from_stored(const column& c, const data_type& type, memory_pool& pool) {
  column_builder b(type, pool);
  b.reserve(c.length);
  for (uint32_t i = 0; i < c.length; ++i) {
    if (!c.is_valid(i)) {
      b.append_null();
      continue;
    }
    auto s = c.view(i);
    const bool whole = read_stored(s, b) && s.empty();
    weir_assert(whole, "bytes that are no stored form of a list or struct");
  }
  return b.finish();
}

}  // namespace weir
