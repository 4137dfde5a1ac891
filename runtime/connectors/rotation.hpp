// Names that rotating writers give to a log's older files, and the order in which they were filled.
// Pure functions over a folder's listing.
#pragma once

#include <string>
#include <vector>

#include "runtime/io/file.hpp"

namespace weir {

/// Whether `name` is what a rotation makes of `live` ("app.log"): app.log.1, app.log-20240131,
/// app.1.log, app-2024-01-31.log. Not app.log.1.gz: compressed files hold nothing new.
bool is_rotated_name(std::string_view live, std::string_view name);

/// The files of `folder` that a rotating writer of `live` (a path) filled after `current`, oldest
/// first; empty ones are left out, the live one is the last. Goes by the time of the last write,
/// then by the number or date in the name.
std::vector<file_info> filled_after(const std::string& live, const file_info& current,
                                    const std::vector<file_info>& folder);

}  // namespace weir
