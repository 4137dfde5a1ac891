// Fuzz target of the batch decoder. The first byte picks one of 256 random schemas, the rest is a
// message whose checksum is switched off. Whatever is accepted is read whole, hashed, compacted and
// encoded again.
#include <array>

#include "tests/column/mutations.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  if (size == 0) return 0;
  static std::array<schema_ptr, 256> schemas;
  auto& type = schemas[data[0]];
  if (!type) {
    test::generator g(data[0]);
    type = test::random_schema(g, 4);
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> message(bytes + 1, bytes + size);
  test::disarm_checksum(message);
  test::decode_and_read(message, type);
  return 0;
}
