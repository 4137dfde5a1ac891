// What travels on a connection for rows between two processes: a greeting each way, then frames of
// a fixed head and, for rows, the batch as schema/batch.capnp describes it. Pure functions; every
// length that comes from outside is checked. All numbers are little endian.
//
//   greeting  8 bytes "weirdata", uint32 protocol, uint32 bytes that follow (as of protocol 1,
//   which
//             later ones keep, so that any build can say to any other what it is); then uint16
//             batch format, uint8 refused, uint8 0, uint64 life, uint64 wanted life, and three
//             texts (uint16 length, bytes): address, build, why it refuses
//   frame     64 bytes, the fields of frame_head in order; then payload_bytes of payload
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/flow/message.hpp"

namespace weir {

inline constexpr uint32_t data_protocol = 1;
/// A batch is far below (flow/output_gate splits at batch_bytes_target; a single row of text may
/// make one larger): what claims more is damage.
inline constexpr uint64_t frame_payload_max = uint64_t{1} << 30;

struct greeting {
  uint32_t protocol = data_protocol;
  uint16_t batch_format = 0;
  uint64_t life = 0;    // of who says it
  uint64_t wanted = 0;  // of whom it is said to
  std::string address;  // where who says it listens
  std::string build;    // for messages
  std::string refusal;  // why there is no connection; empty: there is
};
inline constexpr size_t greeting_head_bytes = 16;
inline constexpr size_t greeting_rest_max = 4'096;
std::string encode_greeting(const greeting&);
/// From the first greeting_head_bytes: how many follow. errc::corrupt when it is none.
result<size_t> greeting_rest(std::span<const std::byte> head);
/// Of another protocol only `protocol` is known.
result<greeting> decode_greeting(std::span<const std::byte> head, std::span<const std::byte> rest);

enum class frame_kind : uint8_t { message = 1, credit = 2, ping = 3 };

struct frame_head {
  frame_kind kind = frame_kind::ping;
  uint64_t task = 0;  // to whom, in the receiving process
  /// message: all of it but its rows. credit: channel, bytes, and batches in `value`.
  channel_message body;
  uint64_t payload_bytes = 0;  // rows, encoded
};
inline constexpr size_t frame_head_bytes = 64;
using frame_head_text = std::array<std::byte, frame_head_bytes>;
frame_head_text encode_frame_head(const frame_head&) noexcept;
/// errc::corrupt for what no sender writes.
result<frame_head> decode_frame_head(std::span<const std::byte, frame_head_bytes>);

/// HOST:PORT and the number of a life of the process there, as "HOST:PORT/LIFE" (16 hexadecimal
/// digits): whoever connects means that life and no later one.
struct data_address {
  std::string host;
  uint16_t port = 0;
  uint64_t life = 0;
};
std::string to_string(const data_address&);
/// errc::invalid_argument for anything else.
result<data_address> parse_data_address(const std::string&);

}  // namespace weir
