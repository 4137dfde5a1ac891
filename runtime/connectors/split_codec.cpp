#include "runtime/connectors/split_codec.hpp"

namespace weir {

payload_writer& payload_writer::u64(uint64_t v) {
  char b[8];
  std::memcpy(b, &v, 8);
  out_.append(b, 8);
  return *this;
}

payload_writer& payload_writer::text(std::string_view s) {
  u64(s.size());
  out_.append(s);
  return *this;
}

std::string payload_writer::take() {
  return std::move(out_);
}

}  // namespace weir
