// The table of APIs and the frames around messages: headers of requests and responses, by version.
// The messages themselves are generated from messages/*.table into
// <build>/runtime/kafka/protocol/messages/NAME.hpp (one header for each table), with for each
// message
//   void encode(writer&, const MESSAGE&, int16_t version);    // fields that it lacks are left out
//   status decode(reader&, MESSAGE&, int16_t version);        // fields that it lacks get defaults
// MESSAGE::info (message.hpp), and REQUEST::response_type. Null where a version does not allow it
// is written as empty. Functions without state, safe on any thread.
#pragma once

#include "runtime/kafka/protocol/error_code.hpp"
#include "runtime/kafka/protocol/message.hpp"

namespace weir::kafka {

/// What the codec can do; what a broker advertises is the broker's choice within it.
struct api_info {
  api_key key;
  const char* name;  ///< "JoinGroup"
  int16_t min_version;
  int16_t max_version;
  int16_t first_flexible;  ///< no_version if none is

  bool has(int16_t version) const noexcept {
    return version >= min_version && version <= max_version;
  }
  bool flexible(int16_t version) const noexcept { return version >= first_flexible; }
};

/// All APIs, by rising key.
std::span<const api_info> apis() noexcept;
/// Nullptr for a key that the codec does not know.
const api_info* find_api(int16_t key) noexcept;

struct request_header {
  int16_t key = 0;
  int16_t version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  friend bool operator==(const request_header&, const request_header&) = default;
};

/// Headers of version 2 (flexible requests) carry tags after version 1's fields.
int16_t request_header_version(const api_info&, int16_t version) noexcept;
/// Version 1 carries tags; ApiVersions always answers with version 0, so that a client which does
/// not know the broker's versions yet can read it.
int16_t response_header_version(const api_info&, int16_t version) noexcept;

/// Reads a request's header, tags included. An unknown key or version is no error here, for it has
/// to be answered with the correlation id: such a header is read as version 1 (unknown key) or as
/// the version's own (version above the maximum: flexible, if the newest is).
status decode(reader&, request_header&);
void encode(writer&, const request_header&);
/// Reads the header of the response to (key, version); returns the correlation id.
result<int32_t> decode_response_header(reader&, const api_info&, int16_t version);
void encode_response_header(writer&, const api_info&, int16_t version, int32_t correlation_id);

/// A whole frame: length, header, body. Requests with records are built the same way.
template <class Request>
void encode_request(writer& w, const request_header& header, const Request& body) {
  const auto frame = w.begin_frame();
  encode(w, header);
  encode(w, body, header.version);
  w.end_frame(frame);
}
template <class Response>
void encode_response(writer& w, int32_t correlation_id, const Response& body, int16_t version) {
  const auto frame = w.begin_frame();
  encode_response_header(w, *find_api(static_cast<int16_t>(Response::info.key)), version,
                         correlation_id);
  encode(w, body, version);
  w.end_frame(frame);
}

}  // namespace weir::kafka
