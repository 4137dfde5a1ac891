// What a node says about itself while it runs, a line each on standard error.
#pragma once

#include <string>

namespace weir::cli {

/// Writes "2026-03-01T12:00:00.123Z weir: TEXT", the time in UTC; without it where standard error
/// goes to the journal (systemd's JOURNAL_STREAM), which has times of its own. On any thread; lines
/// are whole.
void node_log(const std::string& text);

}  // namespace weir::cli
