// Lists of source splits as bytes: in tasks' snapshots and in the coordinator's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/connectors/source.hpp"

namespace weir {

/// Length-prefixed text; get_text consumes and returns false when the input is cut short.
void put_text(std::string& out, std::string_view text);
bool get_text(std::string_view& in, std::string& text);

std::string encode_splits(const std::vector<source_split>&);
result<std::vector<source_split>> decode_splits(std::string_view);

}  // namespace weir
