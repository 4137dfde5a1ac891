#include "jobs/job/diagnostics.hpp"

#include <algorithm>

namespace weir::jobs {
namespace {

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

/// Characters, not bytes: what editors count.
uint32_t characters(std::string_view s) {
  return static_cast<uint32_t>(std::count_if(s.begin(), s.end(), begins_character));
}

/// Longest line that is quoted whole, and what is quoted of longer ones on either side of the
/// place, in characters.
constexpr size_t quoted_characters_max = 240, around_place = 80;

/// What is quoted of a line, around its character number `column` (from 1), whose number becomes
/// that in what is quoted.
std::string quoted(const std::string& line, uint32_t& column) {
  std::vector<size_t> starts;
  for (size_t i = 0; i < line.size(); ++i)
    if (begins_character(line[i])) starts.push_back(i);
  if (starts.size() <= quoted_characters_max) return line;
  const size_t at = std::min<size_t>(column > 0 ? column - 1 : 0, starts.size());
  const size_t first = at > around_place ? at - around_place : 0;
  const size_t last = std::min(at + around_place, starts.size());
  const std::string cut = "...";
  std::string out = first > 0 ? cut : "";
  const size_t end = last < starts.size() ? starts[last] : line.size();
  out += line.substr(starts[first], end - starts[first]);
  if (last < starts.size()) out += cut;
  column = static_cast<uint32_t>(at - first + (first > 0 ? cut.size() : 0) + 1);
  return out;
}

}  // namespace

std::string to_text(const diagnostic& d) {
  std::string out = d.file;
  if (d.line) out += ':' + std::to_string(d.line) + ':' + std::to_string(d.column);
  out += d.warning ? ": warning: " : ": error: ";
  out += d.message + '\n';
  if (!d.line) return out;
  auto number = std::to_string(d.line);
  number.insert(0, number.size() < 4 ? 4 - number.size() : 0, ' ');
  uint32_t place = d.column;
  const auto source = quoted(d.source, place);
  out += number + " | " + source + '\n' + std::string(number.size(), ' ') + " | ";
  uint32_t column = 1;
  for (char c : source) {
    if (column >= place) break;
    if (!begins_character(c)) continue;
    out += c == '\t' ? '\t' : ' ';
    ++column;
  }
  return out + "^\n";
}

std::string to_text(const std::vector<diagnostic>& all) {
  std::string out;
  for (const auto& d : all) out += to_text(d);
  return out;
}

diagnosed_text::diagnosed_text(std::string text, std::string file)
    : text_(std::move(text)), file_(std::move(file)) {
  lines_.push_back(0);
  for (size_t i = 0; i < text_.size(); ++i)
    if (text_[i] == '\n') lines_.push_back(i + 1);
}

void diagnosed_text::add(size_t offset, const std::string& message, bool warning) {
  offset = std::min(offset, text_.size());
  diagnostic d;
  d.file = file_;
  d.message = message;
  d.warning = warning;
  const auto line = static_cast<size_t>(std::upper_bound(lines_.begin(), lines_.end(), offset) -
                                        lines_.begin() - 1);
  const auto begin = lines_[line];
  d.line = static_cast<uint32_t>(line + 1);
  d.column = characters(std::string_view(text_).substr(begin, offset - begin)) + 1;
  auto end = std::min(text_.find('\n', begin), text_.size());
  if (end > begin && text_[end - 1] == '\r') --end;
  d.source = text_.substr(begin, end - begin);
  diagnostics_.push_back(std::move(d));
  if (!warning) ++errors_;
}

void diagnosed_text::advise(size_t offset, const std::string& message) {
  add(offset, message, true);
  diagnostics_.back().advice = true;
}

void diagnosed_text::error(const std::string& message) {
  diagnostic d;
  d.file = file_;
  d.message = message;
  diagnostics_.push_back(std::move(d));
  ++errors_;
}

std::vector<diagnostic> diagnosed_text::take() {
  std::stable_sort(diagnostics_.begin(), diagnostics_.end(),
                   [](const diagnostic& a, const diagnostic& b) {
                     return std::pair(a.line, a.column) < std::pair(b.line, b.column);
                   });
  // A table that is read and written is looked at twice.
  diagnostics_.erase(std::unique(diagnostics_.begin(), diagnostics_.end(),
                                 [](const diagnostic& a, const diagnostic& b) {
                                   return a.line == b.line && a.column == b.column &&
                                          a.message == b.message;
                                 }),
                     diagnostics_.end());
  return std::move(diagnostics_);
}

}  // namespace weir::jobs
