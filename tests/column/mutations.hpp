// Damaged forms of a message, deterministic in the generator: for the decoder's tests and for its
// fuzz driver.
#pragma once

#include "runtime/column/codec.hpp"
#include "tests/column/random_batch.hpp"

namespace weir::test {

/// One to a few random changes: bits, bytes, words with interesting values, cuts, repeats.
inline std::vector<std::byte> mutate(generator& g, std::vector<std::byte> m) {
  for (uint64_t n = 1 + below(g, 4); n > 0 && !m.empty(); --n) {
    const size_t at = below(g, m.size());
    switch (below(g, 7)) {
      case 0:
      case 1:
        m[at] ^= static_cast<std::byte>(1u << below(g, 8));
        break;
      case 2:
        m[at] = static_cast<std::byte>(g());
        break;
      case 3:
      case 4: {
        const uint32_t words[] = {
            0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 8, static_cast<uint32_t>(g())};
        const uint32_t w = words[below(g, 7)];
        if (m.size() >= 4) std::memcpy(m.data() + std::min(at & ~size_t{3}, m.size() - 4), &w, 4);
        break;
      }
      case 5:
        m.resize(below(g, 2) ? at : at & ~size_t{7});
        break;
      default: {
        // A word of the message over another: pointers that point elsewhere.
        const size_t words = m.size() / 8;
        if (words > 1)
          std::memmove(m.data() + 8 * below(g, words), m.data() + 8 * below(g, words), 8);
      }
    }
  }
  return m;
}

/// Makes the checksum agree with the damaged bytes, or switches it off, so that mutations reach the
/// checks behind it.
inline void disarm_checksum(std::vector<std::byte>& m) {
  if (m.size() >= 8) std::memset(m.data() + m.size() - 8, 0, 8);
}

/// Decodes from an exact heap copy (the address sanitizer sees each byte too many), reads every
/// value of what comes out, and encodes it again. Returns whether the bytes were accepted.
inline bool decode_and_read(std::span<const std::byte> m, const schema_ptr& type) {
  memory_pool pool;
  bool accepted = false;
  {
    auto heap = std::make_shared<std::vector<std::byte>>(m.begin(), m.end());
    auto b = decode_batch(*heap, heap, type, pool);
    if (b) {
      accepted = true;
      size_t bytes = 0;
      for (uint32_t i = 0; i < std::min((*b)->rows, 100'000u); ++i)
        bytes += format_row(**b, i).size();
      std::vector<uint32_t> keys;
      for (uint32_t i = 0; i < type->size(); ++i) keys.push_back(i);
      auto hashes = hash_keys(**b, keys, pool);
      auto dense = compact(*b, pool);
      auto again = encode_batch(*b, pool);
      weir_assert(again.ok(), "a decoded batch can be encoded");
      auto flat = again->flat();
      auto narrow = encode_batch(*b, pool, {.narrow = true});
      weir_assert(narrow.ok() && decode_batch(narrow->flat(), nullptr, type, pool).ok(),
                  "narrowed as well");
      auto twice = decode_batch(flat, nullptr, type, pool);
      weir_assert(twice.ok() && (*twice)->rows == (*b)->rows, "and decoded again");
      volatile size_t keep = bytes;
      (void)keep;
    }
  }
  weir_assert(pool.used() == 0, "all memory was given back");
  return accepted;
}

}  // namespace weir::test
