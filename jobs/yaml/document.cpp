#include "jobs/yaml/document.hpp"

#include <algorithm>

#include "runtime/base/nearest.hpp"

namespace weir::jobs {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Characters, not bytes: what editors count.
uint32_t characters(std::string_view s) {
  return static_cast<uint32_t>(std::count_if(
      s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
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

std::string to_text(const diagnostic& d) {
  std::string out = d.file;
  if (d.line) out += ':' + std::to_string(d.line) + ':' + std::to_string(d.column);
  out += d.warning ? ": warning: " : ": error: ";
  out += d.message + '\n';
  if (!d.line) return out;
  auto number = std::to_string(d.line);
  number.insert(0, number.size() < 4 ? 4 - number.size() : 0, ' ');
  out += number + " | " + d.source + '\n' + std::string(number.size(), ' ') + " | ";
  uint32_t column = 1;
  for (char c : d.source) {
    if (column >= d.column) break;
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) continue;
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

document::document(std::string text, std::string file,
                   const std::map<std::string, std::string>& set)
    : text_(std::move(text)), file_(std::move(file)), set_(set) {
  lines_.push_back(0);
  for (size_t i = 0; i < text_.size(); ++i)
    if (text_[i] == '\n') lines_.push_back(i + 1);
  if (text_.size() > job_file_bytes_max) {
    error("the file is longer than 1 MiB");
    return;
  }
  try {
    root_.reset(YAML::Load(text_));
  } catch (const YAML::Exception& e) {
    const auto line = static_cast<size_t>(std::max(0, e.mark.line));
    auto begin = line < lines_.size() ? lines_[line] : text_.size();
    diagnostics_.push_back(
        at(std::min(begin + static_cast<size_t>(std::max(0, e.mark.column)), text_.size()),
           "YAML: " + e.msg, false));
    ++errors_;
  }
}

std::string document::text(const YAML::Node& n) {
  std::string value = n.Scalar(), out;
  for (size_t i = 0; i < value.size();) {
    if (value.compare(i, 3, "$${") == 0) {
      out += "${";
      i += 3;
      continue;
    }
    if (value.compare(i, 2, "${") != 0) {
      out += value[i++];
      continue;
    }
    const auto end = value.find('}', i);
    if (end == std::string::npos) {
      error(n, i, "\"${\" without \"}\"; write $${ for a plain ${");
      return value;
    }
    auto key = value.substr(i + 2, end - i - 2);
    std::optional<std::string> otherwise;
    if (auto colon = key.find(":-"); colon != std::string::npos) {
      otherwise = key.substr(colon + 2);
      key.resize(colon);
    }
    known_keys_.insert(key);
    if (auto given = set_.find(key); given != set_.end()) {
      used_.insert(key);
      out += given->second;
    } else if (otherwise) {
      out += *otherwise;
    } else {
      std::vector<std::string> names;
      for (const auto& [k, v] : set_) names.push_back(k);
      error(n, i,
            "${" + key + "} has no value" + nearest_hint(key, names) + "; give one with --set " +
                key + "=VALUE, or write ${" + key + ":-default}");
      return value;
    }
    i = end + 1;
  }
  return out;
}

size_t document::position_of(const YAML::Node& n, size_t offset) const {
  const auto mark = n.Mark();
  if (mark.line < 0 || static_cast<size_t>(mark.line) >= lines_.size()) return 0;
  const auto raw = std::min(
      lines_[static_cast<size_t>(mark.line)] + static_cast<size_t>(std::max(0, mark.column)),
      text_.size());
  if (!n.IsScalar()) return raw;
  const auto& value = n.Scalar();
  // Substituted text has no place of its own.
  if (offset && value.find("${") != std::string::npos) offset = std::min(offset, value.find("${"));
  if (offset == 0 && raw < text_.size() && text_[raw] != '|' && text_[raw] != '>') {
    const bool quoted = text_[raw] == '"' || text_[raw] == '\'';
    return quoted ? raw + 1 : raw;
  }
  return align(text_, raw, value, offset);
}

diagnostic document::at(size_t position, const std::string& message, bool warning) const {
  diagnostic d;
  d.file = file_;
  d.message = message;
  d.warning = warning;
  const auto line = static_cast<size_t>(std::upper_bound(lines_.begin(), lines_.end(), position) -
                                        lines_.begin() - 1);
  const auto begin = lines_[line];
  d.line = static_cast<uint32_t>(line + 1);
  d.column = characters(std::string_view(text_).substr(begin, position - begin)) + 1;
  auto end = std::min(text_.find('\n', begin), text_.size());
  if (end > begin && text_[end - 1] == '\r') --end;
  d.source = text_.substr(begin, end - begin);
  return d;
}

void document::add(const YAML::Node& where, size_t offset, const std::string& message,
                   bool warning) {
  diagnostics_.push_back(at(position_of(where, offset), message, warning));
  if (!warning) ++errors_;
}

void document::error(const std::string& message) {
  diagnostic d;
  d.file = file_;
  d.message = message;
  diagnostics_.push_back(std::move(d));
  ++errors_;
}

void document::check_unused_settings() {
  std::vector<std::string> names(known_keys_.begin(), known_keys_.end());
  for (const auto& [key, value] : set_)
    if (!used_.count(key))
      error("--set " + key + "=" + value + ": the file has no ${" + key + "}" +
            nearest_hint(key, names));
}

std::vector<diagnostic> document::take_diagnostics() {
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
