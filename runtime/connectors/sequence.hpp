// Connector sequence: one bigint column of consecutive numbers from `start` (default 1) to `end`
// (inclusive; default: without end), at `rate` rows per second or as fast as it is read.
#pragma once

#include "runtime/connectors/source.hpp"

namespace weir {

/// Whether a table can be read from it: its column, start and end.
status check_sequence_table(const schema& physical, const option_map&);
result<std::unique_ptr<split_enumerator>> make_sequence_enumerator(const source_spec&);
result<std::unique_ptr<source_reader>> make_sequence_reader(const source_spec&);

}  // namespace weir
