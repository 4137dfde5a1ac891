// --cluster, which every verb that asks a running cluster has.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <string>

namespace weir::cli {

/// The environment's value is what holds without the option. Not CLI11's envname(): verbs share
/// `to`, and it takes the environment for verbs that are not the one that was asked for, too.
inline void add_cluster_option(CLI::App& verb, std::string& to) {
  if (const char* value = std::getenv("WEIR_CLUSTER")) to = value;
  verb.add_option(
      "--cluster", to,
      "HOST:PORT of any node's HTTP listener; of several (HOST:PORT,HOST:PORT) the first "
      "that can be reached is asked (Env:WEIR_CLUSTER)");
}

inline CLI::Validator not_empty() {
  return CLI::Validator(
      [](std::string& s) { return s.empty() ? std::string("is empty") : std::string(); }, "");
}

}  // namespace weir::cli
