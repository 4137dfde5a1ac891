// What this broker says it speaks: ApiVersions 0-5. The table is what is advertised, which is not
// always what is served (Produce). Pure; safe on any thread.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/topics/admin/admin.hpp"

namespace weir::kafka {

struct api_range {
  int16_t key = 0;
  int16_t min = 0;  // advertised
  int16_t max = 0;
  int16_t served_min = 0;  // lower versions are refused with UNSUPPORTED_VERSION
  bool serves(int16_t version) const noexcept { return version >= served_min && version <= max; }
};

/// Every API that this broker means to serve, by rising key. A gateway that serves fewer (no SASL,
/// no ACLs) advertises the part that it does.
std::span<const api_range> advertised_apis();
/// Null if `key` is not among them.
const api_range* find_advertised(int16_t key, std::span<const api_range> apis = advertised_apis());

/// To a request of a served version.
api_versions_response answer_api_versions(const api_versions_request&, int16_t version,
                                          const node_facts&,
                                          std::span<const api_range> apis = advertised_apis());
/// To an ApiVersions request of a version that is not served: to be encoded as version 0, whatever
/// was asked for, so that the client can read it and ask again within the range of key 18.
api_versions_response refuse_api_versions(std::span<const api_range> apis = advertised_apis());

}  // namespace weir::kafka
