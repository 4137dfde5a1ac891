#include "jobs/yaml/document.hpp"

#include <algorithm>

namespace weir::jobs {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Where byte `offset` of a scalar's value stands in the raw text that begins at `raw`: quotes,
/// escapes, block headers and folded lines are stepped over.
size_t align(std::string_view text, size_t raw, std::string_view value, size_t offset) {
  const char style = raw < text.size() ? text[raw] : ' ';
  if (style == '"' || style == '\'') ++raw;
  if (style == '|' || style == '>') {
    raw = std::min(text.find('\n', raw), text.size());
    while (raw < text.size() && is_blank(text[raw])) ++raw;
  }
  for (size_t i = 0; i < offset && i < value.size() && raw < text.size(); ++i) {
    if (text[raw] == '\\' && style == '"') {
      ++raw;
      if (raw < text.size() && text[raw] == 'x') raw += 2;
      if (raw < text.size() && text[raw] == 'u') raw += 4;
      ++raw;
    } else if (is_blank(value[i]) && is_blank(text[raw])) {
      const bool folded = text[raw] == '\n' || text[raw] == '\r' || value[i] == '\n';
      ++raw;
      // A line break takes the next line's indentation with it.
      if (folded)
        while (raw < text.size() && is_blank(text[raw])) ++raw;
    } else {
      raw += text[raw] == '\'' && style == '\'' ? 2 : 1;
    }
  }
  return std::min(raw, text.size());
}

}  // namespace

document::document(std::string text, std::string file,
                   const std::map<std::string, std::string>& set)
    : text_(std::move(text), std::move(file)), settings_(set) {
  try {
    root_.reset(YAML::Load(text_.text()));
  } catch (const YAML::Exception& e) {
    const auto line = static_cast<size_t>(std::max(0, e.mark.line));
    auto begin = line < text_.line_count() ? text_.line_begin(line) : text_.text().size();
    text_.error(begin + static_cast<size_t>(std::max(0, e.mark.column)), "YAML: " + e.msg);
  }
}

std::string document::text(const YAML::Node& n) {
  const std::string& value = n.Scalar();
  std::string out;
  for (size_t i = 0; i < value.size();) {
    auto piece = settings_.at(value, i);
    if (!piece) {
      out += value[i++];
      continue;
    }
    if (!piece->ok()) {
      error(n, i, piece->err().message);
      return value;
    }
    out += (*piece)->value;
    i = (*piece)->end;
  }
  return out;
}

size_t document::position_of(const YAML::Node& n, size_t offset) const {
  const auto mark = n.Mark();
  if (mark.line < 0 || static_cast<size_t>(mark.line) >= text_.line_count()) return 0;
  const auto& text = text_.text();
  const auto raw = std::min(text_.line_begin(static_cast<size_t>(mark.line)) +
                                static_cast<size_t>(std::max(0, mark.column)),
                            text.size());
  if (!n.IsScalar()) return raw;
  const auto& value = n.Scalar();
  // Substituted text has no place of its own.
  if (offset && value.find("${") != std::string::npos) offset = std::min(offset, value.find("${"));
  if (offset == 0 && raw < text.size() && text[raw] != '|' && text[raw] != '>') {
    const bool quoted = text[raw] == '"' || text[raw] == '\'';
    return quoted ? raw + 1 : raw;
  }
  return align(text, raw, value, offset);
}

void document::add(const YAML::Node& where, size_t offset, const std::string& message,
                   bool warning) {
  const auto at = position_of(where, offset);
  warning ? text_.warn(at, message) : text_.error(at, message);
}

void document::check_unused_settings() {
  for (const auto& message : settings_.unused()) error(message);
}

}  // namespace weir::jobs
