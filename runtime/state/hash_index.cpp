#include "runtime/state/hash_index.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "runtime/base/assert.hpp"

namespace weir {
namespace {

constexpr size_t huge_page_bytes = 2u << 20;

uint32_t used_of_four(const uint64_t* slots) noexcept {
  const auto four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(slots));
  return 4 - static_cast<uint32_t>(std::popcount(static_cast<uint32_t>(_mm256_movemask_pd(
                 _mm256_castsi256_pd(_mm256_cmpeq_epi64(four, _mm256_setzero_si256()))))));
}

}  // namespace

block_pool::block_pool(size_t block_bytes, size_t blocks_per_region)
    : block_bytes_(block_bytes), blocks_per_region_(blocks_per_region) {}

block_pool::~block_pool() {
  clear();
}

std::byte* block_pool::allocate_zero() {
  used_ += block_bytes_;
  if (!free_.empty()) {
    auto* p = free_.back();
    free_.pop_back();
    std::memset(p, 0, block_bytes_);
    return p;
  }
  if (left_ == 0) {
    // The first region is a single block without huge pages: small tables stay small.
    bool first = regions_.empty();
    left_ = first ? 1 : blocks_per_region_;
    size_t bytes = left_ * block_bytes_ + (first ? 0 : huge_page_bytes);
    void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    regions_.emplace_back(p, bytes);
    at_ = static_cast<std::byte*>(p);
    if (!first) {
      auto a = (reinterpret_cast<uintptr_t>(p) + huge_page_bytes - 1) & ~(huge_page_bytes - 1);
      at_ = reinterpret_cast<std::byte*>(a);
      (void)::madvise(at_, left_ * block_bytes_, MADV_HUGEPAGE);
    }
  }
  auto* p = at_;
  at_ += block_bytes_;
  --left_;
  return p;
}

void block_pool::free(std::byte* p) {
  used_ -= block_bytes_;
  free_.push_back(p);
}

void block_pool::clear() {
  for (auto [p, bytes] : regions_) ::munmap(p, bytes);
  regions_.clear();
  free_.clear();
  left_ = 0;
  used_ = 0;
}

hash_index::hash_index() : pool_(slots_max * sizeof(uint64_t), 32) {
  clear();
}

void hash_index::clear() {
  ++generation_;
  const size_t slots = segments_.size() * (mask_ + 1);
  if (size_ * 8 >= slots && slots != 0) {
    for (auto& g : segments_) {
      std::memset(g.slots, 0, (mask_ + 1) * sizeof(uint64_t));
      g.used = 0;
    }
    size_ = 0;
    return;
  }
  release();
}

void hash_index::release() {
  ++generation_;
  segments_.clear();
  directory_ = {};
  pool_.clear();
  small_bytes_ = 0;
  size_ = 0;
  shift_ = 32;
  resize(slots_min);
  directory_.assign(1, {});
  segments_.emplace_back();
  make_segment(segments_[0], 0, 0);
  point(0, 0);
}

void hash_index::resize(uint32_t slots) {
  mask_ = slots - 1;
  home_mask_ = mask_ & ~3u;
}

void hash_index::make_segment(segment& g, uint32_t depth, uint32_t number) {
  const uint32_t slots = mask_ + 1;
  if (slots == slots_max) {
    g.small.reset();
    g.slots = reinterpret_cast<uint64_t*>(pool_.allocate_zero());
  } else {
    g.small = std::make_unique<uint64_t[]>(slots);
    g.slots = g.small.get();
    small_bytes_ += slots * sizeof(uint64_t);
  }
  g.used = 0;
  g.depth = depth;
  // Full-size segments fill at the same pace; limits between 62 and 87 % keep them from splitting
  // all within the same few batches.
  uint32_t spread = (number * 0x9e3779b1u) >> 24;  // 0 ... 255
  g.limit = slots == slots_max ? slots / 8 * 5 + slots / 4 * spread / 256 : slots / 2;
}

void hash_index::drop_segment(segment& g, uint32_t slots) {
  if (g.small) {
    small_bytes_ -= slots * sizeof(uint64_t);
    g.small.reset();
  } else if (g.slots) {
    pool_.free(reinterpret_cast<std::byte*>(g.slots));
  }
  g.slots = nullptr;
}

void hash_index::point(uint32_t number, uint32_t prefix) {
  const segment& g = segments_[number];
  uint32_t depth = 32 - shift_;
  uint32_t width = 1u << (depth - g.depth);
  for (uint32_t i = prefix * width; i < (prefix + 1) * width; ++i)
    directory_[i] = {g.slots, number};
}

uint32_t hash_index::first_behind(uint32_t hash) const noexcept {
  const uint64_t* slots = directory_[uint64_t{hash} >> shift_].slots;
  const __m256i wanted = _mm256_set1_epi32(static_cast<int>(hash));
  for (uint32_t s = ((hash & home_mask_) + 4) & mask_;; s = (s + 4) & mask_) {
    const auto four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(slots + s));
    const auto same = static_cast<uint32_t>(
        _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi32(four, wanted))));
    // An empty slot compares equal to hash 0, and reads as none.
    if (same != 0)
      return static_cast<uint32_t>(slots[s + static_cast<uint32_t>(std::countr_zero(same))]) - 1;
    if (used_of_four(slots + s) < 4) return none;
  }
}

void hash_index::grow(uint32_t hash) {
  ++generation_;
  uint32_t number = directory_[uint64_t{hash} >> shift_].segment;
  segment old = std::move(segments_[number]);
  const uint32_t slots = mask_ + 1;
  uint32_t prefix = static_cast<uint32_t>(uint64_t{hash} >> (32 - old.depth));
  if (slots < slots_max || old.depth >= depth_max) {
    weir_assert(slots < slots_max || old.used < mask_, "a state index segment is full");
    if (slots == slots_max) {  // equal hashes by the thousand: give the segment up to all its slots
      old.limit = mask_ - 1;
      segments_[number] = std::move(old);
      return;
    }
    resize(slots * 4 > slots_max ? slots_max : slots * 4);
    segment& wide = segments_[number];
    make_segment(wide, old.depth, number);
    for (uint32_t s = 0; s < slots; ++s)
      if (old.slots[s] != 0) place(wide.slots, old.slots[s]);
    wide.used = old.used;
    point(number, prefix);
    drop_segment(old, slots);
    return;
  }
  if (old.depth == 32 - shift_) {  // the directory doubles
    std::vector<entry> wide(directory_.size() * 2);
    for (size_t i = 0; i < directory_.size(); ++i) wide[2 * i] = wide[2 * i + 1] = directory_[i];
    directory_ = std::move(wide);
    --shift_;
  }
  auto sibling = static_cast<uint32_t>(segments_.size());
  segments_.emplace_back();
  make_segment(segments_[number], old.depth + 1, number);
  make_segment(segments_[sibling], old.depth + 1, sibling);
  uint64_t bit = uint64_t{1} << (32 + 31 - old.depth);
  for (uint32_t s = 0; s < slots; ++s) {
    if (old.slots[s] == 0) continue;
    segment& to = segments_[old.slots[s] & bit ? sibling : number];
    place(to.slots, old.slots[s]);
    ++to.used;
  }
  point(number, prefix * 2);
  point(sibling, prefix * 2 + 1);
  drop_segment(old, slots);
}

void hash_index::erase(uint32_t hash, uint32_t row) noexcept {
  const entry& e = directory_[uint64_t{hash} >> shift_];
  const uint64_t wanted = uint64_t{hash} << 32 | (row + 1);
  uint32_t s = hash & home_mask_;
  const auto same = static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(
      _mm256_cmpeq_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(e.slots + s)),
                         _mm256_set1_epi64x(static_cast<long long>(wanted))))));
  if (same != 0) [[likely]] {
    s += static_cast<uint32_t>(std::countr_zero(same));
  } else {
    while (e.slots[s] != wanted) {
      weir_assert(e.slots[s] != 0, "a state row is missing in its index");
      s = (s + 1) & mask_;
    }
  }
  // Four slots from a home on that have an empty one are filled from the front, and nothing that
  // begins there or before lies behind them: the last of the four takes the gap.
  uint32_t gap = s;
  const uint32_t four = s & home_mask_;
  const uint32_t used = used_of_four(e.slots + four);
  if (used < 4) [[likely]] {
    gap = four + used - 1;
    e.slots[s] = e.slots[gap];
  } else {
    // Backward shift: close the gap with later entries whose home lies at or before it.
    for (uint32_t t = (s + 1) & mask_; e.slots[t] != 0; t = (t + 1) & mask_) {
      uint32_t home = static_cast<uint32_t>(e.slots[t] >> 32) & home_mask_;
      if (((t - home) & mask_) >= ((t - gap) & mask_)) {
        e.slots[gap] = e.slots[t];
        gap = t;
      }
    }
  }
  e.slots[gap] = 0;
  --segments_[e.segment].used;
  --size_;
}

void hash_index::reserve(size_t rows) {
  if (size_ != 0) return;  // only an empty index is laid out anew
  clear();
  size_t slots = std::bit_ceil(std::max<size_t>(rows * 2, slots_min));
  drop_segment(segments_[0], slots_min);
  if (slots <= slots_max) {
    resize(static_cast<uint32_t>(slots));
    make_segment(segments_[0], 0, 0);
    point(0, 0);
    return;
  }
  resize(slots_max);
  auto depth = static_cast<uint32_t>(std::bit_width(slots / slots_max) - 1);
  depth = std::min(depth, depth_max);
  segments_.clear();
  segments_.resize(size_t{1} << depth);
  directory_.assign(segments_.size(), {});
  shift_ = 32 - depth;
  for (uint32_t i = 0; i < segments_.size(); ++i) {
    make_segment(segments_[i], depth, i);
    point(i, i);
  }
}

size_t hash_index::memory_bytes() const noexcept {
  return small_bytes_ + pool_.used_bytes() + directory_.capacity() * sizeof(entry);
}

}  // namespace weir
