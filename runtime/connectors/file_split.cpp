#include "runtime/connectors/file_split.hpp"

#include "runtime/connectors/split_codec.hpp"

namespace weir {
namespace {
constexpr uint64_t payload_version = 1;
}

std::string file_split::encode() const {
  payload_writer w;
  w.u64(payload_version).u64(static_cast<uint64_t>(what)).text(path);
  w.u64(static_cast<uint64_t>(compression)).u64(begin).u64(end).u64(in_quotes);
  w.u64(position).u64(line).u64(device).u64(inode).u64(dead_letter_bytes);
  return w.take();
}

result<file_split> file_split::decode(std::string_view payload) {
  payload_reader r(payload);
  file_split s;
  uint64_t version = r.u64(), what = r.u64();
  s.path = r.text();
  uint64_t compression = r.u64();
  s.begin = r.u64();
  s.end = r.u64();
  uint64_t quotes = r.u64();
  s.in_quotes = quotes != 0;
  s.position = r.u64();
  s.line = r.u64();
  s.device = r.u64();
  s.inode = r.u64();
  s.dead_letter_bytes = r.u64();
  if (!r.at_end() || version != payload_version || what > 3 || compression > 2 || quotes > 1 ||
      s.begin > s.end)
    return {errc::corrupt, "a file split's position in the snapshot is damaged"};
  s.what = static_cast<kind>(what);
  s.compression = static_cast<compression_kind>(compression);
  return s;
}

uint64_t file_split::bytes_left() const {
  if (end == to_the_end) return 0;
  uint64_t from = position == not_begun ? begin : position;
  return from < end ? end - from : 0;
}

}  // namespace weir
