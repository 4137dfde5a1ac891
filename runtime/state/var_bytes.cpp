#include "runtime/state/var_bytes.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

#include "runtime/base/assert.hpp"

namespace weir {

namespace {

constexpr size_t chunk_bytes_full = 1 << 20;
constexpr size_t chunks_per_region = 16;
constexpr size_t small_bytes_max = 1024;
constexpr size_t middle_bytes_max = 2048;

}  // namespace

var_arena::var_arena() : blocks_(chunk_bytes_full, chunks_per_region) {}

uint32_t var_arena::class_of(size_t bytes) noexcept {
  if (bytes <= small_bytes_max)
    return static_cast<uint32_t>((std::max<size_t>(bytes, 1) + 7) / 8 - 1);
  const auto top = static_cast<uint32_t>(std::bit_width(bytes - 1) - 1);  // 2^top < bytes <= twice
  if (bytes <= middle_bytes_max) {                                        // 1152, 1280, ...
    const auto eighths = static_cast<uint32_t>((bytes - 1) >> (top - 3)) & 7;
    return small_classes + eighths;
  }
  // 3072, 4096, 6144, ...: halves.
  const bool half = bytes <= (size_t{3} << (top - 1));
  return small_classes + middle_classes + 2 * (top - 11) + (half ? 0 : 1);
}

size_t var_arena::bytes_of(uint32_t cls) noexcept {
  if (cls < small_classes) return (cls + 1) * size_t{8};
  cls -= small_classes;
  if (cls < middle_classes) return size_t{9 + cls} << 7;
  cls -= middle_classes;
  const uint32_t top = 11 + cls / 2;
  return cls % 2 == 0 ? size_t{3} << (top - 1) : size_t{2} << top;
}

size_t var_arena::capacity_of(size_t bytes) noexcept {
  // Large ones are powers of two, so that a string that grows moves seldom.
  return bytes <= class_bytes_max ? bytes_of(class_of(bytes)) : std::bit_ceil(bytes);
}

var_ref var_arena::extend(var_ref r, std::string_view more) {
  const size_t before = r.size(), after = before + more.size();
  if (after <= var_ref::inline_max) {
    char whole[var_ref::inline_max];
    std::memcpy(whole, r.data(), before);
    if (!more.empty()) std::memcpy(whole + before, more.data(), more.size());
    return var_ref::borrow({whole, after});
  }
  char* p;
  if (!r.is_inline() && capacity_of(before) >= after) {
    p = reinterpret_cast<char*>(r.words[1]);
  } else {
    p = allocate(after);
    std::memcpy(p, r.data(), before);
    drop(r.words);
  }
  if (!more.empty()) std::memcpy(p + before, more.data(), more.size());
  return var_ref::borrow({p, after});
}

char* var_arena::allocate(size_t bytes) {
  if (bytes > class_bytes_max) {
    bytes = capacity_of(bytes);
    auto* p = static_cast<char*>(std::malloc(bytes + slack_bytes));
    if (!p) throw std::bad_alloc();
    large_.push_back(p);
    reserved_ += bytes;
    return p;
  }
  uint32_t cls = class_of(bytes);
  if (!free_[cls].empty()) {
    char* p = free_[cls].back();
    free_[cls].pop_back();
    return p;
  }
  size_t n = bytes_of(cls);
  if (static_cast<size_t>(end_ - at_) < n) {
    size_t chunk = std::max(chunk_bytes_, n + slack_bytes);
    chunk_bytes_ = std::min<size_t>(chunk_bytes_ * 2, chunk_bytes_full);
    if (chunk == chunk_bytes_full) {
      at_ = reinterpret_cast<char*>(blocks_.allocate_zero());
    } else {
      at_ = static_cast<char*>(std::malloc(chunk));
      if (!at_) throw std::bad_alloc();
      chunks_.push_back(at_);
    }
    end_ = at_ + chunk - slack_bytes;
    reserved_ += chunk;
  }
  char* p = at_;
  at_ += n;
  return p;
}

void var_arena::free_later(const char* p, size_t bytes) {
  freed_.emplace_back(const_cast<char*>(p), bytes);
}

void var_arena::release_freed() {
  for (auto [p, bytes] : freed_) {
    if (bytes <= class_bytes_max) {
      free_[class_of(bytes)].push_back(p);
      continue;
    }
    auto it = std::find(large_.begin(), large_.end(), p);
    weir_assert(it != large_.end(), "a large allocation is freed twice");
    *it = large_.back();
    large_.pop_back();
    reserved_ -= capacity_of(bytes);
    std::free(p);
  }
  freed_.clear();
}

void var_arena::clear() {
  for (void* p : chunks_) std::free(p);
  for (char* p : large_) std::free(p);
  for (auto& f : free_) f.clear();
  chunks_.clear();
  blocks_.clear();
  large_.clear();
  freed_.clear();
  at_ = end_ = nullptr;
  chunk_bytes_ = 4 * 1024;
  reserved_ = 0;
}

}  // namespace weir
