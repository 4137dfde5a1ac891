// Rows of text as a table for people, CSV or JSON (FACES: -o table|csv|json).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir::cli {

class text_table {
 public:
  explicit text_table(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// To stdout; `format` empty: table on a terminal, else CSV. JSON: one array of objects, in which
  /// numbers and booleans are bare.
  void print(const std::string& format) const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "2026-01-31 10:00:00"
std::string format_timestamp_utc(int64_t us);

}  // namespace weir::cli
