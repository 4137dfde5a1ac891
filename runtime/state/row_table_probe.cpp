// The hot path of row_table: hashing and looking up whole batches of keys. Lookups go in two
// passes, so that the cache misses of many rows overlap: the first finds each key's candidate by
// its hash alone and prefetches the row, the second compares keys.
#include <algorithm>
#include <cstring>

#include "runtime/base/assert.hpp"
#include "runtime/state/row_table.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weir {
namespace {

constexpr uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu;
// Keys per pass: their slots and rows, a cache line or two each, fit the first-level cache.
constexpr size_t probe_run = 128;

uint32_t finish(uint64_t h) {
  return static_cast<uint32_t>(h ^ h >> 32);
}

uint64_t hash_var(const uint64_t* w) {
  auto n = static_cast<uint32_t>(w[0]);
  if (n <= var_ref::inline_max) return mix_words(w[0] ^ k0, w[1] ^ k1);
  return XXH3_64bits(reinterpret_cast<const void*>(w[1]), n) ^ w[0];
}

// Function objects, not functions: the comparison has to be inlined.
struct equal_one_word {
  bool operator()(const uint64_t* r, const uint64_t* k) const { return r[1] == k[1]; }
};
struct equal_two_words {
  bool operator()(const uint64_t* r, const uint64_t* k) const {
    return r[1] == k[1] && r[2] == k[2];
  }
};
struct equal_string {
  bool operator()(const uint64_t* r, const uint64_t* k) const { return equal(r + 1, k + 1); }
};

}  // namespace

void row_table::hash(const uint64_t* keys, size_t n, uint32_t* out) const noexcept {
  uint32_t words = layout_.key_words;
  if (layout_.key_strings.empty()) {
    if (words == 1) {
      for (size_t i = 0; i < n; ++i)
        out[i] = finish(mix_words(keys[2 * i + 1] ^ k0, (keys[2 * i] >> 32) ^ k1));
      return;
    }
    for (size_t i = 0; i < n; ++i, keys += words + 1) {
      uint64_t h = (keys[0] >> 32) ^ k0;
      for (uint32_t w = 1; w <= words; ++w) h = mix_words(h ^ keys[w], k1);
      out[i] = finish(h);
    }
    return;
  }
  if (words == 2 && layout_.key_strings.size() == 1) {
    for (size_t i = 0; i < n; ++i, keys += 3)
      out[i] = finish(hash_var(keys + 1) ^ (keys[0] >> 32) * k1);
    return;
  }
  for (size_t i = 0; i < n; ++i, keys += words + 1) {
    uint64_t h = (keys[0] >> 32) ^ k0;
    uint32_t w = 0;
    for (uint32_t s : layout_.key_strings) {
      for (; w < s; ++w) h = mix_words(h ^ keys[1 + w], k1);
      h = mix_words(h ^ hash_var(keys + 1 + s), k1);
      w = s + 2;
    }
    for (; w < words; ++w) h = mix_words(h ^ keys[1 + w], k1);
    out[i] = finish(h);
  }
}

template <class Equal>
void row_table::upsert_with(const uint64_t* keys, const uint32_t* hashes, size_t n, uint32_t* ids,
                            uint64_t** rows, std::vector<uint32_t>& added, Equal same) {
  const size_t stride = layout_.key_words + 1;
  const uint64_t* homes[probe_run];
  for (size_t begin = 0; begin < n; begin += probe_run) {
    const size_t end = std::min(n, begin + probe_run);
    for (size_t i = begin; i < end; ++i) {
      homes[i - begin] = index_.home(hashes[i]);
      __builtin_prefetch(homes[i - begin]);
    }
    candidates(keys, hashes, begin, end, homes, ids, rows, added);
    for (size_t i = begin; i < end; ++i) {
      const uint64_t* key = keys + i * stride;
      if (((*rows[i] ^ *key) & (key_mask | flag_zombie)) == 0 && same(rows[i], key)) [[likely]]
        continue;
      // Another key with the same hash, or one that was erased and comes back.
      uint32_t id = index_.find(hashes[i], [&](uint32_t r) { return equal_key(row(r), key); });
      if (id == none) {
        id = add(key, hashes[i]);
        added.push_back(static_cast<uint32_t>(i));
      } else if (*row(id) & flag_zombie) {
        touch(id);
        revive(id);
        added.push_back(static_cast<uint32_t>(i));
      }
      ids[i] = id;
      rows[i] = row(id);
    }
  }
}

void row_table::candidates(const uint64_t* keys, const uint32_t* hashes, size_t begin, size_t end,
                           const uint64_t** homes, uint32_t* ids, uint64_t** rows,
                           std::vector<uint32_t>& added) {
  const size_t stride = layout_.key_words + 1;
  const size_t last_word = row_bytes_ / 8 - 1;  // rows lie across cache lines
  // Copies that the compiler may keep in registers: stores to ids and rows cannot change them.
  std::byte* const* pages = pages_.data();
  const uint32_t shift = page_shift_, mask = page_mask_;
  const size_t row_bytes = row_bytes_;
  uint64_t generation = index_.generation();
  for (size_t i = begin; i < end; ++i) {
    uint32_t id = index_.first(homes[i - begin], hashes[i]);
    if (id == none) [[unlikely]] {
      id = add(keys + i * stride, hashes[i]);
      added.push_back(static_cast<uint32_t>(i));
      pages = pages_.data();
      if (index_.generation() != generation) {
        generation = index_.generation();
        for (size_t k = i; k < end; ++k) homes[k - begin] = index_.home(hashes[k]);
      }
    }
    auto* row = reinterpret_cast<uint64_t*>(pages[id >> shift] + (id & mask) * row_bytes);
    ids[i] = id;
    rows[i] = row;
    __builtin_prefetch(row, 1);
    __builtin_prefetch(row + last_word, 1);
  }
}

void row_table::upsert(const uint64_t* keys, const uint32_t* hashes, size_t n, uint32_t* ids,
                       uint64_t** rows, std::vector<uint32_t>& added) {
  if (layout_.key_strings.empty() && layout_.key_words == 1) {
    upsert_with(keys, hashes, n, ids, rows, added, equal_one_word{});
  } else if (layout_.key_strings.empty() && layout_.key_words == 2) {
    upsert_with(keys, hashes, n, ids, rows, added, equal_two_words{});
  } else if (layout_.key_strings.size() == 1 && layout_.key_words == 2) {
    upsert_with(keys, hashes, n, ids, rows, added, equal_string{});
  } else {
    upsert_with(keys, hashes, n, ids, rows, added,
                [this](const uint64_t* r, const uint64_t* k) { return equal_key(r, k); });
  }
}

}  // namespace weir
