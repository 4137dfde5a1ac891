#include "runtime/expr/sha2.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

namespace weir::expr {
namespace {

// The first 64 bits of the fractions of the cube roots of the first 80 primes. SHA-256 has the
// first 32 bits of the first 64 of them.
constexpr uint64_t roots[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817};
// Where the states begin: fractions of the square roots of the first eight primes, of which SHA-256
// has the first 32 bits, and of the next eight, of which SHA-224 has the last 32 bits.
constexpr uint64_t first_primes[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                      0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                      0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
constexpr uint64_t next_primes[8] = {0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17,
                                     0x152fecd8f70e5939, 0x67332667ffc00b31, 0x8eb44a8768581511,
                                     0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};

template <class W>
struct shape;
template <>
struct shape<uint32_t> {
  static constexpr int rounds = 64;
  static constexpr int message[2][3] = {{7, 18, 3}, {17, 19, 10}};
  static constexpr int state[2][3] = {{2, 13, 22}, {6, 11, 25}};
  static uint32_t root(int i) { return static_cast<uint32_t>(roots[i] >> 32); }
};
template <>
struct shape<uint64_t> {
  static constexpr int rounds = 80;
  static constexpr int message[2][3] = {{1, 8, 7}, {19, 61, 6}};
  static constexpr int state[2][3] = {{28, 34, 39}, {14, 18, 41}};
  static uint64_t root(int i) { return roots[i]; }
};

template <class W>
void block(W* h, const char* p) {
  using s = shape<W>;
  auto mix = [](W x, const int* by) {
    return std::rotr(x, by[0]) ^ std::rotr(x, by[1]) ^ std::rotr(x, by[2]);
  };
  auto spread = [](W x, const int* by) {
    return std::rotr(x, by[0]) ^ std::rotr(x, by[1]) ^ (x >> by[2]);
  };
  W w[s::rounds];
  for (int i = 0; i < 16; ++i) {
    w[i] = 0;
    for (size_t k = 0; k < sizeof(W); ++k)
      w[i] = static_cast<W>(w[i] << 8 | static_cast<unsigned char>(*p++));
  }
  for (int i = 16; i < s::rounds; ++i)
    w[i] =
        w[i - 16] + spread(w[i - 15], s::message[0]) + w[i - 7] + spread(w[i - 2], s::message[1]);
  W v[8];
  std::memcpy(v, h, sizeof v);
  for (int i = 0; i < s::rounds; ++i) {
    const W chosen = (v[4] & v[5]) ^ (~v[4] & v[6]);
    const W t = v[7] + mix(v[4], s::state[1]) + chosen + s::root(i) + w[i];
    const W most = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    const W sum = t + mix(v[0], s::state[0]) + most;
    std::memmove(v + 1, v, 7 * sizeof(W));
    v[4] += t;
    v[0] = sum;
  }
  for (int i = 0; i < 8; ++i) h[i] += v[i];
}

template <class W>
void hash(W* h, std::string_view s, char* out, int bytes) {
  constexpr size_t size = sizeof(W) * 16;
  const uint64_t bits = s.size() * 8;
  for (; s.size() >= size; s.remove_prefix(size)) block(h, s.data());
  // A one, zeros and the length in bits end the last block.
  char last[2 * size] = {};
  std::memcpy(last, s.data(), s.size());
  last[s.size()] = static_cast<char>(0x80);
  const size_t blocks = s.size() + 1 + 2 * sizeof(W) > size ? 2 : 1;
  for (size_t k = 0; k < 8; ++k)
    last[blocks * size - 1 - k] = static_cast<char>(bits >> (8 * k) & 0xFF);
  for (size_t k = 0; k < blocks; ++k) block(h, last + k * size);
  for (int i = 0; i < bytes; ++i) {
    const auto at = static_cast<size_t>(i);
    const auto shift = 8 * (sizeof(W) - 1 - at % sizeof(W));
    out[i] = static_cast<char>(h[at / sizeof(W)] >> shift & 0xFF);
  }
}

}  // namespace

void sha2(int bits, std::string_view s, char* out) {
  if (bits > 256) {
    uint64_t h[8];
    std::memcpy(h, bits == 512 ? first_primes : next_primes, sizeof h);
    return hash(h, s, out, bits / 8);
  }
  uint32_t h[8];
  for (int i = 0; i < 8; ++i)
    h[i] = static_cast<uint32_t>(bits == 256 ? first_primes[i] >> 32 : next_primes[i]);
  hash(h, s, out, bits / 8);
}

}  // namespace weir::expr
