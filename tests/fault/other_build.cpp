// For tests: `weir` as another build that speaks other messages. Everything is as it is but the
// hash that nodes compare, which is defined here instead of in cluster/node/wire_version.cpp, and
// the builds that it was declared to get on with: one, whose hash is in WEIR_COMPATIBLE_WITH.
#include <cstdlib>

#include "cluster/meta/service/service.hpp"
#include "cluster/node/wire.hpp"

namespace weir {

wire_version this_wire_version(std::string build) {
  std::vector<uint64_t> compatible;
  if (const char* hash = std::getenv("WEIR_COMPATIBLE_WITH"))
    compatible.push_back(std::strtoull(hash, nullptr, 16));
  return {meta::peers_format, 0x0123456789abcdef, std::move(compatible), std::move(build)};
}

}  // namespace weir
