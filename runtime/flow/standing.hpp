// How a task stands that goes on while its job gets another master: what the new coordinator cannot
// read in the newest complete epoch, because it happened since. Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/connectors/source.hpp"

namespace weir {

struct source_standing {
  std::vector<std::string> handed;  // ids of all splits that it was handed since it was opened
  std::vector<source_split>
      given;                  // of these, as they were handed: since the newest complete epoch
  uint64_t newest_order = 0;  // the highest place in the order of discovery that it was handed
  std::string stream;         // `ordered_by` of the last one
  bool reads = false;         // some are not read to their end
  bool waiting = false;       // it has asked for more and has no answer
  bool told_last = false;     // it knows that no more will come
  bool held = true;           // its event time stands still until it is released
};

struct task_standing {
  epoch newest;        // of which it has heard; numbers up to this one are not used again
  bool ended = false;  // it has said so
  std::optional<source_standing> source;
};

}  // namespace weir
