#include <vector>

#include "cluster/meta/service/service.hpp"
#include "cluster/node/wire.hpp"
#include "runtime/column/hash.hpp"

namespace weir {
namespace {

/// Hashes of earlier builds (`weir node --print-wire`) that this one understands, and that
/// understand it: what has changed since is something that they never get or may pass over. For
/// rolling upgrades; empty while there is none.
const std::vector<uint64_t> compatible_builds = {};

}  // namespace

wire_version this_wire_version(std::string build) {
  const auto text = wire_description();
  return {meta::peers_format, hash_long_bytes(text.data(), text.size()), compatible_builds,
          std::move(build)};
}

}  // namespace weir
