// What requests between nodes say of their sender, and where members of the consensus are reached.
// Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/meta/raft/records.hpp"
#include "runtime/base/wire_version.hpp"

namespace weir::meta {

/// What a message says of its sender's build, and what this node's say.
template <class Wire>
wire_version version_of(const Wire& w) {
  wire_version v{w.format, static_cast<uint64_t>(w.hash), {}, w.build};
  for (auto c : w.compatible) v.compatible.push_back(static_cast<uint64_t>(c));
  return v;
}
template <class Request>
Request& signed_by(const wire_version& v, Request& q) {
  q.wire.format = v.format;
  q.wire.hash = static_cast<int64_t>(v.hash);
  for (auto c : v.compatible) q.wire.compatible.push_back(static_cast<int64_t>(c));
  q.wire.build = v.build;
  return q;
}

/// Members have different addresses, or libraft refuses them. A node that lost its disk comes back
/// as another server where the lost one was, which stays a member until it is forgotten.
inline std::string address_of_member(const configuration& members, server_id who,
                                     const std::string& listener) {
  for (const auto& m : members)
    if (m.id != who && m.address == listener) return listener + "#" + std::to_string(who);
  return listener;
}
inline std::string listener_of(const std::string& member_address) {
  return member_address.substr(0, member_address.find('#'));
}

}  // namespace weir::meta
