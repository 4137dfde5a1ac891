// What nodes say to each other, as text and as a hash of it, made when a node starts: messages of
// actors, Cap'n Proto schemas of plans, batches and metadata, requests by the Kafka protocol, and
// the formats that are numbered. Builds whose hashes differ refuse each other, unless the newer one
// names the older one's hash (wire_version.cpp): a change that an old build would misread is found
// without anybody raising a number.
//
// Comments, names of fields of schemas and messages of one process only are not in it. Neither is
// what a field of bytes or text means: who changes that raises peers_format.
#pragma once

#include <string>

#include "runtime/base/wire_version.hpp"

namespace weir {

/// For people: compare two builds' texts to see what differs (`weir node --print-wire`).
std::string wire_description();

/// What this program is to others. `build`: its name.
wire_version this_wire_version(std::string build);

}  // namespace weir
