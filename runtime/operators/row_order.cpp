#include "runtime/operators/row_order.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/operators/accumulator.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {
namespace {

constexpr uint64_t sign = uint64_t{1} << 63;

uint64_t clamped(int128 v) noexcept {
  v = std::clamp(v, static_cast<int128>(INT64_MIN), static_cast<int128>(INT64_MAX));
  return static_cast<uint64_t>(static_cast<int64_t>(v)) ^ sign;
}

/// A word that orders like the value in `words`, as far as 64 bits go.
uint64_t ascending_word(type_id t, const uint64_t* words) noexcept {
  switch (t) {
    case type_id::float64: {
      const auto d = std::bit_cast<double>(*words);
      if (d != d) return UINT64_MAX;
      return *words & sign ? ~*words : *words | sign;
    }
    case type_id::decimal: {
      int128 v;
      std::memcpy(&v, words, 16);
      return clamped(v);
    }
    case type_id::interval: {
      interval_value v;
      std::memcpy(static_cast<void*>(&v), words, 16);
      return clamped((static_cast<int128>(v.months) * 30 + v.days) * 86'400'000'000 + v.micros);
    }
    case type_id::string:
    case type_id::bytes:
    case type_id::json: {
      var_ref r;
      std::memcpy(r.words, words, 16);
      char first[8] = {};
      std::memcpy(first, r.data(), std::min<size_t>(8, r.size()));
      uint64_t v;
      std::memcpy(&v, first, 8);
      return __builtin_bswap64(v);
    }
    default:
      return *words ^ sign;
  }
}

}  // namespace

row_order::row_order(const std::vector<order_term>& terms, const schema& rows,
                     const key_codec& codec)
    : given_(terms.size()) {
  std::vector<bool> there(rows.size());
  auto add = [&](uint32_t c, bool descending, bool nulls_first) {
    there[c] = true;
    terms_.push_back({c, 1 + codec.word_of(c), codec.null_of(c), rows.fields[c].type.id, descending,
                      nulls_first});
  };
  for (const auto& t : terms) add(t.column, t.descending, t.nulls_first);
  for (uint32_t c = 0; c < rows.size(); ++c)
    if (!there[c]) add(c, false, false);
}

int row_order::compare(const uint64_t* a, const uint64_t* b, size_t begin,
                       size_t end) const noexcept {
  for (size_t i = begin; i < end; ++i) {
    const auto& t = terms_[i];
    const bool x = t.null.is_set(a), y = t.null.is_set(b);
    if (x || y) {
      if (x == y) continue;
      return x == t.nulls_first ? -1 : 1;
    }
    const int c = compare_words(t.type, a + t.word, b + t.word);
    if (c != 0) return (c < 0) != t.descending ? -1 : 1;
  }
  return 0;
}

/// Intervals of equal length ("1 month", "30 days") are peers, but not the same row.
int row_order::compare_raw(const uint64_t* a, const uint64_t* b) const noexcept {
  for (const auto& t : terms_) {
    if (t.type != type_id::interval) continue;
    const int c = std::memcmp(a + t.word, b + t.word, 16);
    if (c != 0) return c < 0 ? -1 : 1;
  }
  return 0;
}

uint64_t row_order::word(const uint64_t* row) const noexcept {
  const auto& t = terms_[0];
  if (t.null.is_set(row)) return t.nulls_first ? 0 : UINT64_MAX;
  const auto w = ascending_word(t.type, row + t.word);
  return t.descending ? ~w : w;
}

void row_order::words(std::span<const column_ptr> columns, const uint32_t* at, size_t n,
                      uint64_t* out) const noexcept {
  const auto& t = terms_[0];
  const column& c = *columns[t.column];
  const uint64_t flip = t.descending ? UINT64_MAX : 0;
  if (fixed_width(c.type.id) == 8 && c.type.id != type_id::float64 && !c.dictionary) {
    const auto* v = c.data<uint64_t>();
    for (size_t i = 0; i < n; ++i) out[i] = v[at[i]] ^ sign ^ flip;
  } else {
    uint64_t w[2];
    for (size_t i = 0; i < n; ++i) {
      value_words(c, at[i], w);
      out[i] = ascending_word(t.type, w) ^ flip;
    }
  }
  if (!c.validity) return;
  for (size_t i = 0; i < n; ++i)
    if (!c.is_valid(at[i])) out[i] = t.nulls_first ? 0 : UINT64_MAX;
}

}  // namespace weir
