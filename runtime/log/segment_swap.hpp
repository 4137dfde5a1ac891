// How compaction puts one new segment in the place of several: BASE-END.cleaned is written and
// synced, renamed to BASE-END.swap (from here on it counts), the old segments of [BASE, END) go,
// and it becomes BASE.log. A crash in between is finished, or undone, at the next opening.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/io/file.hpp"
#include "runtime/log/segment_file.hpp"

namespace weir {

/// FOLDER/00000000000000000000-7.cleaned. Jobs are numbered: the file of an earlier one may still
/// wait to be swapped in.
std::string cleaned_path(const std::string& folder, int64_t base, uint64_t job);
/// Swaps `cleaned` in for `old`, which are the segments of [base, end). Readers of the old ones
/// keep them.
status swap_segments(file_system&, const std::string& folder, int64_t base, int64_t end,
                     segment_file& cleaned, const std::vector<segment_file_ptr>& old);
/// Removes what an unfinished compaction left, finishes what a finished one began. `listed` are the
/// folder's files and is brought up to date.
status finish_swaps(file_system&, const std::string& folder, std::vector<file_info>& listed);

}  // namespace weir
