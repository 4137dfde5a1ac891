#include "runtime/snapshot/checksum.hpp"

#include "runtime/base/crc32c.hpp"

namespace weir {
namespace {

uint32_t add_text(uint32_t crc, std::string_view text) {
  // The length first, so that ("ab", "c") and ("a", "bc") differ.
  auto n = static_cast<uint32_t>(text.size());
  crc = crc32c(crc, std::as_bytes(std::span(&n, 1)));
  return crc32c(crc, std::as_bytes(std::span(text)));
}

}  // namespace

uint32_t chunk_crc(const state_chunk& c) {
  uint32_t crc = add_text(add_text(0, c.operator_id), c.state);
  uint64_t rest[3] = {uint64_t{c.key_group} << 32 | c.subtask, static_cast<uint64_t>(c.kind),
                      c.written.value};
  crc = crc32c(crc, std::as_bytes(std::span(rest)));
  return crc32c(crc, c.bytes.bytes());
}

std::string describe(const state_chunk& c) {
  std::string s = "operator '" + c.operator_id + "', state '" + c.state + "', ";
  s += c.key_group == no_key_group ? "subtask " + std::to_string(c.subtask)
                                   : "key group " + std::to_string(c.key_group);
  return s + ", epoch " + std::to_string(c.written.value);
}

status check_chunk(const state_chunk& c) {
  if (!c.crc || chunk_crc(c) == *c.crc) return {};
  return {errc::corrupt, "a chunk is damaged (checksum does not match): " + describe(c)};
}

}  // namespace weir
