// From where on a topic is read, as users write it: earliest (oldest), latest (newest), offset:N,
// after:N, time:T. Pure but for resolve(), which asks brokers.
#pragma once

#include "cluster/streams/admin.hpp"

namespace weir::streams {

struct start_position {
  enum class kind : uint8_t { earliest, latest, offset, time };
  kind what = kind::latest;
  int64_t value = 0;  // offset, or milliseconds since 1970
};
/// errc::invalid_argument with what may be written.
result<start_position> parse_start_position(const std::string& text, int64_t now_ms);

/// Offsets by partition. A time after the last record means the end. An offset outside of a log is
/// moved to its nearer end when `clamp`, else left for the reader to complain of.
result<std::map<int32_t, int64_t>> resolve(brokers&, const topic_facts&,
                                           const std::vector<int32_t>& partitions,
                                           const start_position&, bool clamp);

}  // namespace weir::streams
