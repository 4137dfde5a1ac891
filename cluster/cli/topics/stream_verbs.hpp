// The command line of topic, group and txn: their options, texts and checks. One thread.
#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <utility>
#include <vector>

#include "cluster/cli/topics/options.hpp"

namespace weir::cli {

class stream_verbs {
 public:
  void add_all(CLI::App&);
  /// The exit code of the verb that was chosen; nothing when it is none of these.
  std::optional<int> run();

 private:
  using function = int (*)(const stream_options&);
  CLI::App* add(CLI::App& parent, const char* name, const char* help, function, bool table = true);
  void add_topic(CLI::App&);
  void add_produce(CLI::App& topic);
  void add_consume(CLI::App& topic);
  void add_group(CLI::App&);
  void add_txn(CLI::App&);

  stream_options options_;
  std::vector<std::string> set_;
  int32_t partition_ = -1;
  std::vector<std::pair<CLI::App*, function>> verbs_;
};

}  // namespace weir::cli
