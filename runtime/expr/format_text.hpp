// The format strings of format(): %s, %I, %L with positions, widths and flags, as PostgreSQL reads
// them. Pure; errors of a string do not depend on the row, but for widths that are arguments.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/column/scalar.hpp"

namespace weir::expr {

/// What one specifier asks for. Positions count the format string as argument 0.
struct format_specifier {
  char kind = 's';  // s, I, L; % is a percent sign and takes no argument
  size_t value = 0;
  std::optional<size_t> width_argument;
  int64_t width = 0;
  bool left = false;  // pads behind the value
};

class format_reader {
 public:
  format_reader(std::string_view format, size_t arguments) : rest_(format), arguments_(arguments) {}
  bool at_end() const { return rest_.empty(); }
  /// Text up to the next specifier or the end.
  std::string_view literal();
  /// The specifier that comes next.
  result<format_specifier> specifier();

 private:
  status advance();
  result<std::optional<int64_t>> digits();
  result<size_t> argument(std::optional<size_t> position);

  std::string_view rest_;
  size_t arguments_;
  size_t next_ = 1;
};

/// The string's error, if any; `arguments` counts the string itself, too.
status check_format(std::string_view format, size_t arguments);

}  // namespace weir::expr
