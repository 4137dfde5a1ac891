#include "cluster/cli/topics/rate_display.hpp"

#include <unistd.h>

#include <cstdio>

#include "runtime/base/units.hpp"

namespace weir::cli {
namespace {

constexpr auto interval = std::chrono::milliseconds(500);

double seconds_of(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

rate_display::rate_display(bool quiet)
    : quiet_(quiet), terminal_(!quiet && ::isatty(STDERR_FILENO) != 0) {}

void rate_display::show(uint64_t records, uint64_t bytes) {
  if (!terminal_) return;
  const auto now = steady::now();
  if (now - last_ < interval) return;
  const double rate = static_cast<double>(records - last_records_) / seconds_of(now - last_);
  std::fprintf(stderr, "\r\033[K%s records (%s) · %s records/s",
               format_count(static_cast<double>(records)).c_str(), format_size(bytes).c_str(),
               format_count(rate).c_str());
  std::fflush(stderr);
  shown_ = true;
  last_ = now;
  last_records_ = records;
}

void rate_display::finish(const std::string& verb, const std::string& where, uint64_t records,
                          uint64_t bytes) {
  if (shown_) std::fprintf(stderr, "\r\033[K");
  if (quiet_) return;
  const double elapsed = seconds_of(steady::now() - began_);
  std::fprintf(stderr, "%s %s records (%s) %s in %s, %s records/s\n", verb.c_str(),
               format_grouped(records).c_str(), format_size(bytes).c_str(), where.c_str(),
               format_duration_us(static_cast<int64_t>(elapsed * 1e6)).c_str(),
               format_count(elapsed > 0 ? static_cast<double>(records) / elapsed : 0).c_str());
}

}  // namespace weir::cli
