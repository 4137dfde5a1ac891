#include "runtime/kafka/groups/records.hpp"

#include "runtime/kafka/groups/consumer_protocol.hpp"

namespace weir::kafka {

result<std::string> group_of_key(std::string_view key) {
  const auto kind = membership::blob_version(key);
  if (!kind) return error(errc::parse, "a key of __consumer_offsets without a version");
  reader r(as_bytes_view(key.substr(sizeof(int16_t))));
  r.begin_message("__consumer_offsets key", *kind, false);
  switch (static_cast<membership::record_kind>(*kind)) {
    case membership::record_kind::offset_commit_old:
    case membership::record_kind::offset_commit:
    case membership::record_kind::group_metadata:
    case membership::record_kind::group_epoch:
    case membership::record_kind::partition_metadata:
    case membership::record_kind::member_metadata:
    case membership::record_kind::target_epoch:
    case membership::record_kind::target_member:
    case membership::record_kind::current_member:
    case membership::record_kind::regular_expression: {
      std::string group = r.string("group");
      WEIR_TRY(r.state());
      return group;
    }
  }
  return error(errc::unsupported, "a record of kind " + std::to_string(*kind) +
                                      " in __consumer_offsets is none of a consumer group's");
}

}  // namespace weir::kafka
