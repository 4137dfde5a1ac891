#include "runtime/expr/md5.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace weir::expr {
namespace {

const std::array<uint32_t, 64> sines = [] {
  std::array<uint32_t, 64> t{};
  for (size_t i = 0; i < 64; ++i)
    t[i] = static_cast<uint32_t>(
        std::floor(std::fabs(std::sin(static_cast<double>(i + 1))) * 4294967296.0));
  return t;
}();
constexpr int shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

void block(uint32_t* state, const char* p) {
  uint32_t m[16];
  std::memcpy(m, p, 64);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  for (uint32_t i = 0; i < 64; ++i) {
    uint32_t f, g;
    if (i < 16) {
      f = (b & c) | (~b & d);
      g = i;
    } else if (i < 32) {
      f = (d & b) | (~d & c);
      g = (5 * i + 1) % 16;
    } else if (i < 48) {
      f = b ^ c ^ d;
      g = (3 * i + 5) % 16;
    } else {
      f = c ^ (b | ~d);
      g = (7 * i) % 16;
    }
    uint32_t next = d;
    d = c;
    c = b;
    b += std::rotl(a + f + sines[i] + m[g], shifts[i / 16][i % 4]);
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

}  // namespace

void md5_hex(std::string_view data, char* out) {
  uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  size_t whole = data.size() / 64 * 64;
  for (size_t i = 0; i < whole; i += 64) block(state, data.data() + i);
  char tail[128] = {};
  size_t rest = data.size() - whole;
  if (rest) std::memcpy(tail, data.data() + whole, rest);
  tail[rest] = static_cast<char>(0x80);
  size_t end = rest < 56 ? 64 : 128;
  uint64_t bits = data.size() * 8;
  std::memcpy(tail + end - 8, &bits, 8);
  for (size_t i = 0; i < end; i += 64) block(state, tail + i);
  const auto* bytes = reinterpret_cast<const unsigned char*>(state);
  for (size_t i = 0; i < 16; ++i) {
    out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
}

}  // namespace weir::expr
