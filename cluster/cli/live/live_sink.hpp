// Puts a terminal in the place of connector stdout while a job of this process runs.
#pragma once

#include <memory>

#include "cluster/cli/live/live_rows.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::cli {

/// The one sink of the plan whose rows a terminal can show as they come: stdout, with no format of
/// its own, and not only its final table. Nothing: there is none, or several.
const sink_spec* live_sink_of(const physical_plan&);

/// While it lives, sinks of connector stdout give their rows to `rows`. One at a time in a process.
class live_connector {
 public:
  explicit live_connector(std::shared_ptr<live_rows> rows);
  ~live_connector();
  live_connector(const live_connector&) = delete;
  live_connector& operator=(const live_connector&) = delete;
};

}  // namespace weir::cli
