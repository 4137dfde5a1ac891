// Lines at the end of a terminal's output that are written over in place. No full screen: what
// stood above stays, and so does the last that was painted. One thread.
#pragma once

#include <string>
#include <vector>

#include "cluster/cli/live/terminal.hpp"

namespace weir::cli {

class painter {
 public:
  explicit painter(int fd) : fd_(fd) {}

  /// In the place of what was painted before. Lines fit into the screen's width.
  void paint(const std::vector<std::string>& lines, screen_size);
  /// Plain lines above what is painted, which is gone until the next paint().
  void print_above(const std::string& text);
  /// Nothing is left of it.
  void erase() { print_above(""); }
  /// It is not where it was: others have written to the terminal.
  void forget() { widths_.clear(); }
  /// It stays for good; the next begins below.
  void keep();

 private:
  std::string to_begin(screen_size) const;
  void write(const std::string&) const;

  int fd_;
  std::vector<size_t> widths_;  // of the lines that stand there
};

}  // namespace weir::cli
