#include "cluster/cli/live/terminal.hpp"

#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <cstdio>
#include <cstdlib>

namespace weir::cli {
namespace {

/// One character at the begin of a text; a byte that begins none is itself, and not valid.
struct character {
  size_t bytes = 1;
  char32_t code = 0;
  bool valid = false;
};
character first_of(std::string_view s) {
  const auto lead = static_cast<unsigned char>(s[0]);
  if (lead < 0x80) return {1, lead, true};
  const size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (n == 0 || lead > 0xF4 || s.size() < n) return {1, lead, false};
  char32_t code = lead & (0xFFu >> (n + 1));
  for (size_t i = 1; i < n; ++i) {
    const auto next = static_cast<unsigned char>(s[i]);
    if ((next & 0xC0) != 0x80) return {1, lead, false};
    code = code << 6 | (next & 0x3Fu);
  }
  return {n, code, true};
}

/// wcwidth() knows widths of the current locale's characters: one that has all of them, whatever
/// the user's is.
size_t width_of(char32_t code) {
  if (code < 0x80) return 1;
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == locale_t{}) return 1;
  const locale_t before = uselocale(utf8);
  const int w = wcwidth(static_cast<wchar_t>(code));
  uselocale(before);
  return w < 0 ? 1 : static_cast<size_t>(w);
}

}  // namespace

screen_size screen_size_of(int fd) {
  winsize w{};
  screen_size s;
  if (ioctl(fd, TIOCGWINSZ, &w) != 0) return s;
  if (w.ws_col > 0) s.width = w.ws_col;
  if (w.ws_row > 0) s.height = w.ws_row;
  return s;
}

bool can_repaint(int fd) {
  if (::isatty(fd) == 0) return false;
  const char* term = std::getenv("TERM");
  if (!term || !*term || std::string_view(term) == "dumb") return false;
  return is_foreground(fd);
}

bool is_foreground(int fd) {
  const pid_t foreground = tcgetpgrp(fd);
  return foreground == -1 || foreground == getpgrp();  // -1: not our controlling terminal
}

bool wants_colour() {
  const char* no = std::getenv("NO_COLOR");
  return !no || !*no;
}

size_t display_width(std::string_view s) {
  size_t width = 0;
  while (!s.empty()) {
    const auto c = first_of(s);
    width += c.valid ? width_of(c.code) : 1;
    s.remove_prefix(c.bytes);
  }
  return width;
}

std::string fitted(std::string_view s, size_t width) {
  if (display_width(s) <= width) return std::string(s);
  std::string out;
  if (width == 0) return out;
  size_t used = 0;
  while (!s.empty()) {
    const auto c = first_of(s);
    const auto w = c.valid ? width_of(c.code) : 1;
    if (used + w > width - 1) break;
    out.append(s.substr(0, c.bytes));
    used += w;
    s.remove_prefix(c.bytes);
  }
  return out + "…";
}

std::string printable(std::string_view s) {
  std::string out;
  while (!s.empty()) {
    const auto c = first_of(s);
    char text[8];
    if (c.code == '\n') {
      out += "\\n";
    } else if (c.code == '\t') {
      out += "\\t";
    } else if (c.code == '\r') {
      out += "\\r";
    } else if (!c.valid || c.code < 0x20 || (c.code >= 0x7F && c.code < 0xA0)) {
      std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned>(c.code));
      out += text;
    } else {
      out.append(s.substr(0, c.bytes));
    }
    s.remove_prefix(c.bytes);
  }
  return out;
}

echo_off::echo_off(int fd) : fd_(fd) {
  if (tcgetattr(fd_, &before_) != 0) return;
  termios quiet = before_;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  changed_ = tcsetattr(fd_, TCSANOW, &quiet) == 0;
}

void echo_off::restore() {
  // In the background the shell has restored it already.
  if (changed_ && is_foreground(fd_)) tcsetattr(fd_, TCSANOW, &before_);
  changed_ = false;
}

void echo_off::again() {
  if (!changed_) return;
  termios quiet = before_;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(fd_, TCSANOW, &quiet);
}

}  // namespace weir::cli
