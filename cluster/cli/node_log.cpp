#include "cluster/cli/node_log.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "cluster/cli/table.hpp"

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
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  auto text = format_timestamp_utc(us);
  text[text.find(' ')] = 'T';
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ ", static_cast<int>(us / 1000 % 1000));
  return text + fraction;
}

}  // namespace

void node_log(const std::string& text) {
  static const bool timed = !goes_to_journal();
  const auto line = (timed ? time_now() : std::string()) + "weir: " + text + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace weir::cli
