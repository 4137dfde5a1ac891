// A partition as its reader sees it: records that were taken and not decoded yet, and how far it
// is. One reader's; its task's thread.
#pragma once

#include <deque>

#include "runtime/connectors/kafka/consumer.hpp"

namespace weir {

/// One partition that is being read.
struct partition_cursor {
  source_split split;  // its payload is made anew by snapshot()
  kafka_split at;      // as of the last emitted batch
  std::deque<kafka_message> waiting;
  int64_t read = 0;       // offset behind the last record that was decoded or passed over
  int64_t seen_end = -1;  // the partition has nothing (stable) from here on, for now
  bool past_end = false;  // a record behind the split's end has come
  bool ended() const {
    return waiting.empty() && at.end != kafka_split::never &&
           (read >= at.end || past_end || seen_end >= at.end);
  }
};

inline std::string place_of(const kafka_partition& p, int64_t offset) {
  return to_string(p) + ":" + std::to_string(offset);
}

/// What a record that is an error means to the job; `place`: of the next record.
inline error failure_at(const std::string& place, const kafka_client& client,
                        const rd_kafka_message_t& m) {
  if (m.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
      m.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
    return {errc::not_found,
            place + ": the partition has no record of this offset any more (" +
                rd_kafka_message_errstr(&m) +
                "); a job that starts over (weir run --fresh; on a cluster weir job "
                "submit, without --from-savepoint) begins where the option start "
                "says"};
  auto e = client.failure(place, m.err);
  // Not every broker knows at once of what was created: another attempt finds it.
  if (m.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
      m.err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || m.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
    e.code = errc::io;
  return e;
}

}  // namespace weir
