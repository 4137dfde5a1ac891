#include "cluster/cli/node_file.hpp"

#include <signal.h>
#include <simdjson.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "runtime/column/json_text.hpp"
#include "runtime/io/file.hpp"

namespace weir::cli {
namespace {

constexpr std::string_view data_dir_flag = "--data-dir", data_dir_assigned = "--data-dir=";

std::string path_of(const std::string& dir) {
  return dir + "/node.json";
}

/// One spelling for a folder, whichever it was given in.
std::filesystem::path one_spelling(const std::filesystem::path& p) {
  std::error_code e;
  const auto whole = std::filesystem::absolute(p);  // what is not there would stay relative
  auto one = std::filesystem::weakly_canonical(whole, e);
  if (e) one = whole.lexically_normal();
  return one.has_filename() ? one : one.parent_path();  // x/ is x
}

}  // namespace

std::string canonical_folder(const std::string& path) {
  return one_spelling(path).string();
}

bool is_running_node(uint32_t pid, const std::string& data_dir) {
  if (::kill(static_cast<pid_t>(pid), 0) != 0) return false;
  const auto process = "/proc/" + std::to_string(pid);
  std::ifstream in(process + "/cmdline", std::ios::binary);
  const std::string line((std::istreambuf_iterator<char>(in)), {});
  std::error_code e;
  const auto from = std::filesystem::read_symlink(process + "/cwd", e);  // of relative paths
  const auto wanted = one_spelling(data_dir);
  bool is_folder = false;  // the argument before was the flag
  for (size_t at = 0; at < line.size();) {
    const auto end = std::min(line.find('\0', at), line.size());
    auto argument = line.substr(at, end - at);
    if (argument.starts_with(data_dir_assigned)) {
      argument.erase(0, data_dir_assigned.size());
      is_folder = true;
    }
    if (is_folder && !argument.empty() && one_spelling(from / argument) == wanted) return true;
    is_folder = argument == data_dir_flag;
    at = end + 1;
  }
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
