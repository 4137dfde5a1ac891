// Connector memory, for benchmarks: replays batches that are in memory, without copying them.
// Either those registered under `name` in this process, or generated ones: a seeded generator fills
// `batches` batches of `batch_rows` rows, which repeat until `rows` rows are out.
#pragma once

#include "runtime/connectors/source.hpp"

namespace weir {

/// Tables of this process by name; thread-safe. A job's readers look them up when they open.
class memory_tables {
 public:
  static void put(const std::string& name, std::vector<batch_ptr> batches);
  static void remove(const std::string& name);
  /// Nothing when there is none.
  static std::optional<std::vector<batch_ptr>> get(const std::string& name);
};

result<std::unique_ptr<split_enumerator>> make_memory_enumerator(const source_spec&);
result<std::unique_ptr<source_reader>> make_memory_reader(const source_spec&);

}  // namespace weir
