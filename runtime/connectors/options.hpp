// The WITH options of tables: which names each connector knows, as a source and as a sink, and how
// their values read. Tables are checked before anything runs (check_options in source.hpp); the
// typed getters here are for connectors, whose options have passed that check. Pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/connectors/source.hpp"

namespace weir {

enum class option_kind : uint8_t {
  text,       // any, not empty
  any,        // any, empty too
  boolean,    // true, false, on, off, yes, no, 1, 0
  integer,    // int64
  positive,   // int64 > 0
  rate,       // rows/s, a number > 0
  size,       // 64KiB
  duration,   // 100ms
  timestamp,  // 2013-01-01 06:00:00
  delimiter,  // one ASCII character, or \t
  choice,     // one of `choices`
};

struct option_info {
  std::string_view name;
  option_kind kind = option_kind::text;
  std::string_view choices;  // separated by |
};

struct connector_info {
  std::string_view name;
  bool is_source = false, is_sink = false;
  bool replayable = false;
  connector_traits::commit commits = connector_traits::commit::none;
  bool takes_changes = false;
  std::span<const option_info> source_options;
  std::span<const option_info> sink_options;
  std::string_view passes = {};  // names that begin so are somebody else's: a library's
};

std::span<const connector_info> all_connectors();
/// Nothing when no connector has this name.
const connector_info* find_connector(std::string_view name);
/// Options that every source, or every sink, has besides its connector's.
std::span<const option_info> common_options(bool as_sink);

/// Typed values. The option is absent: `fallback`.
result<bool> option_bool(const option_map&, std::string_view name, bool fallback);
result<int64_t> option_int(const option_map&, std::string_view name, int64_t fallback);
result<double> option_rate(const option_map&, std::string_view name, double fallback);
result<uint64_t> option_size(const option_map&, std::string_view name, uint64_t fallback);
/// Microseconds.
result<int64_t> option_duration(const option_map&, std::string_view name, int64_t fallback);
result<int64_t> option_timestamp(const option_map&, std::string_view name, int64_t fallback);
result<char> option_delimiter(const option_map&, char fallback);
std::string option_text(const option_map&, std::string_view name, std::string_view fallback);
bool option_present(const option_map&, std::string_view name);

/// `path` as it is when absolute, else below `base_dir`.
std::string resolve_path(const std::string& base_dir, const std::string& path);

}  // namespace weir
