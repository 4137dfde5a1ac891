#include "cluster/cli/prompt/statement_reader.hpp"

#include <algorithm>

#include "jobs/sql/script.hpp"

namespace weir::cli {
namespace {

std::string_view trimmed(std::string_view s) {
  const auto begin = s.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return s.substr(begin, s.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

std::vector<statement_reader::piece> statement_reader::feed(std::string_view line) {
  ++line_;
  const auto text = trimmed(line);
  if (pending_.empty()) {
    if (text.empty()) return {};
    if (text[0] == '\\') return {{std::string(text), line_, true}};
    begin_ = line_;
  }
  pending_.append(line).append("\n");
  // Only a ';' ends a statement; before one there is nothing to be looked for.
  if (line.find(';') == std::string_view::npos && text.substr(0, 2) != "--" &&
      !text.ends_with("*/"))
    return {};
  return take(false);
}

std::vector<statement_reader::piece> statement_reader::finish() {
  return take(true);
}

std::vector<statement_reader::piece> statement_reader::take(bool all) {
  bool open = false;
  const auto ranges = sql::script::statements_of(pending_, &open);
  std::vector<piece> out;
  size_t done = 0;  // bytes of pending_ that are behind us
  for (size_t i = 0; i < ranges.size(); ++i) {
    const auto [begin, end] = ranges[i];
    if (open && i + 1 == ranges.size() && !all) break;
    piece p;
    p.line =
        begin_ + static_cast<uint32_t>(std::count(
                     pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(begin), '\n'));
    const auto line_begin = begin == 0 ? 0 : pending_.rfind('\n', begin - 1) + 1;
    p.text = std::string(begin - line_begin, ' ') + pending_.substr(begin, end - begin);
    out.push_back(std::move(p));
    done = end + 1;
  }
  if (!open || all) {
    pending_.clear();
  } else if (done > 0) {
    // From the begin of the line on, blanks in the place of what is done.
    const auto line_begin = pending_.rfind('\n', done - 1);
    const auto from = line_begin == std::string::npos ? 0 : line_begin + 1;
    begin_ += static_cast<uint32_t>(
        std::count(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(from), '\n'));
    pending_ = std::string(done - from, ' ') + pending_.substr(done);
  }
  return out;
}

}  // namespace weir::cli
