#include "cluster/cli/config/node_config.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "cluster/cli/config/config_file.hpp"
#include "cluster/cli/table.hpp"
#include "cluster/meta/state/types.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/base/units.hpp"
#include "runtime/kafka/topics/broker_config.hpp"

namespace weir::cli {
namespace {

constexpr uint64_t count_max = 1'000'000;

std::vector<node_setting> settings_of(bool single) {
  using k = setting_kind;
  const std::string kafka = single ? "127.0.0.1:9092" : "127.0.0.1:0";
  std::vector<node_setting> all = {
      {"data_dir", "--data-dir", k::text, single ? "weir-data" : "", "folder of all that it keeps"},
      {"name", "--name", k::text, "n1", "the node's name in its cluster"},
      {"rack", "--rack", k::text, "", "rack or zone: replicas go to different ones"},
      {"join", "--join", k::address_list, "", "other nodes' listeners for nodes; none: the first"},
      {"peers", "--peers", k::address, "127.0.0.1:0", "listener for nodes (port 0: a free one)"},
      {"advertised_peers", "--advertised-peers", k::address, "",
       "where other nodes reach that listener; empty: where it listens"},
      {"actors_port", "--actors-port", k::port, "0",
       "port for other nodes' actors, where peers listens (0: a free one)"},
      {"rows_port", "--rows-port", k::port, "0",
       "port for rows from other nodes' tasks, where peers listens (0: a free one)"},
      {"peers_certificate", "--peers-certificate", k::text, "",
       "PEM file: nodes speak TLS, this one shows this; with peers_key and peers_authority"},
      {"peers_key", "--peers-key", k::text, "", "PEM file with the key of peers_certificate"},
      {"peers_authority", "--peers-authority", k::text, "",
       "PEM file of the authority that signed the certificates of all nodes"},
      {"kafka", "--kafka", k::address, kafka, "Kafka listener (port 0: a free one)"},
      {"advertised", "--advertised,--advertise", k::address, "",
       "what Kafka clients are told; empty: where it listens"},
      {"http", "--http", k::address, "127.0.0.1:0", "HTTP listener (port 0: a free one)"},
      {"memory", "--memory", k::size, "2GiB", "what its tasks may hold"},
      {"broker_config", "--broker-config", k::map, "",
       "NAME=VALUE of the broker, by Kafka's names (log.retention.hours=24)"},
      {"metrics_partitions", "--metrics-partitions", k::count, "1000",
       "partitions up to which each has its own metrics"},
      {"metrics_groups", "--metrics-groups", k::count, "200",
       "consumer groups whose lag the metrics show"},
  };
  return all;
}

constexpr std::string_view variable_prefix = "WEIR_NODE_";
constexpr const char* config_variable = "WEIR_NODE_CONFIG";

std::string variable_of(const std::string& key) {
  std::string name(variable_prefix);
  for (char c : key) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t from = 0; from <= text.size();) {
    const auto to = std::min(text.find(separator, from), text.size());
    auto part = text.substr(from, to - from);
    const auto begin = part.find_first_not_of(" \t"), end = part.find_last_not_of(" \t");
    if (begin != std::string::npos) parts.push_back(part.substr(begin, end - begin + 1));
    from = to + 1;
  }
  return parts;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& p : parts) text += (text.empty() ? "" : ",") + p;
  return text;
}

status check_count(const std::string& text) {
  if (text.empty() || text.size() > 7 || text.find_first_not_of("0123456789") != text.npos ||
      std::stoul(text) > count_max)
    return error{errc::invalid_argument,
                 "'" + text + "' is no number from 0 to " + std::to_string(count_max)};
  return {};
}

status check_port(const std::string& text) {
  if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != text.npos ||
      std::stoul(text) > 65535)
    return error{errc::invalid_argument, "'" + text + "' is no port: 0 to 65535"};
  return {};
}

status check_value(const node_setting& s, const std::string& text) {
  switch (s.kind) {
    case setting_kind::text:
      return {};
    case setting_kind::address:
      return text.empty() ? status{} : check_address(text);
    case setting_kind::address_list:
      for (const auto& a : split(text, ',')) WEIR_TRY(check_address(a));
      return {};
    case setting_kind::size:
      return check_memory(text);
    case setting_kind::port:
      return check_port(text);
    case setting_kind::count:
      return check_count(text);
    case setting_kind::map:
      if (auto at = text.find('='); at == std::string::npos || at == 0)
        return error{errc::invalid_argument, "'" + text + "' is not NAME=VALUE"};
      else if (auto known = kafka::broker_config::make({{text.substr(0, at), text.substr(at + 1)}});
               !known)
        return known.err();
      return {};
  }
  return error{errc::internal, "a setting of no kind"};
}

}  // namespace

status check_memory(const std::string& text) {
  WEIR_ASSIGN(const auto bytes, parse_size(text));
  if (bytes < memory_bytes_min)
    return error{errc::invalid_argument, "'" + text + "' is too little to run anything: at least " +
                                             std::to_string(memory_bytes_min >> 20) + "MiB"};
  return {};
}

status check_address(const std::string& text) {
  const auto at = text.rfind(':');
  const error wrong{errc::invalid_argument, "'" + text + "' is not HOST:PORT"};
  if (at == std::string::npos || at == 0) return wrong;
  const auto host = text.substr(0, at), port = text.substr(at + 1);
  if (host.find_first_of(" \t,") != host.npos) return wrong;
  if (host.find(':') != host.npos && (host.front() != '[' || host.back() != ']')) return wrong;
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos ||
      std::stoul(port) > 65535)
    return wrong;
  return {};
}

node_config::node_config(bool single) : single_(single), settings_(settings_of(single)) {}

const node_setting* node_config::find(const std::string& key) const {
  for (const auto& s : settings_)
    if (s.key == key) return &s;
  return nullptr;
}

void node_config::add_options(CLI::App& verb) {
  verb.add_option("--config", file_,
                  "file of settings, .yaml or .toml (environment: WEIR_NODE_CONFIG)")
      ->type_name("FILE");
  for (const auto& s : settings_) {
    if (single_ && s.kind == setting_kind::address_list) continue;
    auto& g = flags_[s.key];
    auto help = s.help + (s.value.empty() ? "" : " (default: " + s.value + ")");
    g.option = verb.add_option(s.flags, g.values, help)
                   ->type_name(s.kind == setting_kind::map            ? "NAME=VALUE"
                               : s.kind == setting_kind::count        ? "NUMBER"
                               : s.kind == setting_kind::port         ? "PORT"
                               : s.kind == setting_kind::size         ? "SIZE"
                               : s.kind == setting_kind::text         ? "TEXT"
                               : s.kind == setting_kind::address_list ? "HOST:PORT,..."
                                                                      : "HOST:PORT");
    // Lists may be one flag with commas or several flags; other settings are given once.
    if (s.kind == setting_kind::address_list) g.option->delimiter(',');
    if (s.kind != setting_kind::map && s.kind != setting_kind::address_list)
      g.option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::Throw);
    g.option->check([&s](const std::string& text) {
      auto ok = check_value(s, text);
      return ok ? std::string() : ok.err().message;
    });
  }
  verb.add_flag("--print-config", print_, "show the effective settings and where they come from");
  verb.add_option("-o", format_, "format of --print-config")
      ->check(CLI::IsMember({"table", "csv", "json"}));
}

status node_config::take(const node_setting& s, const std::string& text,
                         const std::string& origin) {
  if (auto ok = check_value(s, text); !ok)
    return error{errc::invalid_argument, origin + ": " + s.key + ": " + ok.err().message};
  if (single_ && s.kind == setting_kind::address_list && !text.empty())
    return error{errc::invalid_argument,
                 origin + ": weir up is a cluster of one, which joins nobody: use weir node"};
  if (s.kind != setting_kind::map) {
    scalars_[s.key] = {
        s.key, s.kind == setting_kind::address_list ? joined(split(text, ',')) : text, origin};
    return {};
  }
  const auto at = text.find('=');
  const auto name = text.substr(0, at);
  broker_[name] = {s.key + "." + name, text.substr(at + 1), origin};
  return {};
}

status node_config::take_file(const std::string& path) {
  WEIR_ASSIGN(auto entries, read_config_file(path));
  for (const auto& e : entries) {
    const auto place = path + ":" + std::to_string(e.line);
    const auto* s = find(e.key);
    if (!s) {
      std::vector<std::string> known;
      for (const auto& k : settings_) known.push_back(k.key);
      return error{errc::unknown_name,
                   place + ": there is no setting \"" + e.key + "\"" + nearest_hint(e.key, known)};
    }
    const bool map = s->kind == setting_kind::map;
    if (map != !e.map_key.empty())
      return error{errc::invalid_argument,
                   place + ": " + s->key +
                       (map ? " holds names and values" : " is one value, no names and values")};
    if (e.list && s->kind != setting_kind::address_list && !map)
      return error{errc::invalid_argument, place + ": " + s->key + " is one value, no list"};
    // Kafka's lists are texts with commas.
    const auto text = joined(e.values);
    WEIR_TRY(take(*s, map ? e.map_key + "=" + text : text, "file " + place));
  }
  return {};
}

status node_config::take_environment(const environment& get) {
  for (const auto& s : settings_) {
    const auto variable = variable_of(s.key);
    const char* text = get(variable);
    if (!text || !*text) continue;  // compose files and unit files set variables to nothing
    const auto origin = "environment " + variable;
    if (s.kind != setting_kind::map) {
      WEIR_TRY(take(s, text, origin));
      continue;
    }
    // Values of Kafka's settings have commas of their own.
    for (const auto& entry : split(text, ';')) WEIR_TRY(take(s, entry, origin));
  }
  return {};
}

std::vector<std::string> node_config::unknown_variables(const char* const* entries) const {
  // Without what all begin with: else names would seem near that are not.
  const auto rest = [](std::string_view name) {
    return std::string(name.substr(variable_prefix.size()));
  };
  std::vector<std::string> known{rest(config_variable)}, warnings;
  for (const auto& s : settings_) known.push_back(rest(variable_of(s.key)));
  for (; *entries; ++entries) {
    const std::string_view entry(*entries);
    const auto name = entry.substr(0, entry.find('='));
    if (!name.starts_with(variable_prefix) || name.size() + 1 >= entry.size()) continue;
    const auto own = rest(name);
    if (std::find(known.begin(), known.end(), own) != known.end()) continue;
    const auto near = nearest_name(own, known);
    warnings.push_back(std::string(name) + " is no setting" +
                       (near.empty() ? ""
                                     : "; did you mean " + std::string(variable_prefix) +
                                           std::string(near) + "?"));
  }
  std::sort(warnings.begin(), warnings.end());
  return warnings;
}

status node_config::take_flags() {
  for (const auto& s : settings_) {
    const auto it = flags_.find(s.key);
    if (it == flags_.end() || !it->second.option || it->second.option->count() == 0) continue;
    const auto origin = "flag " + s.flags.substr(0, s.flags.find(','));
    if (s.kind != setting_kind::map) {
      WEIR_TRY(take(s, joined(it->second.values), origin));
      continue;
    }
    for (const auto& entry : it->second.values) WEIR_TRY(take(s, entry, origin));
  }
  return {};
}

status node_config::resolve(const environment& get) {
  for (const auto& s : settings_)
    if (s.kind != setting_kind::map) scalars_[s.key] = {s.key, s.value, "default"};
  auto file = file_;
  if (const char* named = get(config_variable); file.empty() && named) file = named;
  if (!file.empty()) WEIR_TRY(take_file(file));
  WEIR_TRY(take_environment(get));
  WEIR_TRY(take_flags());
  for (const auto& s : settings_) {
    if (single_ && s.kind == setting_kind::address_list) continue;
    if (s.kind != setting_kind::map)
      effective_.push_back(scalars_[s.key]);
    else
      for (const auto& [name, entry] : broker_) effective_.push_back(entry);
  }
  return {};
}

status node_config::check_complete() const {
  if (value_of("data_dir").empty())
    return error{errc::invalid_argument,
                 "data_dir is set nowhere: give --data-dir DIR, WEIR_NODE_DATA_DIR, or data_dir in "
                 "a file (--config)"};
  const auto& name = scalars_.at("name");
  if (name.value.empty() || name.value.size() > meta::name_bytes_max)
    return error{errc::invalid_argument, name.origin + ": name: a node's name has 1 to " +
                                             std::to_string(meta::name_bytes_max) + " bytes"};
  return peers_tls().check_complete();
}

const std::string& node_config::value_of(const std::string& key) const {
  const auto it = scalars_.find(key);
  weir_assert(it != scalars_.end(), "a setting that the table does not have");
  return it->second.value;
}

tls_files node_config::peers_tls() const {
  return {value_of("peers_certificate"), value_of("peers_key"), value_of("peers_authority")};
}

void node_config::apply(cluster_verb_options& o) const {
  o.data_dir = value_of("data_dir");
  o.name = value_of("name");
  o.rack = value_of("rack");
  o.join = split(value_of("join"), ',');
  o.peers = value_of("peers");
  o.advertised_peers = value_of("advertised_peers");
  o.peers_tls = peers_tls();
  o.kafka = value_of("kafka");
  o.advertised = value_of("advertised");
  o.http = value_of("http");
  o.memory_bytes = *parse_size(value_of("memory"));
  o.actors_port = static_cast<uint16_t>(std::stoul(value_of("actors_port")));
  o.rows_port = static_cast<uint16_t>(std::stoul(value_of("rows_port")));
  o.metrics_partitions = std::stoul(value_of("metrics_partitions"));
  o.metrics_groups = std::stoul(value_of("metrics_groups"));
  o.settings.clear();
  for (const auto& [name, entry] : broker_) o.settings[name] = entry.value;
}

std::optional<int> node_config::prepare(const CLI::App& verb, cluster_verb_options& o) {
  auto fail = [&verb](const error& e) {
    std::fprintf(stderr, "weir %s: %s\n", verb.get_name().c_str(), e.message.c_str());
    return exit_usage;
  };
  if (auto s = resolve([](const std::string& name) { return std::getenv(name.c_str()); }); !s)
    return fail(s.err());
  for (const auto& warning : unknown_variables(::environ))
    std::fprintf(stderr, "weir: %s\n", warning.c_str());
  if (print_) {
    text_table t({"name", "value", "origin"});
    for (const auto& e : effective_) t.add({e.name, e.value, e.origin});
    t.print(format_);
  }
  if (auto s = check_complete(); !s) return fail(s.err());
  if (print_) return exit_ok;  // perhaps for another machine, which has the files
  // Files that are named and cannot be used are wrong settings, as any other.
  if (auto tls = tls_context::load(peers_tls()); !tls) return fail(tls.err());
  apply(o);
  return std::nullopt;
}

}  // namespace weir::cli
