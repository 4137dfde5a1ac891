// A node's configuration file as flat entries with their lines: YAML or TOML, by the name's ending.
// Knows nothing of what the keys mean. Pure functions but for reading the file.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir::cli {

struct config_entry {
  std::string key;                  // of the top level
  std::string map_key;              // for KEY: {MAP_KEY: VALUE}, its own dots kept; else empty
  std::vector<std::string> values;  // one, or a list's
  bool list = false;
  int line = 0;  // from 1
};

/// errc::parse with "NAME:LINE: " in front. A key that comes twice is refused.
result<std::vector<config_entry>> parse_config_yaml(const std::string& text,
                                                    const std::string& name);
/// The part of TOML 1.0 that settings need: keys (bare, quoted, dotted), tables, strings of one
/// line, numbers, booleans, and arrays of those over any number of lines. What else TOML has is
/// refused by name.
result<std::vector<config_entry>> parse_config_toml(const std::string& text,
                                                    const std::string& name);
/// By its ending: .yaml, .yml, .toml; errc::invalid_argument for others.
result<std::vector<config_entry>> read_config_file(const std::string& path);

}  // namespace weir::cli
