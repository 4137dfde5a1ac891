// What every generated message has in common: facts about it, and the frame of encode and decode.
#pragma once

#include "runtime/kafka/protocol/messages/api_key.hpp"
#include "runtime/kafka/protocol/reader.hpp"
#include "runtime/kafka/protocol/writer.hpp"

namespace weir::kafka {

/// The first flexible version of messages that have none.
inline constexpr int16_t no_version = std::numeric_limits<int16_t>::max();

/// MESSAGE::info of each generated message.
struct message_info {
  api_key key;       ///< none for messages that are no request or response
  const char* name;  ///< "JoinGroupRequest"
  int16_t min_version;
  int16_t max_version;
  int16_t first_flexible;

  constexpr bool has(int16_t version) const noexcept {
    return version >= min_version && version <= max_version;
  }
};

/// errc::unsupported, with the versions that there are.
error no_such_version(const message_info&, int16_t version);
/// Sets the writer's form; a version that the message does not have is the caller's bug.
void begin_encode(writer&, const message_info&, int16_t version) noexcept;
/// Sets the reader's form; errc::unsupported for a version that the message does not have.
status begin_decode(reader&, const message_info&, int16_t version);

/// Messages that Kafka stores, and the blobs of classic groups, have their version in front: int16.
template <class T>
void encode_versioned(writer& w, const T& message, int16_t version = T::info.max_version) {
  w.int16(version);
  encode(w, message, version);
}
/// Returns the version that stood in front. With `newer_as_newest`, a higher version than the
/// message has is read as its highest (as Kafka's consumers do with each other's blobs, which only
/// grow at the end); without it, it is an error.
template <class T>
result<int16_t> decode_versioned(reader& r, T& message, bool newer_as_newest = false) {
  const int16_t version = r.int16("version");
  WEIR_TRY(r.state());
  const bool newer = newer_as_newest && version > T::info.max_version;
  WEIR_TRY(decode(r, message, newer ? T::info.max_version : version));
  return version;
}

}  // namespace weir::kafka
