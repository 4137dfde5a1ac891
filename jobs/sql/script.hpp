// The text of a SQL job: ${KEY} substituted (in literals as part of the literal, never in
// comments), and the way back from a byte of the result to its place in the file, for messages.
// Owned by one load.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jobs/job/diagnostics.hpp"
#include "jobs/job/substitution.hpp"
#include "runtime/base/result.hpp"

namespace weir::sql {

class script {
 public:
  script(std::string text, std::string file, const std::map<std::string, std::string>& set);

  /// What is parsed; locations of trees and errors count in it.
  const std::string& text() const { return text_; }
  /// The statements that ';' ends: where each begins, without blanks and comments, and its end.
  std::vector<std::pair<size_t, size_t>> statements() const { return statements_of(text_); }
  /// Of any text. `open`: whether something follows the last ';' (a statement that is not ended, a
  /// comment or a literal).
  static std::vector<std::pair<size_t, size_t>> statements_of(std::string_view,
                                                              bool* open = nullptr);
  /// Whether a ${KEY} stood at a byte of text(), even if it left nothing there.
  bool substituted_at(size_t offset) const;

  /// An error of expr::error_at() over text(); one without a position goes to `fallback`.
  void report(const error&, size_t fallback);
  void warn(size_t offset, const std::string& message) { file_.warn(original(offset), message); }
  void advise(size_t offset, const std::string& message) {
    file_.advise(original(offset), message);
  }
  /// --set keys that no ${KEY} used.
  void check_unused_settings();
  void fail_whole(const std::string& message) { file_.error(message); }

  const std::string& file() const { return file_.file(); }
  bool failed() const { return file_.failed(); }
  size_t errors() const { return file_.errors(); }
  std::vector<jobs::diagnostic> take_diagnostics() { return file_.take(); }

 private:
  class lexer;
  /// A part of text() that was copied from the file, or that a ${KEY} stands for.
  struct segment {
    size_t begin = 0, file_begin = 0;
    bool copied = true;
  };
  size_t original(size_t offset) const;

  jobs::diagnosed_text file_;
  jobs::substitution settings_;
  std::string text_;
  std::vector<segment> segments_;
};

}  // namespace weir::sql
