#include "runtime/kafka/protocol/protocol.hpp"

#include <algorithm>

namespace weir::kafka {

void begin_encode(writer& w, const message_info& info, int16_t version) noexcept {
  weir_assert(info.has(version), "encode of a message in a version that it does not have");
  w.begin_message(version >= info.first_flexible);
}

error no_such_version(const message_info& info, int16_t version) {
  return error(errc::unsupported,
               std::string(info.name) + " has no version " + std::to_string(version) + ": use " +
                   std::to_string(info.min_version) + " to " + std::to_string(info.max_version));
}

status begin_decode(reader& r, const message_info& info, int16_t version) {
  if (!info.has(version)) return no_such_version(info, version);
  r.begin_message(info.name, version, version >= info.first_flexible);
  return {};
}

const api_info* find_api(int16_t key) noexcept {
  const auto all = apis();
  const auto at = std::ranges::lower_bound(
      all, key, {}, [](const api_info& a) { return static_cast<int16_t>(a.key); });
  return at != all.end() && static_cast<int16_t>(at->key) == key ? &*at : nullptr;
}

int16_t request_header_version(const api_info& api, int16_t version) noexcept {
  return api.flexible(version) ? 2 : 1;
}

int16_t response_header_version(const api_info& api, int16_t version) noexcept {
  return api.flexible(version) && api.key != api_key::api_versions ? 1 : 0;
}

status decode(reader& r, request_header& h) {
  r.begin_message("request header", 1, false);
  h.key = r.int16("request_api_key");
  h.version = r.int16("request_api_version");
  h.correlation_id = r.int32("correlation_id");
  h.client_id = r.nullable_string("client_id");
  // The client's id keeps its old form in version 2, and only tags are added (KIP-482).
  if (const auto* api = find_api(h.key); api && request_header_version(*api, h.version) == 2) {
    r.begin_message("request header", 2, true);
    r.skip_tags("tags");
  }
  return r.state();
}

void encode(writer& w, const request_header& h) {
  w.begin_message(false);
  w.int16(h.key);
  w.int16(h.version);
  w.int32(h.correlation_id);
  w.nullable_string(h.client_id);
  if (const auto* api = find_api(h.key); api && request_header_version(*api, h.version) == 2) {
    w.begin_message(true);
    w.no_tags();
  }
}

result<int32_t> decode_response_header(reader& r, const api_info& api, int16_t version) {
  const int16_t header = response_header_version(api, version);
  r.begin_message("response header", header, header > 0);
  const int32_t correlation_id = r.int32("correlation_id");
  r.skip_tags("tags");
  WEIR_TRY(r.state());
  return correlation_id;
}

void encode_response_header(writer& w, const api_info& api, int16_t version,
                            int32_t correlation_id) {
  w.begin_message(response_header_version(api, version) > 0);
  w.int32(correlation_id);
  w.no_tags();
}

}  // namespace weir::kafka
