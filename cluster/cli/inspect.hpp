// Verbs that look and change nothing: lint, plan, snapshot ls, snapshot verify.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "cluster/cli/run.hpp"

namespace weir::cli {

struct inspect_options {
  std::string file;
  std::string directory;
  std::map<std::string, std::string> set;
  std::optional<uint32_t> parallelism;
  std::string output;  // table, csv, json; empty: table on a terminal, else csv
  bool schema = false;
  bool dot = false;  // plan: for Graphviz
};

int lint_job(const inspect_options&);
int plan_job(const inspect_options&);
int snapshot_ls(const inspect_options&);
int snapshot_verify(const inspect_options&);

}  // namespace weir::cli
