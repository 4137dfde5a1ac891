// A split of connectors kafka and topic: a partition, how far it is read and where it ends. Its
// payload travels in snapshots, so decoding checks everything.
#pragma once

#include "runtime/connectors/kafka/client.hpp"
#include "runtime/connectors/source.hpp"

namespace weir {

struct kafka_split {
  static constexpr int64_t earliest = -2;  // the first record that is there; as librdkafka has it
  static constexpr int64_t never = -1;

  kafka_partition from;
  int64_t next = earliest;  // offset of the next record
  int64_t end = never;      // records from here on are not read
  uint64_t dead_letter_bytes = 0;

  std::string encode() const;
  static result<kafka_split> decode(std::string_view payload);
  bool ended() const { return end != never && next >= end; }
  /// Records left to read, where that is known.
  uint64_t records_left() const {
    return end == never || next < 0 || next >= end ? 0 : static_cast<uint64_t>(end - next);
  }
};

}  // namespace weir
