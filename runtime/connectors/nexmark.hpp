// Connector nexmark: the tables person, auction and bid of Nexmark's event stream
// (nexmark_model.hpp), generated as they are read. Splits deal the stream's events out in blocks,
// in turn, and are read side by side; a position is an event's number.
#pragma once

#include "runtime/connectors/source.hpp"

namespace weir {

result<std::unique_ptr<split_enumerator>> make_nexmark_enumerator(const source_spec&,
                                                                  uint32_t parallelism);
result<std::unique_ptr<source_reader>> make_nexmark_reader(const source_spec&);

}  // namespace weir
