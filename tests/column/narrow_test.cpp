// Integers in fewer bytes: what comes back is what went in, in the form that the range allows.
#include "runtime/column/narrow.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <vector>

using namespace weir;

namespace {

constexpr auto least = std::numeric_limits<int64_t>::min();
constexpr auto most = std::numeric_limits<int64_t>::max();

template <class T>
std::vector<T> there_and_back(const std::vector<T>& v, narrow_form f) {
  // One more on each side, which must stay as it is.
  const auto n = static_cast<uint32_t>(v.size());
  std::vector<uint64_t> narrow(v.size() + 2, 0x5a5a'5a5a'5a5a'5a5aull);
  narrow_values(reinterpret_cast<std::byte*>(narrow.data()), v.data(), n, f);
  const auto* bytes = reinterpret_cast<const unsigned char*>(narrow.data());
  for (size_t i = v.size() * f.bytes; i < narrow.size() * 8; ++i) REQUIRE(bytes[i] == 0x5a);
  std::vector<T> wide(v.size() + 1, T{77});
  widen_values(wide.data(), reinterpret_cast<const std::byte*>(narrow.data()), n, f);
  CHECK(wide.back() == T{77});
  wide.pop_back();
  return wide;
}

template <class T>
void check_range(int64_t low, int64_t high, int bytes) {
  std::mt19937_64 g(static_cast<uint64_t>(low) * 31 + static_cast<uint64_t>(high));
  const uint64_t distance = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  for (uint32_t n : {1u, 2u, 3u, 7u, 8u, 9u, 31u, 33u, 64u, 130u, 1'000u}) {
    CAPTURE(n);
    CAPTURE(low);
    CAPTURE(high);
    std::vector<T> v;
    for (uint32_t i = 0; i < n; ++i) {
      const uint64_t x = distance == UINT64_MAX ? g() : g() % (distance + 1);
      v.push_back(T{static_cast<int64_t>(static_cast<uint64_t>(low) + x)});
    }
    v[g() % n] = low;
    if (n > 1) {
      // The extremes, wherever they are.
      const size_t at = g() % n;
      v[at] = low;
      v[(at + 1 + g() % (n - 1)) % n] = high;
    }
    const int expected = n == 1 ? 0 : bytes;
    const auto f = narrow_form_of(v.data(), n);
    if (expected >= static_cast<int>(sizeof(T))) {
      CHECK_FALSE(f);
      continue;
    }
    REQUIRE(f);
    CHECK(f->bytes == expected);
    CHECK(f->base == low);
    CHECK(there_and_back(v, *f) == v);
  }
}

template <class T>
void check_all() {
  check_range<T>(0, 0, 0);
  check_range<T>(-1, 0, 1);
  check_range<T>(7, 7 + 0xff, 1);
  check_range<T>(7, 7 + 0x100, 2);
  check_range<T>(-40'000, -40'000 + 0xffff, 2);
  check_range<T>(-40'000, -40'000 + 0x1'0000, 4);
  check_range<T>(-2'000'000'000, -2'000'000'000 + 0xffff'ffffLL, 4);
  check_range<T>(0, 0x1'0000'0000LL, 8);
  check_range<T>(least, least, 0);
  check_range<T>(most, most, 0);
  check_range<T>(least, least + 0xff, 1);
  check_range<T>(most - 0xffff'ffffLL, most, 4);
  check_range<T>(least, most, 8);
  check_range<T>(-1, most, 8);
}

}  // namespace

TEST_CASE("narrow: 64 bits, every width, extremes and lengths around whole registers") {
  check_all<int64_t>();
}

TEST_CASE("narrow: 128 bits that fit 64, and those that do not") {
  check_all<int128>();
  for (int128 beyond : {int128{most} + 1, int128{least} - 1, int128{1} << 64, -(int128{1} << 64),
                        int128{1} << 126, -(int128{1} << 126)})
    for (uint32_t n : {1u, 8u, 100u})
      for (uint32_t at : {0u, n / 2, n - 1}) {
        std::vector<int128> v(n, 5);
        v[at] = beyond;
        CHECK_FALSE(narrow_form_of(v.data(), n));
      }
}

TEST_CASE("narrow: any bytes make values, modulo 2^64") {
  std::vector<uint64_t> from(16, UINT64_MAX);
  std::vector<int64_t> v(16);
  std::vector<int128> w(16);
  const auto* bytes = reinterpret_cast<const std::byte*>(from.data());
  widen_values(v.data(), bytes, 16, {4, most});
  CHECK(v == std::vector<int64_t>(16, least + 0xffff'fffeLL));
  widen_values(w.data(), bytes, 16, {8, 5});
  CHECK(w == std::vector<int128>(16, 4));
  widen_values(w.data(), bytes, 16, {8, least});
  CHECK(w == std::vector<int128>(16, int128{most}));
}
