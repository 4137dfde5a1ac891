#include "runtime/base/crc32c.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string_view>
#include <vector>

using namespace weir;

namespace {
std::span<const std::byte> bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s));
}
}  // namespace

TEST_CASE("crc32c gives the published check values") {
  CHECK(crc32c(bytes_of("123456789")) == 0xe3069283u);
  CHECK(crc32c(bytes_of("")) == 0u);
  std::vector<std::byte> zeros(32, std::byte{0}), ones(32, std::byte{0xff});
  CHECK(crc32c(zeros) == 0x8a9136aau);  // RFC 3720, B.4
  CHECK(crc32c(ones) == 0x62a8ab43u);
}

TEST_CASE("crc32c equals the byte-wise form at every length, offset and split") {
  std::mt19937_64 random(11);
  std::vector<std::byte> data(40'000);
  for (auto& b : data) b = static_cast<std::byte>(random());
  std::span<const std::byte> all(data);
  for (size_t n : {0, 1, 7, 8, 9, 255, 767, 768, 769, 1535, 4096, 12287, 12288, 12289, 30000}) {
    for (size_t offset : {0, 1, 5, 64}) {
      auto part = all.subspan(offset, n);
      CHECK(crc32c(part) == crc32c_plain(0, part));
      size_t cut = n == 0 ? 0 : random() % n;
      CHECK(crc32c(crc32c(part.first(cut)), part.subspan(cut)) == crc32c(part));
    }
  }
}
