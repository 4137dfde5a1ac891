// What a build speaks on connections between nodes, and whether two builds understand each other.
// Pure functions and values. What the hash is made of: cluster/node/wire.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir {

struct wire_version {
  int16_t format = 0;                // of what nodes say before they know each other; by hand
  uint64_t hash = 0;                 // of all messages and their forms; 0: a build that has none
  std::vector<uint64_t> compatible;  // hashes of other builds that this one was declared to get
                                     // on with
  std::string build;                 // its name, for messages: "weir 0.1.0"
};

/// The same format, and the same hash or one that either of the two declares compatible: a newer
/// build knows the older one, which cannot know it.
bool understand_each_other(const wire_version&, const wire_version&);

/// "weir 0.1.0 (format 4, messages 0123456789abcdef)".
std::string to_string(const wire_version&);

/// Both builds, and what to do; for whichever side shows it.
std::string refusal_of(const wire_version& here, const wire_version& other);

/// For CAF's handshake, which two processes pass that have one of these in common.
std::vector<std::string> application_identifiers(const wire_version&);

}  // namespace weir
