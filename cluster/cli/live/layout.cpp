#include "cluster/cli/live/layout.hpp"

#include <algorithm>

namespace weir::cli {
namespace {

// Names, the rule, "... more rows", the footer.
constexpr size_t lines_beside_rows = 4;

}  // namespace

std::string dim(const std::string& s, bool colour) {
  return colour ? "\x1b[2m" + s + "\x1b[0m" : s;
}
std::string bold(const std::string& s, bool colour) {
  return colour ? "\x1b[1m" + s + "\x1b[0m" : s;
}

std::string rows_text(uint64_t n) {
  auto digits = std::to_string(n);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits + (n == 1 ? " row" : " rows");
}

void table_text::fit(const std::vector<cells>& rows) {
  widths_.resize(how_.names.size());
  for (size_t c = 0; c < widths_.size(); ++c) {
    widths_[c] = std::max(widths_[c], display_width(printable(how_.names[c])));
    for (const auto& r : rows) widths_[c] = std::max(widths_[c], display_width(printable(r[c])));
  }
}

std::string table_text::line_of(const cells& row, size_t width) const {
  std::string out;
  for (size_t c = 0; c < row.size(); ++c) {
    const auto text = printable(row[c]);
    const auto taken = display_width(text);
    const std::string blanks(taken < widths_[c] ? widths_[c] - taken : 0, ' ');
    out += c ? "  " : "";
    out += how_.numbers[c] ? blanks + text : text;
    if (!how_.numbers[c] && c + 1 < row.size()) out += blanks;
  }
  return width ? fitted(out, width) : out;
}

std::string table_text::line(const cells& row, size_t width) const {
  return line_of(row, width);
}

std::vector<std::string> table_text::head(size_t width) const {
  std::string rule;
  for (size_t c = 0; c < widths_.size(); ++c)
    rule += std::string(c ? 2 : 0, ' ') + std::string(widths_[c], '-');
  if (width && rule.size() > width) rule.resize(width);
  return {bold(line_of(how_.names, width), how_.colour), dim(rule, how_.colour)};
}

size_t live_rows_max(screen_size s) {
  return s.height > lines_beside_rows + 1 ? s.height - lines_beside_rows : 1;
}

std::vector<std::string> live_lines(const table_layout& how, const live_rows::shown& s,
                                    const std::string& footer, screen_size screen) {
  // Behind a character in the last column terminals do not agree where the cursor is.
  const size_t width = std::max<size_t>(screen.width, 2) - 1;
  const auto n = std::min(s.rows.size(), live_rows_max(screen));
  std::vector<cells> rows(s.rows.begin(), s.rows.begin() + static_cast<ptrdiff_t>(n));
  table_text text(how);
  text.fit(rows);
  auto out = text.head(width);
  for (const auto& r : rows) out.push_back(text.line(r, width));
  if (s.total > n)
    out.push_back(dim(fitted("… " + rows_text(s.total - n) + " more", width), how.colour));
  if (!footer.empty()) out.push_back(dim(fitted(footer, width), how.colour));
  if (out.size() > screen.height)
    out.erase(out.begin(), out.end() - static_cast<ptrdiff_t>(screen.height));
  return out;
}

}  // namespace weir::cli
