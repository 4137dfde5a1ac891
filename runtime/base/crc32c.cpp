#include "runtime/base/crc32c.hpp"

#include <immintrin.h>

#include <array>
#include <cstring>

namespace weir {
namespace {

constexpr uint32_t polynomial = 0x82f63b78;  // reflected Castagnoli

constexpr std::array<uint32_t, 256> make_byte_table() {
  std::array<uint32_t, 256> t{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) ? (c >> 1) ^ polynomial : c >> 1;
    t[i] = c;
  }
  return t;
}
constexpr auto byte_table = make_byte_table();

// Appending n zero bytes to a message is a linear map of its checksum over GF(2); as four tables of
// 256 entries it costs four lookups. (Method: Mark Adler's crc32c.c, public description.)
using bit_matrix = std::array<uint32_t, 32>;
using shift_table = std::array<std::array<uint32_t, 256>, 4>;

constexpr uint32_t multiply(const bit_matrix& m, uint32_t v) {
  uint32_t sum = 0;
  for (int i = 0; v; v >>= 1, ++i)
    if (v & 1) sum ^= m[i];
  return sum;
}

constexpr shift_table make_shift_table(size_t zero_bytes) {
  bit_matrix m{};  // one zero bit
  m[0] = polynomial;
  for (int i = 1; i < 32; ++i) m[i] = 1u << (i - 1);
  // zero_bytes is a power of two: square the map log2(8 * zero_bytes) times.
  for (size_t bits = 1; bits < zero_bytes * 8; bits *= 2) {
    bit_matrix sq{};
    for (int i = 0; i < 32; ++i) sq[i] = multiply(m, m[i]);
    m = sq;
  }
  shift_table t{};
  for (uint32_t n = 0; n < 256; ++n)
    for (int k = 0; k < 4; ++k) t[k][n] = multiply(m, n << (8 * k));
  return t;
}

// Streams of 4 KiB for chunks, of 256 bytes for what is left: with the last combine they take under
// 2% of the time.
constexpr size_t long_stream = 4096;
constexpr size_t short_stream = 256;
constexpr auto long_shift = make_shift_table(long_stream);
constexpr auto short_shift = make_shift_table(short_stream);

uint32_t shift(const shift_table& t, uint32_t crc) noexcept {
  return t[0][crc & 0xff] ^ t[1][(crc >> 8) & 0xff] ^ t[2][(crc >> 16) & 0xff] ^ t[3][crc >> 24];
}

uint64_t load(const std::byte* p) noexcept {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}

template <size_t Stream>
uint64_t three_streams(uint64_t crc, const std::byte*& p, size_t& n,
                       const shift_table& t) noexcept {
  while (n >= 3 * Stream) {
    uint64_t a = crc, b = 0, c = 0;
    for (size_t i = 0; i < Stream; i += 8) {
      a = _mm_crc32_u64(a, load(p + i));
      b = _mm_crc32_u64(b, load(p + Stream + i));
      c = _mm_crc32_u64(c, load(p + 2 * Stream + i));
    }
    crc = shift(t, static_cast<uint32_t>(a)) ^ b;
    crc = shift(t, static_cast<uint32_t>(crc)) ^ c;
    p += 3 * Stream;
    n -= 3 * Stream;
  }
  return crc;
}

}  // namespace

uint32_t crc32c(uint32_t crc, std::span<const std::byte> bytes) noexcept {
  const std::byte* p = bytes.data();
  size_t n = bytes.size();
  uint64_t c = ~crc;
  c = three_streams<long_stream>(c, p, n, long_shift);
  c = three_streams<short_stream>(c, p, n, short_shift);
  for (; n >= 8; p += 8, n -= 8) c = _mm_crc32_u64(c, load(p));
  for (; n; ++p, --n) c = _mm_crc32_u8(static_cast<uint32_t>(c), static_cast<uint8_t>(*p));
  return ~static_cast<uint32_t>(c);
}

uint32_t crc32c_plain(uint32_t crc, std::span<const std::byte> bytes) noexcept {
  crc = ~crc;
  for (std::byte b : bytes) crc = (crc >> 8) ^ byte_table[(crc ^ static_cast<uint8_t>(b)) & 0xff];
  return ~crc;
}

}  // namespace weir
