// Connectors that a program adds to its own process, for benchmarks and tests: tasks find them by
// name, planners and job files do not know them. Registered before a job that names them starts.
#pragma once

#include <functional>

#include "runtime/connectors/source.hpp"

namespace weir {

/// What a connector cannot do is empty.
struct extra_connector {
  std::function<result<std::unique_ptr<split_enumerator>>(const source_spec&)> enumerator;
  std::function<result<std::unique_ptr<source_reader>>(const source_spec&)> reader;
  std::function<result<std::unique_ptr<stream_operator>>(const sink_spec&)> sink;
};

/// Thread-safe; takes the place of an earlier one of that name.
void add_extra_connector(const std::string& name, extra_connector);
void remove_extra_connector(const std::string& name);
std::optional<extra_connector> find_extra_connector(const std::string& name);

}  // namespace weir
