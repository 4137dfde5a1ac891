// A live table as lines of text. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "cluster/cli/live/live_rows.hpp"
#include "cluster/cli/live/terminal.hpp"

namespace weir::cli {

struct table_layout {
  cells names;
  std::vector<bool> numbers;  // by column: to the right
  bool colour = false;
};

/// Widths of columns over names and rows, and their lines: names, a rule, rows. Cells are made
/// printable. Lines are cut at `width` columns (0: they are not).
class table_text {
 public:
  explicit table_text(table_layout how) : how_(std::move(how)) {}
  /// Makes columns as wide as these rows need.
  void fit(const std::vector<cells>& rows);
  std::vector<std::string> head(size_t width) const;
  std::string line(const cells& row, size_t width) const;

 private:
  std::string line_of(const cells& row, size_t width) const;
  table_layout how_;
  std::vector<size_t> widths_;
};

/// What stands on the screen while a changing result is computed: the first rows, how many more
/// there are, and the footer (not when empty); at most `screen.height` lines.
std::vector<std::string> live_lines(const table_layout&, const live_rows::shown&,
                                    const std::string& footer, screen_size screen);
/// How many rows live_lines() has room for.
size_t live_rows_max(screen_size);
/// "1 row", "1,234 rows".
std::string rows_text(uint64_t n);

/// Text between escape sequences, unless colour is off.
std::string dim(const std::string&, bool colour);
std::string bold(const std::string&, bool colour);

}  // namespace weir::cli
