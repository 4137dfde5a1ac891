#include "cluster/cli/config/config_file.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace weir::cli {
namespace {

// A configuration has a few dozen lines; a larger file is something else given by mistake.
constexpr size_t file_bytes_max = size_t{1} << 20;

error at_line(const std::string& name, int line, const std::string& what) {
  return {errc::parse, name + ":" + std::to_string(line) + ": " + what};
}

status check_once(const std::vector<config_entry>& entries, const std::string& name) {
  for (size_t i = 0; i < entries.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (entries[i].key == entries[j].key && entries[i].map_key == entries[j].map_key)
        return at_line(name, entries[i].line,
                       (entries[i].map_key.empty() ? entries[i].key : entries[i].map_key) +
                           " is already set in line " + std::to_string(entries[j].line));
  return {};
}

int line_of(const YAML::Node& n) {
  return n.Mark().line + 1;
}

result<config_entry> yaml_entry(const YAML::Node& key, const YAML::Node& value,
                                const std::string& name) {
  config_entry e;
  e.key = key.Scalar();
  e.line = line_of(key);
  if (value.IsScalar()) {
    e.values = {value.Scalar()};
    return e;
  }
  if (!value.IsSequence()) return at_line(name, e.line, e.key + " has no value");
  e.list = true;
  for (const auto& item : value) {
    if (!item.IsScalar())
      return at_line(name, line_of(item), e.key + " is a list of texts, and this is none");
    e.values.push_back(item.Scalar());
  }
  return e;
}

}  // namespace

result<std::vector<config_entry>> parse_config_yaml(const std::string& text,
                                                    const std::string& name) {
  std::vector<config_entry> entries;
  try {
    const auto root = YAML::Load(text);
    if (root.IsNull()) return entries;
    if (!root.IsMap()) return at_line(name, line_of(root), "expected KEY: VALUE");
    for (const auto& pair : root) {
      if (!pair.first.IsScalar()) return at_line(name, line_of(pair.first), "a key must be a text");
      if (!pair.second.IsMap()) {
        WEIR_ASSIGN(auto e, yaml_entry(pair.first, pair.second, name));
        entries.push_back(std::move(e));
        continue;
      }
      for (const auto& inner : pair.second) {
        if (!inner.first.IsScalar())
          return at_line(name, line_of(inner.first), "a key must be a text");
        WEIR_ASSIGN(auto e, yaml_entry(inner.first, inner.second, name));
        e.map_key = std::exchange(e.key, pair.first.Scalar());
        entries.push_back(std::move(e));
      }
    }
  } catch (const YAML::Exception& e) {
    return at_line(name, e.mark.line + 1, e.msg);
  }
  WEIR_TRY(check_once(entries, name));
  return entries;
}

result<std::vector<config_entry>> read_config_file(const std::string& path) {
  auto ends_with = [&](std::string_view ending) {
    return std::string_view(path).ends_with(ending);
  };
  const bool yaml = ends_with(".yaml") || ends_with(".yml");
  if (!yaml && !ends_with(".toml"))
    return error{errc::invalid_argument,
                 path + ": a configuration's name ends in .yaml, .yml or .toml"};
  std::ifstream in(path, std::ios::binary);
  if (!in) return error{errc::io, "cannot read " + path + ": " + std::strerror(errno)};
  std::string text;
  text.resize(file_bytes_max + 1);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof()))
    return error{errc::io, "cannot read " + path + ": " + std::strerror(errno)};
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > file_bytes_max)
    return error{errc::invalid_argument,
                 path + " is larger than 1 MiB: no configuration of a node"};
  return yaml ? parse_config_yaml(text, path) : parse_config_toml(text, path);
}

}  // namespace weir::cli
