// The settings of a node, from flags, the environment and a file: flag > environment > file >
// default, each known with its origin. One table (node_config.cpp) gives the names, so that the
// three places, `--print-config` and docs/operations.md can't differ. Used by the main thread
// before the node starts.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/cli/cluster.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace weir::cli {

enum class setting_kind : uint8_t {
  text,
  address,       // HOST:PORT
  address_list,  // HOST:PORT,HOST:PORT,...
  size,          // 2GiB
  count,
  port,
  map,  // NAME=VALUE of the broker
};

struct node_setting {
  std::string key;  // in files; the environment has WEIR_NODE_ and the key in capitals
  std::string flags;
  setting_kind kind = setting_kind::text;
  std::string value;  // the default
  std::string help;
};

/// One line of `--print-config`.
struct effective_setting {
  std::string name;  // the key; for entries of a map KEY.NAME
  std::string value;
  std::string origin;  // "flag --http", "environment WEIR_NODE_HTTP", "file n.yaml:3", "default"
};

class node_config {
 public:
  using environment = std::function<const char*(const std::string&)>;

  /// `single`: for `weir up`, a cluster of one, whose defaults are others and which joins nobody.
  explicit node_config(bool single);

  void add_options(CLI::App& verb);
  /// After the command line is parsed. errc::unknown_name (with the nearest), errc::parse and
  /// errc::invalid_argument name the place: FILE:LINE, the variable or the flag.
  status resolve(const environment&);
  /// What is needed and set nowhere, or does not go together; called by whoever starts the node.
  status check_complete() const;

  /// A warning for each of the environment's names that looks like a setting's and is none. No
  /// error: others may put names there (a service's addresses), and a value of nothing counts as
  /// not set.
  std::vector<std::string> unknown_variables(const char* const* entries) const;

  const std::vector<effective_setting>& effective() const noexcept { return effective_; }
  void apply(cluster_verb_options&) const;
  /// For main: resolves, prints with --print-config. An exit code when the verb is done with that.
  std::optional<int> prepare(const CLI::App& verb, cluster_verb_options&);

 private:
  struct given {
    std::vector<std::string> values;
    CLI::Option* option = nullptr;
  };
  const node_setting* find(const std::string& key) const;
  status take(const node_setting&, const std::string& text, const std::string& origin);
  status take_environment(const environment&);
  status take_file(const std::string& path);
  status take_flags();
  const std::string& value_of(const std::string& key) const;
  tls_files peers_tls() const;

  bool single_;
  std::vector<node_setting> settings_;
  std::map<std::string, given> flags_;
  std::string file_;
  bool print_ = false;
  std::string format_;
  std::map<std::string, effective_setting> scalars_;
  std::map<std::string, effective_setting> broker_;  // by Kafka's name
  std::vector<effective_setting> effective_;
};

/// What tasks need at least for one window of rows and some state. A node that has less runs
/// nothing.
inline constexpr uint64_t memory_bytes_min = uint64_t{16} << 20;
/// A size (2GiB) of at least that.
status check_memory(const std::string&);

/// HOST:PORT; port 0 to 65535. IPv6 hosts in brackets.
status check_address(const std::string&);

}  // namespace weir::cli
