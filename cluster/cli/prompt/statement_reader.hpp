// Lines as they are typed or read -> statements and backslash commands. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cli {

class statement_reader {
 public:
  struct piece {
    std::string text;  // without its ';', or "\d name"
    uint32_t line = 1;
    bool command = false;  // begins with a backslash
  };
  /// What the line completes, in order. Blanks stand where earlier statements of a line stood, so
  /// that columns are those of the line.
  std::vector<piece> feed(std::string_view line);
  /// The end of a file: a last statement needs no ';'.
  std::vector<piece> finish();
  /// Whether a statement has begun that is not complete.
  bool open() const { return !pending_.empty(); }
  const std::string& pending() const { return pending_; }
  void clear() { pending_.clear(); }

 private:
  std::vector<piece> take(bool all);

  std::string pending_;  // whole lines
  uint32_t line_ = 0;    // the last one that was read
  uint32_t begin_ = 1;   // that pending_ begins with
};

}  // namespace weir::cli
