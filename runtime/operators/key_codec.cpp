#include "runtime/operators/key_codec.hpp"

#include <immintrin.h>

#include <bit>

#include "runtime/base/assert.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {
namespace {

template <class T, class F>
void encode_words(const column& c, const uint32_t* rows, size_t n, size_t stride, uint64_t* out,
                  F word) {
  const T* v = c.data<T>();
  if (c.dictionary) {
    const auto* codes = c.data<uint32_t>();
    v = c.dictionary->data<T>();
    for (size_t i = 0; i < n; ++i) word(v[codes[rows[i]]], out + i * stride);
    return;
  }
  // Runs of rows without a selection are most of them, and all keys of one word: with the distance
  // known the loop is a few instructions.
  if (n != 0 && rows[n - 1] - rows[0] == n - 1) {
    v += rows[0];
    if (stride == 2) {
      for (size_t i = 0; i < n; ++i) word(v[i], out + i * 2);
    } else {
      for (size_t i = 0; i < n; ++i) word(v[i], out + i * stride);
    }
    return;
  }
  for (size_t i = 0; i < n; ++i) word(v[rows[i]], out + i * stride);
}

void encode_strings(const column& c, const uint32_t* rows, size_t n, size_t stride, uint64_t* out) {
  if (c.dictionary) {
    for (size_t i = 0; i < n; ++i) {
      auto r = var_ref::borrow(c.view(rows[i]));
      std::memcpy(out + i * stride, r.words, 16);
    }
    return;
  }
  const auto* o = c.offsets.as<uint32_t>();
  const char* bytes = c.values.as<char>();
  const size_t readable = c.values.size() + (c.values.padded() ? buffer::alignment : 0);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t at = o[rows[i]], size = o[rows[i] + 1] - at;
    auto r = size_t{at} + 16 <= readable ? var_ref::borrow_padded(bytes + at, size)
                                         : var_ref::borrow({bytes + at, size});
    std::memcpy(out + i * stride, r.words, 16);
  }
}

void encode_column(const column& c, const uint32_t* rows, size_t n, size_t stride, uint64_t* out) {
  switch (c.type.id) {
    case type_id::boolean:
      return encode_words<uint8_t>(c, rows, n, stride, out,
                                   [](uint8_t v, uint64_t* to) { *to = v; });
    case type_id::int32:
    case type_id::date:
      return encode_words<int32_t>(c, rows, n, stride, out, [](int32_t v, uint64_t* to) {
        *to = static_cast<uint64_t>(int64_t{v});
      });
    case type_id::int64:
    case type_id::timestamp:
      return encode_words<uint64_t>(c, rows, n, stride, out,
                                    [](uint64_t v, uint64_t* to) { *to = v; });
    case type_id::float64:
      return encode_words<double>(c, rows, n, stride, out,
                                  [](double v, uint64_t* to) { *to = word_of_double(v); });
    case type_id::decimal:
    case type_id::interval:
      return encode_words<int128>(c, rows, n, stride, out,
                                  [](int128 v, uint64_t* to) { std::memcpy(to, &v, 16); });
    default:
      return encode_strings(c, rows, n, stride, out);
  }
}

/// The commonest key, one 64-bit column without NULLs and dictionary over a run of rows: header and
/// word in one pass.
bool encode_one_word(std::span<const column_ptr> columns, const uint32_t* rows, size_t n,
                     uint64_t* out) {
  if (columns.size() != 1 || n == 0 || rows[n - 1] - rows[0] != n - 1) return false;
  const column& c = *columns[0];
  if ((c.type.id != type_id::int64 && c.type.id != type_id::timestamp) || c.validity ||
      c.dictionary)
    return false;
  const uint64_t* v = c.data<uint64_t>() + rows[0];
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    // 0 a 0 b, 0 c 0 d from a b c d.
    const __m256i words = _mm256_permute4x64_epi64(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i)), 0b11'01'10'00);
    const __m256i zero = _mm256_setzero_si256();
    auto* to = reinterpret_cast<__m256i*>(out + 2 * i);
    _mm256_storeu_si256(to, _mm256_unpacklo_epi64(zero, words));
    _mm256_storeu_si256(to + 1, _mm256_unpackhi_epi64(zero, words));
  }
  for (; i < n; ++i) {
    out[2 * i] = 0;
    out[2 * i + 1] = v[i];
  }
  return true;
}

}  // namespace

void value_words(const column& c, uint32_t row, uint64_t* out) noexcept {
  encode_column(c, &row, 1, 2, out);
}

result<key_codec> key_codec::make(std::vector<data_type> types, row_layout& layout) {
  key_codec c;
  for (const auto& t : types) {
    if (t.id == type_id::list || t.id == type_id::struct_)
      return error(errc::unsupported, "a key of type " + to_string(t));
    c.at_.push_back(layout.add_key(t.id));
  }
  c.nulls_at_ = layout.key_words;
  for (size_t k = header_nulls; k < types.size(); k += 64) layout.add_key(type_id::int64);
  c.words_ = layout.key_words;
  c.types_ = std::move(types);
  return c;
}

void key_codec::encode(std::span<const column_ptr> columns, const uint32_t* rows, size_t n,
                       uint64_t* out) const {
  const size_t stride = words_ + 1;
  if (encode_one_word(columns, rows, n, out)) return;
  for (size_t i = 0; i < n; ++i) clear_nulls(out + i * stride);
  for (size_t k = 0; k < columns.size(); ++k) {
    const column& c = *columns[k];
    uint64_t* to = out + 1 + at_[k];
    encode_column(c, rows, n, stride, to);
    if (!c.validity) continue;
    const auto null = null_of(k);
    const bool wide = row_layout::words_of(c.type.id) == 2;
    for (size_t i = 0; i < n; ++i) {
      if (c.is_valid(rows[i])) continue;
      null.set(out + i * stride);
      to[i * stride] = 0;
      if (wide) to[i * stride + 1] = 0;
    }
  }
}

column_ptr key_codec::decode(size_t k, const uint64_t* const* rows, size_t n,
                             memory_pool& memory) const {
  word_column c(types_[k], n, memory);
  c.set_all(rows, 1 + at_[k]);
  const auto null = null_of(k);
  for (size_t i = 0; i < n; ++i)
    if (null.is_set(rows[i])) c.set_null(i);
  return c.finish();
}

key_projection::key_projection(const key_codec& rows, std::span<const uint32_t> columns,
                               const key_codec& keys, const std::vector<bool>& null_safe,
                               bool otherwise)
    : keys_(keys) {
  for (size_t k = 0; k < columns.size(); ++k)
    parts_.push_back({1 + rows.word_of(columns[k]), 1 + keys.word_of(k),
                      row_layout::words_of(keys.type(k).id) == 2,
                      k < null_safe.size() ? null_safe[k] : otherwise, rows.null_of(columns[k]),
                      keys.null_of(k)});
}

bool key_projection::operator()(const uint64_t* row, uint64_t* key) const noexcept {
  keys_.clear_nulls(key);
  for (const auto& p : parts_) {
    if (p.from_null.is_set(row)) {
      if (!p.null_safe) return false;
      p.to_null.set(key);
    }
    key[p.to] = row[p.from];
    if (p.wide) key[p.to + 1] = row[p.from + 1];
  }
  return true;
}

word_column::word_column(data_type type, size_t n, memory_pool& memory)
    : type_(std::move(type)), n_(n), memory_(memory) {
  if (is_string()) {
    strings_.resize(n);
  } else {
    values_ = buffer::allocate(memory, n * fixed_width(type_.id));
  }
}

void word_column::set_null(size_t i) {
  if (!validity_) {
    validity_ = buffer::allocate(memory_, (n_ + 7) / 8);
    std::memset(validity_.mutable_as<uint8_t>(), 0xff, (n_ + 7) / 8);
  }
  auto* v = validity_.mutable_as<uint8_t>();
  v[i >> 3] = static_cast<uint8_t>(v[i >> 3] & ~(1u << (i & 7)));
  if (is_string()) {
    strings_[i] = nullptr;
  } else {
    std::memset(values_.mutable_as<std::byte>() + i * fixed_width(type_.id), 0,
                fixed_width(type_.id));
  }
}

void word_column::set(size_t i, const uint64_t* w) noexcept {
  switch (fixed_width(type_.id)) {
    case 1:
      values_.mutable_as<uint8_t>()[i] = static_cast<uint8_t>(*w);
      break;
    case 4:
      values_.mutable_as<uint32_t>()[i] = static_cast<uint32_t>(*w);
      break;
    case 8:
      values_.mutable_as<uint64_t>()[i] = *w;
      break;
    case 16:
      std::memcpy(values_.mutable_as<std::byte>() + 16 * i, w, 16);
      break;
    default:
      strings_[i] = w;
  }
}

void word_column::set_all(const uint64_t* const* rows, size_t word) {
  switch (fixed_width(type_.id)) {
    case 8: {
      auto* out = values_.mutable_as<uint64_t>();
      for (size_t i = 0; i < n_; ++i) out[i] = rows[i][word];
      break;
    }
    case 4: {
      auto* out = values_.mutable_as<uint32_t>();
      for (size_t i = 0; i < n_; ++i) out[i] = static_cast<uint32_t>(rows[i][word]);
      break;
    }
    case 0:
      for (size_t i = 0; i < n_; ++i) strings_[i] = rows[i] + word;
      break;
    default:
      for (size_t i = 0; i < n_; ++i) set(i, rows[i] + word);
  }
}

column_ptr word_column::finish() {
  auto c = std::make_shared<column>();
  c->type = type_;
  c->length = static_cast<uint32_t>(n_);
  c->validity = std::move(validity_);
  if (!is_string()) {
    c->values = std::move(values_);
    return c;
  }
  size_t bytes = 0;
  for (const auto* s : strings_)
    if (s) bytes += static_cast<uint32_t>(*s);
  weir_assert(bytes < UINT32_MAX, "a string column of more than 4 GiB");
  auto offsets = buffer::allocate(memory_, (n_ + 1) * 4);
  auto values = buffer::allocate(memory_, bytes + 16);
  auto* o = offsets.mutable_as<uint32_t>();
  char* begin = values.mutable_as<char>();
  char* to = begin;
  *o++ = 0;
  for (const auto* s : strings_) {
    if (s) {
      auto size = static_cast<uint32_t>(*s);
      const char* from = size <= var_ref::inline_max ? reinterpret_cast<const char*>(s) + 4
                                                     : reinterpret_cast<const char*>(s[1]);
      copy_short(to, from, size);
      to += size;
    }
    *o++ = static_cast<uint32_t>(to - begin);
  }
  values.truncate(bytes);
  c->values = std::move(values);
  c->offsets = std::move(offsets);
  return c;
}

}  // namespace weir
