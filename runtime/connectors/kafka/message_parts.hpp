// Parts of a record as librdkafka gives it. Pure functions; views live as long as the record.
#pragma once

#include <librdkafka/rdkafka.h>

#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// Nothing: a tombstone.
std::optional<std::string_view> value_of(const rd_kafka_message_t&);
std::optional<std::string_view> key_of(const rd_kafka_message_t&);
/// Its headers' bytes, as append_header() writes them.
std::string headers_of(const rd_kafka_message_t&);

}  // namespace weir
