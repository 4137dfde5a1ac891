#include "runtime/connectors/kafka/kafka_split.hpp"

#include "runtime/connectors/split_codec.hpp"

namespace weir {
namespace {
constexpr uint64_t payload_version = 1;
}

std::string kafka_split::encode() const {
  payload_writer w;
  w.u64(payload_version).text(from.topic).u64(static_cast<uint64_t>(from.partition));
  w.u64(static_cast<uint64_t>(next)).u64(static_cast<uint64_t>(end)).u64(dead_letter_bytes);
  return w.take();
}

result<kafka_split> kafka_split::decode(std::string_view payload) {
  payload_reader r(payload);
  kafka_split s;
  uint64_t version = r.u64();
  s.from.topic = r.text();
  uint64_t partition = r.u64();
  s.next = static_cast<int64_t>(r.u64());
  s.end = static_cast<int64_t>(r.u64());
  s.dead_letter_bytes = r.u64();
  if (!r.at_end() || version != payload_version || s.from.topic.empty() || partition > INT32_MAX ||
      s.next < earliest || s.next == -1 || s.end < never)
    return {errc::corrupt, "a partition's position in the snapshot is damaged"};
  s.from.partition = static_cast<int32_t>(partition);
  return s;
}

}  // namespace weir
