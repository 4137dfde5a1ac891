// For tests: `weir` as another build that speaks other messages. Everything is as it is but the
// hash that nodes compare, which is defined here instead of in cluster/node/wire_version.cpp.
#include "cluster/meta/service/service.hpp"
#include "cluster/node/wire.hpp"

namespace weir {

wire_version this_wire_version(std::string build) {
  return {meta::peers_format, 0x0123456789abcdef, {}, std::move(build)};
}

}  // namespace weir
