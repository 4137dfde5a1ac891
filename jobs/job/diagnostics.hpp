// Messages about a job file, each at its line and column, and the places of a text that they point
// at. Plain values of one load.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::jobs {

struct diagnostic {
  std::string file;
  uint32_t line = 0, column = 0;  // from 1; 0 = the file as a whole
  std::string message;
  bool warning = false;
  std::string source;  // the line of the file, for the caret
  /// A warning about how the job will fare: `weir lint` says it, `weir run` runs the job.
  bool advice = false;
};
/// "FILE:LINE:COLUMN: error: MESSAGE", the line and a caret.
std::string to_text(const diagnostic&);
std::string to_text(const std::vector<diagnostic>&);

/// A file's text with what has been said about it.
class diagnosed_text {
 public:
  diagnosed_text(std::string text, std::string file);

  const std::string& text() const { return text_; }
  const std::string& file() const { return file_; }
  size_t line_count() const { return lines_.size(); }
  /// Byte offset of the begin of a line, counted from 0.
  size_t line_begin(size_t line) const { return lines_[line]; }

  void error(size_t offset, const std::string& message) { add(offset, message, false); }
  void warn(size_t offset, const std::string& message) { add(offset, message, true); }
  void advise(size_t offset, const std::string& message);
  /// About the file as a whole.
  void error(const std::string& message);

  size_t errors() const { return errors_; }
  bool failed() const { return errors_ > 0; }
  /// In the order of the file; what was said twice, once.
  std::vector<diagnostic> take();

 private:
  void add(size_t offset, const std::string& message, bool warning);

  std::string text_, file_;
  std::vector<size_t> lines_;  // byte offsets of line starts
  std::vector<diagnostic> diagnostics_;
  size_t errors_ = 0;
};

}  // namespace weir::jobs
