#include "cluster/cli/node_file.hpp"

#include <signal.h>
#include <simdjson.h>

#include <filesystem>
#include <fstream>

#include "runtime/column/json_text.hpp"
#include "runtime/io/file.hpp"

namespace weir::cli {
namespace {

std::string path_of(const std::string& dir) {
  return dir + "/node.json";
}

}  // namespace

bool is_running_node(uint32_t pid, const std::string& data_dir) {
  if (::kill(static_cast<pid_t>(pid), 0) != 0) return false;
  std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::string line((std::istreambuf_iterator<char>(in)), {});
  // n1, not n10.
  for (auto at = line.find(data_dir); at != std::string::npos; at = line.find(data_dir, at + 1))
    if (const auto end = at + data_dir.size();
        end == line.size() || line[end] == '\0' || line[end] == '/')
      return true;
  return false;
}

status write_node_file(const std::string& dir, const node_file& n) {
  auto files = make_posix_file_system();
  std::string text = "{\"id\": " + json_string(n.name) + ", \"pid\": " + std::to_string(n.pid) +
                     ", \"http\": " + json_string(n.http) + ", \"kafka\": " + json_string(n.kafka) +
                     ", \"peers\": " + json_string(n.peers) + "}\n";
  return atomic_write_file(*files, path_of(dir), std::as_bytes(std::span(text)));
}

void remove_node_file(const std::string& dir) {
  std::error_code ignored;  // a file that stays names a process that is gone
  std::filesystem::remove(path_of(dir), ignored);
}

std::optional<node_file> read_running_node(const std::string& dir) {
  simdjson::dom::parser parser;
  simdjson::dom::element e;
  if (parser.load(path_of(dir)).get(e)) return std::nullopt;
  std::string_view name, http, kafka, peers;
  uint64_t pid = 0;
  if (e["id"].get(name) || e["http"].get(http) || e["pid"].get(pid) || e["kafka"].get(kafka) ||
      e["peers"].get(peers))
    return std::nullopt;
  if (!is_running_node(static_cast<uint32_t>(pid), dir)) return std::nullopt;
  return node_file{std::string(name), static_cast<uint32_t>(pid), std::string(http),
                   std::string(kafka), std::string(peers)};
}

}  // namespace weir::cli
