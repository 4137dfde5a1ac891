// The byte form of one topic for the store: versioned, self-delimiting; its checksum is the
// store's. Pure functions; safe on any thread. Format (Kafka's compact primitives,
// protocol/writer.hpp):
//   int16 version = 1 | name | id | int64 created_ms | int8 flags (1: internal)
//   | configs [name value] | partitions [generation:varint, leader_epoch:int32, first:int32,
//     last:int32, parents:[int32]]
#pragma once

#include <string>

#include "runtime/base/result.hpp"
#include "runtime/kafka/topics/topic_catalog.hpp"

namespace weir::kafka {

inline constexpr int16_t topic_record_version = 1;

std::string encode_topic(const topic_info&);
/// errc::version_mismatch for a newer version, errc::corrupt for anything that encode_topic does
/// not write. Whether the topic fits a catalog is topic_catalog::restore's to say.
result<topic_info> decode_topic(std::string_view bytes);

}  // namespace weir::kafka
