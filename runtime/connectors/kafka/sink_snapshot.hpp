// What a task puts into an epoch's snapshot of records for a topic: those that no transaction holds
// yet, in pieces of their own, and this head that says which they are. Plain values; decoding
// checks everything, for snapshots come from disk.
#pragma once

#include <string>
#include <vector>

#include "runtime/column/buffer.hpp"
#include "runtime/snapshot/chunk.hpp"

namespace weir {

struct sink_snapshot {
  uint64_t number = 0;  // the epoch
  std::string run;      // whose epochs are counted: the attempt that wrote this
  uint32_t subtask = 0;
  std::string transactional_id;  // under which the records are to be committed,
  std::string group;             // and where the mark is
  std::vector<buffer_ref> pieces;

  /// The head's state within a sink; the pieces' follow from it.
  static constexpr std::string_view records_state = "records";
  static std::string piece_state(const std::string& head_state, size_t i) {
    return head_state + "." + std::to_string(i);
  }

  std::string encode_head() const;
  /// All subtasks' of the newest epoch. None: it is new in its job.
  static result<std::vector<sink_snapshot>> read(const snapshot_reader&,
                                                 const std::string& head_state);
};

}  // namespace weir
