#include "runtime/kafka/groups/consumer_protocol.hpp"

#include <algorithm>

#include "runtime/kafka/protocol/reader.hpp"
#include "runtime/kafka/protocol/writer.hpp"

namespace weir::kafka::membership {

namespace {

template <class Message>
std::optional<Message> parse(std::string_view blob) {
  const auto version = blob_version(blob);
  if (!version) return std::nullopt;
  reader r(as_bytes_view(blob.substr(sizeof(int16_t))));
  Message m;
  if (!decode(r, m, std::min(*version, Message::info.max_version))) return std::nullopt;
  return m;  // bytes behind what is known are a newer version's
}

}  // namespace

std::optional<int16_t> blob_version(std::string_view blob) {
  if (blob.size() < sizeof(int16_t)) return std::nullopt;
  const auto high = static_cast<uint8_t>(blob[0]);
  const auto low = static_cast<uint8_t>(blob[1]);
  const auto version = static_cast<int16_t>(high << 8 | low);
  if (version < 0) return std::nullopt;
  return version;
}

std::optional<consumer_protocol_subscription> parse_subscription(std::string_view blob) {
  return parse<consumer_protocol_subscription>(blob);
}

std::optional<consumer_protocol_assignment> parse_assignment(std::string_view blob) {
  return parse<consumer_protocol_assignment>(blob);
}

std::string serialize_assignment(const assignment& a, const topic_view& topics, int16_t version) {
  version = std::min(version, consumer_protocol_assignment::info.max_version);
  consumer_protocol_assignment m;
  for (const auto& [id, partitions] : a) {
    const auto facts = topics.find(id);
    if (!facts) continue;
    auto& t = m.assigned_partitions.emplace_back();
    t.topic = facts->name;
    t.partitions = partitions;
  }
  writer w;
  w.int16(version);
  encode(w, m, version);
  return std::string(as_string_view(w.view()));
}

}  // namespace weir::kafka::membership
