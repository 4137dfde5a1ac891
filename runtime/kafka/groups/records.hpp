// The records of __consumer_offsets, in Kafka's own layouts (group coordinator module,
// common/message). Pure functions: values to bytes and back. The driver uses group_of_key() to
// route a replayed record to its group.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/kafka/groups/effects.hpp"
#include "runtime/kafka/protocol/messages/stored.hpp"

namespace weir::kafka {

/// The group that a record's key names. Errors: errc::parse for bytes that are no key of this
/// topic, errc::unsupported for a kind of record that is none of a consumer group's (share groups
/// ...).
result<std::string> group_of_key(std::string_view key);

namespace membership {

/// The kinds of records: the version in front of a key.
enum class record_kind : int16_t {
  offset_commit_old = 0,
  offset_commit = 1,
  group_metadata = 2,
  group_epoch = 3,
  partition_metadata = 4,  // not written any more
  member_metadata = 5,
  target_epoch = 6,
  target_member = 7,
  current_member = 8,
  regular_expression = 16,  // patterns are resolved anew instead
};

/// Versions of values as Kafka 4 writes them.
inline constexpr int16_t offset_commit_version = 3;
inline constexpr int16_t offset_commit_expiring_version = 1;  // with an expiry time of its own
inline constexpr int16_t group_metadata_version = 3;
inline constexpr int16_t consumer_record_version = 0;

template <class Message>
std::string encode_record_part(const Message& m, int16_t version) {
  writer w;
  encode_versioned(w, m, version);
  return std::string(as_string_view(w.view()));
}
template <class Key, class Value>
group_record make_record(const Key& key, const Value& value, int16_t version) {
  return {encode_record_part(key, Key::info.max_version), encode_record_part(value, version)};
}
template <class Key>
group_record make_tombstone(const Key& key) {
  return {encode_record_part(key, Key::info.max_version), std::nullopt};
}

}  // namespace membership

}  // namespace weir::kafka
