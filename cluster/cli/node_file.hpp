// What a running node says of itself in its data directory (node.json), for `weir cluster`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/base/result.hpp"

namespace weir::cli {

struct node_file {
  std::string name;
  uint32_t pid = 0;
  std::string http;
  std::string kafka;
  std::string peers;  // its listener for nodes
};

status write_node_file(const std::string& data_dir, const node_file&);
void remove_node_file(const std::string& data_dir);
/// Absolute, one spelling for a folder however it was given (./x, x/, by a link), there or not.
std::string canonical_folder(const std::string& path);
/// Whether the process still runs and is the node of that folder, by its --data-dir (ids of
/// processes are reused; one that waits to be reaped has ended).
bool is_running_node(uint32_t pid, const std::string& data_dir);
/// Nothing when there is none or its process is gone.
std::optional<node_file> read_running_node(const std::string& data_dir);

}  // namespace weir::cli
