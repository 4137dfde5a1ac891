// Byte strings within state rows: a 16-byte reference that holds up to 12 bytes itself, and the
// arena that keeps longer ones. The layout is that of "German strings" (Neumann and Freitag,
// "Umbra", CIDR 2020): equal references of short strings are equal words. Owned by one table.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "runtime/state/hash_index.hpp"

namespace weir {

struct var_ref {
  static constexpr uint32_t inline_max = 12;
  uint64_t words[2] = {0, 0};

  uint32_t size() const noexcept { return static_cast<uint32_t>(words[0]); }
  bool is_inline() const noexcept { return size() <= inline_max; }
  const char* data() const noexcept {
    return is_inline() ? reinterpret_cast<const char*>(words) + 4
                       : reinterpret_cast<const char*>(words[1]);
  }
  /// Valid as long as this reference and the bytes behind it.
  std::string_view view() const noexcept { return {data(), size()}; }

  /// Refers to `s`, copying it only when it is short.
  static var_ref borrow(std::string_view s) noexcept {
    var_ref r;
    auto n = static_cast<uint32_t>(s.size());
    if (n <= inline_max) {
      std::memcpy(r.words, &n, 4);
      if (n) std::memcpy(reinterpret_cast<char*>(r.words) + 4, s.data(), n);
    } else {
      uint32_t prefix;
      std::memcpy(&prefix, s.data(), 4);
      r.words[0] = n | uint64_t{prefix} << 32;
      r.words[1] = reinterpret_cast<uint64_t>(s.data());
    }
    return r;
  }
  /// As borrow, where 16 bytes from s on may be read.
  static var_ref borrow_padded(const char* s, uint32_t n) noexcept {
    var_ref r;
    if (n <= inline_max) {
      uint64_t a, b;
      std::memcpy(&a, s, 8);
      std::memcpy(&b, s + 4, 8);
      // Keep the first n bytes: 4 of them share a word with the size.
      a = n >= 4 ? a : a & ((uint64_t{1} << (8 * n)) - 1);
      b = n <= 4 ? 0 : n >= 12 ? b : b & ((uint64_t{1} << (8 * (n - 4))) - 1);
      r.words[0] = n | a << 32;
      r.words[1] = b;
    } else {
      uint32_t prefix;
      std::memcpy(&prefix, s, 4);
      r.words[0] = n | uint64_t{prefix} << 32;
      r.words[1] = reinterpret_cast<uint64_t>(s);
    }
    return r;
  }
};

inline bool equal(const uint64_t* a, const uint64_t* b) noexcept {
  if (a[0] != b[0]) return false;
  auto n = static_cast<uint32_t>(a[0]);
  if (n <= var_ref::inline_max) return a[1] == b[1];
  return std::memcmp(reinterpret_cast<const char*>(a[1]), reinterpret_cast<const char*>(b[1]), n) ==
         0;
}

/// Allocations of any size, recycled by size class. What is freed stays readable until
/// release_freed(), so that values of before a change can still be emitted.
class var_arena {
 public:
  var_arena();
  ~var_arena() { clear(); }
  var_arena(const var_arena&) = delete;
  var_arena& operator=(const var_arena&) = delete;

  /// Eight bytes behind an allocation may be read.
  char* allocate(size_t bytes);
  void free_later(const char*, size_t bytes);
  void release_freed();
  void clear();
  /// Bytes taken from the system.
  size_t reserved() const noexcept { return reserved_; }

  /// An own copy of what `r` refers to.
  var_ref store(var_ref r) {
    if (r.is_inline()) return r;
    char* p = allocate(r.size());
    std::memcpy(p, r.data(), r.size());
    r.words[1] = reinterpret_cast<uint64_t>(p);
    return r;
  }
  /// `r`, which it stores, with `more` behind it: in place where the allocation has room.
  var_ref extend(var_ref r, std::string_view more);
  void drop(const uint64_t* words) {
    auto n = static_cast<uint32_t>(words[0]);
    if (n > var_ref::inline_max) free_later(reinterpret_cast<const char*>(words[1]), n);
  }

 private:
  static constexpr size_t class_bytes_max = 32 * 1024;  // larger ones go to malloc
  static constexpr uint32_t small_classes = 128;        // 8, 16, ... 1024
  static constexpr uint32_t middle_classes = 8;         // eight to 2 KiB
  static constexpr uint32_t classes = small_classes + middle_classes + 2 * 4;  // then two
  static constexpr size_t slack_bytes = 8;
  static uint32_t class_of(size_t bytes) noexcept;
  static size_t bytes_of(uint32_t cls) noexcept;
  /// Bytes that an allocation of `bytes` really has.
  static size_t capacity_of(size_t bytes) noexcept;

  std::vector<char*> free_[classes];
  std::vector<std::pair<char*, size_t>> freed_;
  std::vector<void*> chunks_;  // small ones
  block_pool blocks_;          // and those of full size
  std::vector<char*> large_;
  char* at_ = nullptr;
  char* end_ = nullptr;
  size_t chunk_bytes_ = 4 * 1024;
  size_t reserved_ = 0;
};

}  // namespace weir
