// What TAB makes of a word: keywords, tables, columns, backslash commands, files. Pure function but
// for looking at folders.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jobs/sql/loader.hpp"

namespace weir::cli {

struct completions {
  std::vector<std::string> words;  // sorted, each once; they take the place of the typed part
  size_t typed = 0;                // bytes before the cursor that they replace
};
/// `before`: the statement up to the cursor, lines that are complete included; `line`: of these the
/// line that is being typed.
completions complete(std::string_view before, std::string_view line,
                     const std::vector<sql::relation_info>&);

/// What all of them begin with.
std::string common_prefix(const std::vector<std::string>&);

}  // namespace weir::cli
