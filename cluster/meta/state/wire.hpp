// Cap'n Proto messages of the metadata to and from bytes: what requests, answers and the consensus'
// messages share. Internal to cluster/meta. Pure functions, safe on any thread.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/kafka/protocol/types.hpp"

namespace weir::meta {

/// Largest message that is read: a snapshot of the largest state that state_limits allow stays far
/// below.
inline constexpr size_t wire_bytes_max = size_t{1} << 30;

/// The length of a Cap'n Proto list.
inline uint32_t size_of(const auto& c) {
  return static_cast<uint32_t>(c.size());
}

inline capnp::Data::Reader wire_bytes(const kafka::uuid& id) {
  return {id.bytes.data(), id.bytes.size()};
}
inline capnp::Data::Reader wire_bytes(std::string_view s) {
  return {reinterpret_cast<const unsigned char*>(s.data()), s.size()};
}
inline std::string_view wire_view(capnp::Data::Reader d) {
  return {reinterpret_cast<const char*>(d.begin()), d.size()};
}
/// Zero if it is not 16 bytes; zero is nobody's id, so it is refused where it matters.
inline kafka::uuid wire_uuid(capnp::Data::Reader d) {
  kafka::uuid id;
  if (d.size() == id.bytes.size()) std::memcpy(id.bytes.data(), d.begin(), id.bytes.size());
  return id;
}

inline std::string wire_flat(capnp::MessageBuilder& message) {
  auto words = capnp::messageToFlatArray(message);
  auto chars = words.asChars();
  return {chars.begin(), chars.size()};
}

/// Reads a root whose field formatVersion is 1 to `format`. `body` may use what the reader gives:
/// a pointer that leads out of the message is an error here.
template <class Root, class Value, class Body>
result<Value> wire_read(std::string_view bytes, const char* what, uint16_t format, Body&& body) {
  auto corrupt = [&](const std::string& why) {
    return error(errc::corrupt, "not a " + std::string(what) + ": " + why);
  };
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0 || bytes.size() > wire_bytes_max)
    return corrupt(std::to_string(bytes.size()) + " bytes");
  // The reader wants words; a string's bytes need not be aligned.
  std::vector<capnp::word> words(bytes.size() / sizeof(capnp::word));
  std::memcpy(static_cast<void*>(words.data()), bytes.data(), bytes.size());
  capnp::ReaderOptions options;
  options.traversalLimitInWords = words.size() * 8 + 1024;
  try {
    capnp::FlatArrayMessageReader message(
        kj::ArrayPtr<const capnp::word>(words.data(), words.size()), options);
    auto root = message.getRoot<Root>();
    if (root.getFormatVersion() > format)
      return {errc::version_mismatch,
              "a " + std::string(what) + " has format " + std::to_string(root.getFormatVersion()) +
                  ", this program reads up to " + std::to_string(format) + ": start a newer one"};
    if (root.getFormatVersion() == 0) return corrupt("it has no format version");
    return body(root);
  } catch (const kj::Exception& e) {
    return corrupt(e.getDescription().cStr());
  }
}

}  // namespace weir::meta
