// Open-addressing index from 32-bit hashes to row numbers. Extendible hashing (Fagin et al. 1979)
// over segments of at most 32 Ki slots: growth splits one segment at a time, so no rehash stalls a
// batch for more than some 100 us however many rows there are. A slot keeps its whole hash, so
// splits and deletes never touch rows. Callers compare keys. Owned by one table.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace weir {

/// Zeroed memory blocks of one size, cut from 2 MiB aligned regions that ask for huge pages: state
/// of millions of rows is read at random, and most of that costs page-table walks otherwise.
class block_pool {
 public:
  explicit block_pool(size_t block_bytes, size_t blocks_per_region);
  ~block_pool();
  block_pool(const block_pool&) = delete;
  block_pool& operator=(const block_pool&) = delete;
  std::byte* allocate_zero();
  void free(std::byte*);
  void clear();
  size_t used_bytes() const noexcept { return used_; }

 private:
  size_t block_bytes_, blocks_per_region_;
  std::vector<std::pair<void*, size_t>> regions_;
  std::byte* at_ = nullptr;
  size_t left_ = 0;
  std::vector<std::byte*> free_;
  size_t used_ = 0;
};

class hash_index {
 public:
  static constexpr uint32_t none = 0xffff'ffff;

  hash_index();
  /// Forgets all rows and gives the memory back; clear() may keep it.
  void release();
  hash_index(const hash_index&) = delete;
  hash_index& operator=(const hash_index&) = delete;

  /// Where a hash's rows begin: the first of four slots that lie in one cache line. Stays valid
  /// until generation() changes.
  [[gnu::always_inline]] inline const uint64_t* home(uint32_t hash) const noexcept {
    return directory_[uint64_t{hash} >> shift_].slots + (hash & home_mask_);
  }
  /// Changes with every insert() that moved slots.
  uint64_t generation() const noexcept { return generation_; }
  /// The first row with this hash in probe order, or none; `at` = home(hash).
  [[gnu::always_inline]] inline uint32_t first(const uint64_t* at, uint32_t hash) const noexcept {
    // Four slots at once: where in them a row is found costs no mispredicted branch. Rows of one
    // hash are contiguous from their home on, so a match never lies behind an empty slot (which,
    // for hash 0, compares equal and reads as none).
    const __m256i slots = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    const __m256i wanted = _mm256_set1_epi32(static_cast<int>(hash));
    // The sign of each 64-bit lane is the answer for its upper half, where the hash is.
    const auto same = static_cast<uint32_t>(
        _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi32(slots, wanted))));
    if (same != 0) [[likely]]
      return static_cast<uint32_t>(at[static_cast<uint32_t>(__builtin_ctz(same))]) - 1;
    const __m256i empty = _mm256_cmpeq_epi64(slots, _mm256_setzero_si256());
    return _mm256_testz_si256(empty, empty) ? first_behind(hash) : none;
  }
  /// The first row with this hash that `matches(row)` accepts, or none.
  template <class Matches>
  uint32_t find(uint32_t hash, Matches matches) const noexcept {
    const uint64_t* slots = directory_[uint64_t{hash} >> shift_].slots;
    for (uint32_t s = hash & home_mask_;; s = (s + 1) & mask_) {
      uint64_t slot = slots[s];
      if (slot == 0) return none;
      if (slot >> 32 == hash && matches(static_cast<uint32_t>(slot) - 1))
        return static_cast<uint32_t>(slot) - 1;
    }
  }
  /// Adds a row that is not in it.
  void insert(uint32_t hash, uint32_t row) {
    const entry& e = directory_[uint64_t{hash} >> shift_];
    place(e.slots, uint64_t{hash} << 32 | (row + 1));
    ++size_;
    segment& g = segments_[e.segment];
    if (++g.used > g.limit) [[unlikely]]
      grow(hash);
  }
  void erase(uint32_t hash, uint32_t row) noexcept;
  /// Makes room for `rows` in all, so that inserting them splits (almost) nothing.
  void reserve(size_t rows);
  /// Forgets all rows. Slots are kept when a fair share of them was used: what is emptied and
  /// filled again and again need not grow each time.
  void clear();

  size_t size() const noexcept { return size_; }
  size_t memory_bytes() const noexcept;

 private:
  static constexpr uint32_t slots_min = 64;
  static constexpr uint32_t slots_max = 32 * 1024;
  static constexpr uint32_t depth_max = 20;
  struct entry {
    uint64_t* slots = nullptr;
    uint32_t segment = 0;
  };
  struct segment {
    std::unique_ptr<uint64_t[]> small;  // below slots_max slots; otherwise from the pool
    uint64_t* slots = nullptr;
    uint32_t used = 0;
    uint32_t limit = 0;
    uint32_t depth = 0;
  };
  uint32_t first_behind(uint32_t hash) const noexcept;
  void place(uint64_t* slots, uint64_t slot) const noexcept {
    uint32_t s = static_cast<uint32_t>(slot >> 32) & home_mask_;
    // As in first(): which of the four is free costs no mispredicted branch.
    const auto four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(slots + s));
    const auto free = static_cast<uint32_t>(
        _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(four, _mm256_setzero_si256()))));
    if (free != 0) [[likely]] {
      s += static_cast<uint32_t>(__builtin_ctz(free));
    } else {
      while (slots[s] != 0) s = (s + 1) & mask_;
    }
    slots[s] = slot;
  }
  void grow(uint32_t hash);
  void resize(uint32_t slots);
  void make_segment(segment&, uint32_t depth, uint32_t number);
  void drop_segment(segment&, uint32_t slots);
  void point(uint32_t number, uint32_t prefix);

  std::vector<entry> directory_;
  uint32_t shift_ = 32;  // directory_ has 2^(32 - shift_) entries
  // Slots of a segment less one; all have as many, since a smaller one is alone. Homes are every
  // fourth slot.
  uint32_t mask_ = slots_min - 1, home_mask_ = (slots_min - 1) & ~3u;
  uint64_t generation_ = 0;
  std::vector<segment> segments_;
  block_pool pool_;
  size_t size_ = 0;
  size_t small_bytes_ = 0;
};

}  // namespace weir
