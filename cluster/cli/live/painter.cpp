#include "cluster/cli/live/painter.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace weir::cli {
namespace {

/// Without escape sequences (ESC [ ... letter).
std::string plain(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\x1b' && i + 1 < s.size() && s[i + 1] == '[') {
      i += 2;
      while (i < s.size() && (s[i] < '@' || s[i] > '~')) ++i;
      continue;
    }
    out += s[i];
  }
  return out;
}

}  // namespace

/// To the first column of the first line. Terminals wrap old lines anew when they become narrower.
std::string painter::to_begin(screen_size screen) const {
  size_t rows = 0;
  for (auto w : widths_) rows += std::max<size_t>(1, (w + screen.width - 1) / screen.width);
  const size_t up = rows > 0 ? rows - 1 : 0;  // the cursor stands on the last one
  std::string out = "\r";
  if (up > 0) out += "\x1b[" + std::to_string(up) + "A";
  return out;
}

void painter::paint(const std::vector<std::string>& lines, screen_size screen) {
  if (lines.empty() && widths_.empty()) return;
  std::string out = "\x1b[?25l";  // no cursor that jumps about while it writes
  if (!widths_.empty()) out += to_begin(screen);
  widths_.clear();
  for (size_t i = 0; i < lines.size(); ++i) {
    out += lines[i] + "\x1b[K";
    if (i + 1 < lines.size()) out += "\n";
    widths_.push_back(display_width(plain(lines[i])));
  }
  write(out + "\x1b[J\x1b[?25h");
}

void painter::print_above(const std::string& text) {
  std::string out;
  if (!widths_.empty()) out += to_begin(screen_size_of(fd_)) + "\x1b[J";
  widths_.clear();
  write(out + text);
}

void painter::keep() {
  if (!widths_.empty()) write("\n");
  widths_.clear();
}

void painter::write(const std::string& s) const {
  std::string_view text = s;
  while (!text.empty()) {
    const auto n = ::write(fd_, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;  // a terminal that is gone: the job ends by its signal
    text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace weir::cli
