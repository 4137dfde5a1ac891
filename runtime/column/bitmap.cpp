#include "runtime/column/bitmap.hpp"

namespace weir::bitmap {

uint64_t bits_at(const uint8_t* b, size_t at, size_t count) noexcept {
  if (count == 0) return 0;
  const size_t first = at >> 3, shift = at & 7;
  const size_t bytes = ((at + count - 1) >> 3) - first + 1;  // 1 to 9
  uint64_t low = 0;
  std::memcpy(&low, b + first, bytes < 8 ? bytes : 8);
  low >>= shift;
  if (bytes == 9) low |= uint64_t{b[first + 8]} << (64 - shift);
  return count == 64 ? low : low & ((uint64_t{1} << count) - 1);
}

void set_range(uint8_t* b, size_t begin, size_t n, bool value) noexcept {
  size_t end = begin + n;
  auto put = [b, value](size_t i) { value ? set(b, i) : clear(b, i); };
  while (begin < end && (begin & 7) != 0) put(begin++);
  if (begin < end) std::memset(b + begin / 8, value ? 0xff : 0, (end - begin) / 8);
  for (size_t i = begin + ((end - begin) & ~size_t{7}); i < end; ++i) put(i);
}

size_t count(const uint8_t* b, size_t n) noexcept {
  size_t total = 0;
  for (size_t w = 0; w * 64 < n; ++w) total += static_cast<size_t>(std::popcount(word(b, w, n)));
  return total;
}

bool all(const uint8_t* b, size_t n) noexcept {
  size_t w = 0;
  for (; (w + 1) * 64 <= n; ++w)
    if (word(b, w, n) != ~uint64_t{0}) return false;
  return n % 64 == 0 || word(b, w, n) == (uint64_t{1} << (n % 64)) - 1;
}

void and_into(uint8_t* out, const uint8_t* a, const uint8_t* b, size_t n) noexcept {
  for (size_t i = 0; i < bytes_of(n); ++i) out[i] = a[i] & b[i];
}
void or_into(uint8_t* out, const uint8_t* a, const uint8_t* b, size_t n) noexcept {
  for (size_t i = 0; i < bytes_of(n); ++i) out[i] = a[i] | b[i];
}
void and_not_into(uint8_t* out, const uint8_t* a, const uint8_t* b, size_t n) noexcept {
  for (size_t i = 0; i < bytes_of(n); ++i) out[i] = static_cast<uint8_t>(a[i] & ~b[i]);
}

void copy(uint8_t* to, size_t to_bit, const uint8_t* from, size_t from_bit, size_t n) noexcept {
  if ((to_bit & 7) == 0 && (from_bit & 7) == 0) {
    std::memcpy(to + to_bit / 8, from + from_bit / 8, n / 8);
    const size_t done = n & ~size_t{7};
    to_bit += done;
    from_bit += done;
    n -= done;
  }
  // Bring the target to a byte boundary, then eight bits at a time, then the rest.
  for (; n != 0 && (to_bit & 7) != 0; --n, ++to_bit, ++from_bit)
    get(from, from_bit) ? set(to, to_bit) : clear(to, to_bit);
  for (; n >= 64; n -= 64, to_bit += 64, from_bit += 64) {
    const uint64_t w = bits_at(from, from_bit, 64);
    std::memcpy(to + to_bit / 8, &w, 8);
  }
  for (; n != 0; --n, ++to_bit, ++from_bit)
    get(from, from_bit) ? set(to, to_bit) : clear(to, to_bit);
}

}  // namespace weir::bitmap
