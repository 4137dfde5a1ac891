// Sinks: operators without output. file commits parts by rename with the epoch; stdout prints at
// once (at least once over restarts); blackhole counts.
#pragma once

#include "runtime/connectors/source.hpp"

namespace weir {

result<std::unique_ptr<stream_operator>> make_file_sink(const sink_spec&);
/// `write` takes the text instead of standard output (for tests).
result<std::unique_ptr<stream_operator>> make_stdout_sink(
    const sink_spec&, std::function<status(std::string_view)> write = nullptr);
result<std::unique_ptr<stream_operator>> make_blackhole_sink(const sink_spec&);

}  // namespace weir
