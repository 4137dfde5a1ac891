// What is to be known of a terminal, and text that fits on it. Pure functions but for asking the
// terminal; any thread.
#pragma once

#include <termios.h>

#include <string>
#include <string_view>

namespace weir::cli {

struct screen_size {
  size_t width = 80, height = 24;
};
/// 80 by 24 where the terminal does not say.
screen_size screen_size_of(int fd);

/// Whether lines that stand on it may be written over: a terminal that knows how (not TERM=dumb),
/// with this process in its foreground.
bool can_repaint(int fd);

/// Whether this process may change the terminal: in the background it would be stopped for it.
bool is_foreground(int fd);

/// Unless NO_COLOR is set (https://no-color.org).
bool wants_colour();

/// Columns that a text takes: wide characters two, combining ones none.
size_t display_width(std::string_view utf8);
/// As much of a text as `width` columns have, the last a "…" when something is left out.
std::string fitted(std::string_view utf8, size_t width);
/// Control characters as \n, \t, \x1b: a row is one line, and cannot steer the terminal. Bytes that
/// are no UTF-8 likewise.
std::string printable(std::string_view text);

/// Keys that are typed meanwhile do not show. Ends with its scope, or by restore().
class echo_off {
 public:
  explicit echo_off(int fd);
  ~echo_off() { restore(); }
  echo_off(const echo_off&) = delete;
  echo_off& operator=(const echo_off&) = delete;
  void restore();
  /// After a stop the shell has made the terminal its own: once more.
  void again();

 private:
  int fd_;
  bool changed_ = false;
  termios before_{};
};

}  // namespace weir::cli
