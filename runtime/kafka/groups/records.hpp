// The records of __consumer_offsets, in Kafka's own layouts (key versions 1-8 and 16; group
// coordinator module, common/message). Pure functions: bytes to values and back. The driver uses
// group_of_key() to route a replayed record to its group.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace weir::kafka {

/// The group that a record's key names. Errors: errc::parse for bytes that are no key of this
/// topic, errc::unsupported for a kind of record that is none of a consumer group's (share groups
/// ...).
result<std::string> group_of_key(std::string_view key);

}  // namespace weir::kafka
