// The byte form of requests and answers (schema/meta.capnp): what the log holds and what goes over
// the network. Decoders treat their input as hostile. Pure functions, safe on any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cluster/meta/state/command.hpp"
#include "runtime/base/result.hpp"

namespace weir::meta {

/// The newest format that this program reads and the one that it writes.
inline constexpr uint16_t request_format = 1;

std::string encode_request(const request&);
/// errc::version_mismatch: a newer program wrote it, and this one must not guess.
/// errc::unsupported: a command that this program does not know. errc::corrupt: not a request.
result<request> decode_request(std::string_view bytes);

std::string encode_answer(const answer&);
result<answer> decode_answer(std::string_view bytes);

}  // namespace weir::meta
