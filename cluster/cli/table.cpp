#include "cluster/cli/table.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "runtime/column/json_text.hpp"

namespace weir::cli {
namespace {

std::string csv_field(const std::string& s) {
  if (s.find_first_of(",\"\n\r") == std::string::npos) return s;
  std::string out = "\"";
  for (char c : s) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

bool is_bare(const std::string& s) {
  if (s == "true" || s == "false") return true;
  return !s.empty() && s.size() < 16 &&
         std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string format_timestamp_utc(int64_t us) {
  std::time_t t = us / 1'000'000;
  std::tm tm{};
  gmtime_r(&t, &tm);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
  return text;
}

void text_table::print(const std::string& format) const {
  std::string out;
  if (format == "json") {
    out = "[";
    for (size_t r = 0; r < rows_.size(); ++r) {
      out += r ? ",\n {" : "{";
      for (size_t c = 0; c < columns_.size(); ++c) {
        const auto& v = rows_[r][c];
        out +=
            (c ? ", " : "") + json_string(columns_[c]) + ": " + (is_bare(v) ? v : json_string(v));
      }
      out += "}";
    }
    out += "]\n";
  } else if (format == "csv" || (format.empty() && ::isatty(STDOUT_FILENO) == 0)) {
    auto line = [&out](const std::vector<std::string>& row) {
      for (size_t c = 0; c < row.size(); ++c) out += (c ? "," : "") + csv_field(row[c]);
      out += '\n';
    };
    line(columns_);
    for (const auto& row : rows_) line(row);
  } else {
    std::vector<size_t> widths;
    for (size_t c = 0; c < columns_.size(); ++c) {
      size_t w = columns_[c].size();
      for (const auto& row : rows_) w = std::max(w, row[c].size());
      widths.push_back(w);
    }
    auto line = [&](const std::vector<std::string>& row) {
      for (size_t c = 0; c < row.size(); ++c) {
        out += row[c];
        if (c + 1 < row.size()) out += std::string(widths[c] - row[c].size() + 2, ' ');
      }
      out += '\n';
    };
    line(columns_);
    for (const auto& row : rows_) line(row);
  }
  std::fputs(out.c_str(), stdout);
}

}  // namespace weir::cli
