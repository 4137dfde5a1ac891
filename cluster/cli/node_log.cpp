#include "cluster/cli/node_log.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace weir::cli {
namespace {

/// systemd.exec(5): the variable names the device and inode of the journal's stream; who inherited
/// it and writes elsewhere has others.
bool goes_to_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat at {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &at) == 0 &&
         std::to_string(at.st_dev) + ":" + std::to_string(at.st_ino) == stream;
}

std::string time_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const auto n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + n, sizeof text - n, ".%03dZ ", static_cast<int>(ms % 1000));
  return text;
}

}  // namespace

void node_log(const std::string& text) {
  static const bool timed = !goes_to_journal();
  const auto line = (timed ? time_now() : std::string()) + "weir: " + text + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace weir::cli
