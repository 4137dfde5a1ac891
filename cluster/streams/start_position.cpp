#include "cluster/streams/start_position.hpp"

#include <algorithm>

#include "cluster/streams/record_json.hpp"
#include "runtime/column/text.hpp"

namespace weir::streams {

result<start_position> parse_start_position(const std::string& text, int64_t now_ms) {
  using kind = start_position::kind;
  if (text == "earliest" || text == "oldest") return start_position{kind::earliest, 0};
  if (text == "latest" || text == "newest") return start_position{kind::latest, 0};
  const auto colon = text.find(':');
  const auto what = text.substr(0, colon);
  const auto rest = colon == std::string::npos ? std::string() : text.substr(colon + 1);
  if (what == "time") {
    auto t = parse_time_ms(rest, now_ms);
    if (!t) return error{errc::invalid_argument, t.err().message};
    return start_position{kind::time, *t};
  }
  if (what == "offset" || what == "after") {
    const auto n = parse_int64(rest);
    if (n && *n >= 0 && *n < INT64_MAX)
      return start_position{kind::offset, what == "after" ? *n + 1 : *n};
  }
  return error{errc::invalid_argument, "'" + text +
                                           "' is no position: earliest, latest, offset:N, after:N "
                                           "or time:T are"};
}

result<std::map<int32_t, int64_t>> resolve(brokers& b, const topic_facts& t,
                                           const std::vector<int32_t>& partitions,
                                           const start_position& from, bool clamp) {
  using kind = start_position::kind;
  std::map<int32_t, int64_t> out;
  if (from.what == kind::offset) {
    std::vector<offset_at> starts, ends;
    if (clamp) {
      WEIR_ASSIGN(starts, offsets_at(b, t, partitions, at_earliest));
      WEIR_ASSIGN(ends, offsets_at(b, t, partitions, at_latest));
    }
    for (size_t i = 0; i < partitions.size(); ++i)
      out[partitions[i]] = clamp ? std::clamp(from.value, starts[i].offset,
                                              std::max(starts[i].offset, ends[i].offset))
                                 : from.value;
    return out;
  }
  const int64_t timestamp = from.what == kind::earliest ? at_earliest
                            : from.what == kind::latest ? at_latest
                                                        : from.value;
  WEIR_ASSIGN(auto found, offsets_at(b, t, partitions, timestamp));
  std::vector<int32_t> behind;
  for (const auto& o : found) {
    if (o.offset < 0) behind.push_back(o.partition);
    out[o.partition] = o.offset;
  }
  if (behind.empty()) return out;
  WEIR_ASSIGN(auto ends, offsets_at(b, t, behind, at_latest));
  for (const auto& o : ends) out[o.partition] = o.offset;
  return out;
}

}  // namespace weir::streams
