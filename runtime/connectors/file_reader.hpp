// Reads splits of connector file and stdin. See source_reader for the rules.
#pragma once

#include "runtime/connectors/source.hpp"

namespace weir {

result<std::unique_ptr<source_reader>> make_file_reader(const source_spec&);
result<std::unique_ptr<split_enumerator>> make_file_enumerator(const source_spec&, file_system&);

}  // namespace weir
