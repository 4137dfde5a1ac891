#include "runtime/connectors/kafka/message_parts.hpp"

#include "runtime/connectors/kafka/records.hpp"

namespace weir {

std::optional<std::string_view> value_of(const rd_kafka_message_t& m) {
  if (!m.payload) return std::nullopt;
  return std::string_view(static_cast<const char*>(m.payload), m.len);
}

std::optional<std::string_view> key_of(const rd_kafka_message_t& m) {
  if (!m.key) return std::nullopt;
  return std::string_view(static_cast<const char*>(m.key), m.key_len);
}

std::string headers_of(const rd_kafka_message_t& m) {
  std::string out;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return out;
  header_view h;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); ++i) {
    h.name = name;
    h.value.reset();
    if (value) h.value = std::string_view(static_cast<const char*>(value), size);
    append_header(out, h);
  }
  return out;
}

}  // namespace weir
