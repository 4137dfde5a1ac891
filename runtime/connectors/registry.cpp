#include <algorithm>

#include "runtime/connectors/extra_connectors.hpp"
#include "runtime/connectors/file_partitions.hpp"
#include "runtime/connectors/file_reader.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/memory_source.hpp"
#include "runtime/connectors/nexmark.hpp"
#include "runtime/connectors/nexmark_model.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/paced_reader.hpp"
#include "runtime/connectors/sequence.hpp"
#include "runtime/connectors/sinks.hpp"

namespace weir {

result<std::unique_ptr<split_enumerator>> make_enumerator(const source_spec& spec,
                                                          file_system& files,
                                                          uint32_t parallelism) {
  if (auto extra = find_extra_connector(spec.connector); extra && extra->enumerator)
    return extra->enumerator(spec);
  WEIR_TRY(check_options(spec.connector, spec.options, false));
  if (spec.connector == "sequence") return make_sequence_enumerator(spec);
  if (spec.connector == "memory") return make_memory_enumerator(spec);
  if (spec.connector == "nexmark") return make_nexmark_enumerator(spec, parallelism);
  if (is_kafka(spec.connector)) return make_kafka_enumerator(spec);
  return make_file_enumerator(spec, files);
}

result<std::unique_ptr<source_reader>> make_reader(const source_spec& spec) {
  if (auto extra = find_extra_connector(spec.connector); extra && extra->reader)
    return extra->reader(spec);
  WEIR_TRY(check_options(spec.connector, spec.options, false));
  if (spec.connector == "sequence") return make_sequence_reader(spec);
  if (spec.connector == "nexmark") return make_nexmark_reader(spec);
  WEIR_ASSIGN(auto reader, spec.connector == "memory" ? make_memory_reader(spec)
                           : is_kafka(spec.connector) ? make_kafka_reader(spec)
                                                      : make_file_reader(spec));
  WEIR_ASSIGN(double rate, option_rate(spec.options, "rate", 0));
  if (rate > 0) return make_paced_reader(std::move(reader), rate);
  return reader;
}

status check_source_table(std::string_view connector, const std::string& table,
                          const schema& physical, option_map& options) {
  if (connector == "nexmark") return nexmark::check_table(table, physical, options);
  if (is_kafka(connector)) return check_kafka_table(table, physical, options, false);
  if (connector == "sequence") return check_sequence_table(physical, options);
  if (connector != "file" && connector != "stdin") return {};
  std::vector<uint32_t> folders;
  if (connector == "file") {
    WEIR_ASSIGN(folders, partition_columns(physical, options));
  }
  if (option_text(options, "format", "csv") != "raw") return {};
  size_t lines = 0;
  bool fits = true;
  for (uint32_t c = 0; c < physical.size(); ++c) {
    if (std::find(folders.begin(), folders.end(), c) != folders.end()) continue;
    const auto id = physical.fields[c].type.id;
    fits &= ++lines == 1 && (id == type_id::string || id == type_id::bytes);
  }
  if (!fits || lines == 0)
    return {errc::invalid_argument,
            "option format = 'raw' needs a table of one column of type text or bytea"};
  return {};
}

status check_sink_table(std::string_view connector, const std::string& table, const schema& columns,
                        const option_map& options) {
  if (is_kafka(connector)) return check_kafka_table(table, columns, options, true);
  if (connector != "file") return {};
  WEIR_ASSIGN(auto partitions, partition_columns(columns, options));
  return {};
}

result<std::unique_ptr<stream_operator>> make_sink(const sink_spec& spec) {
  if (auto extra = find_extra_connector(spec.connector); extra && extra->sink)
    return extra->sink(spec);
  WEIR_TRY(check_options(spec.connector, spec.options, true));
  if (spec.connector == "file") return make_file_sink(spec);
  if (is_kafka(spec.connector)) return make_kafka_sink(spec);
  if (spec.connector == "stdout") return make_stdout_sink(spec);
  return make_blackhole_sink(spec);
}

}  // namespace weir
