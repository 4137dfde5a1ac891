#include "runtime/expr/pattern.hpp"

#include <re2/re2.h>

#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

char folded(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
// Memory one compiled pattern may take, RE2's own default.
constexpr int64_t regex_bytes_max = 8 << 20;

}  // namespace

like_pattern::like_pattern(std::string_view pattern, bool fold_case) : fold_case_(fold_case) {
  pieces_.emplace_back();
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '%') {
      pieces_.emplace_back();
      continue;
    }
    piece& p = pieces_.back();
    if (c == '_') {
      p.anything.push_back(p.text.size());
      p.text += '_';
      continue;
    }
    if (c == '\\') {
      if (++i == pattern.size()) {
        valid_ = false;
        return;
      }
      c = pattern[i];
    }
    p.text += fold_case ? folded(c) : c;
  }
}

bool like_pattern::match_at(const piece& p, std::string_view s, size_t at, size_t& end) const {
  size_t wild = 0;
  for (size_t i = 0; i < p.text.size(); ++i) {
    if (at >= s.size()) return false;
    if (wild < p.anything.size() && p.anything[wild] == i) {
      ++wild;
      at += char_bytes(s, at);
      continue;
    }
    if ((fold_case_ ? folded(s[at]) : s[at]) != p.text[i]) return false;
    ++at;
  }
  end = at;
  return true;
}

bool like_pattern::find(const piece& p, std::string_view s, size_t from, size_t& end) const {
  if (p.anything.empty() && !fold_case_) {
    size_t at = s.find(p.text, from);
    if (at == std::string_view::npos) return false;
    end = at + p.text.size();
    return true;
  }
  for (size_t at = from; at <= s.size(); at += at < s.size() ? char_bytes(s, at) : 1)
    if (match_at(p, s, at, end)) return true;
  return false;
}

bool like_pattern::matches(std::string_view s) const {
  size_t at = 0;
  if (!match_at(pieces_[0], s, 0, at)) return false;
  if (pieces_.size() == 1) return at == s.size();
  // The leftmost place of each middle piece leaves the most room for the rest.
  for (size_t i = 1; i + 1 < pieces_.size(); ++i)
    if (!find(pieces_[i], s, at, at)) return false;
  const piece& last = pieces_.back();
  if (last.anything.empty()) {
    size_t end = 0;
    return s.size() >= at + last.text.size() && match_at(last, s, s.size() - last.text.size(), end);
  }
  for (size_t from = at; from <= s.size(); from += from < s.size() ? char_bytes(s, from) : 1) {
    size_t end = 0;
    if (match_at(last, s, from, end) && end == s.size()) return true;
  }
  return false;
}

std::unique_ptr<re2::RE2> compile_regex(std::string_view pattern, std::string_view flags,
                                        bool& global, std::string& error) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(regex_bytes_max);
  // As in PostgreSQL the dot matches a line break, and ^ and $ match at the ends of the text.
  options.set_dot_nl(true);
  std::string prefix;
  for (char f : flags) {
    if (f == 'g') {
      global = true;
    } else if (f == 'i') {
      options.set_case_sensitive(false);
    } else if (f == 'c') {
      options.set_case_sensitive(true);
    } else if (f == 'n' || f == 'm') {
      options.set_dot_nl(false);
      prefix = "(?m)";
    } else if (f != 's') {
      error = "invalid regular expression option: \"" + std::string(1, f) + "\"";
      return nullptr;
    }
  }
  std::string re = prefix;
  bool bracket = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      char e = pattern[++i];
      // Word boundaries: \y either, \m begin, \M end; \Y none.
      if (!bracket && (e == 'y' || e == 'm' || e == 'M')) {
        re += "\\b";
      } else if (!bracket && e == 'Y') {
        re += "\\B";
      } else if (!bracket && e == 'Z') {
        re += "\\z";
      } else if (!bracket && e >= '1' && e <= '9') {
        error = "regular expression \"" + std::string(pattern) +
                "\": back references are not supported";
        return nullptr;
      } else {
        re += c;
        re += e;
      }
      continue;
    }
    if (c == '[' && !bracket) {
      bracket = true;
      re += c;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') re += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') re += pattern[++i];
      continue;
    }
    if (c == '[' && bracket && i + 1 < pattern.size() && pattern[i + 1] == ':') {
      size_t end = pattern.find(":]", i);
      if (end != std::string_view::npos) {
        re += pattern.substr(i, end + 2 - i);
        i = end + 1;
        continue;
      }
    }
    if (c == ']') bracket = false;
    re += c;
  }
  auto compiled = std::make_unique<re2::RE2>(re2::StringPiece(re.data(), re.size()), options);
  if (compiled->ok()) return compiled;
  error = "invalid regular expression \"" + std::string(pattern) + "\": " + compiled->error();
  return nullptr;
}

size_t behind_match(std::string_view text, size_t at, size_t found) {
  if (found > 0) return at + found;
  return at + (at < text.size() ? char_bytes(text, at) : 1);
}

result<std::string> similar_to_regex(std::string_view pattern, std::string_view escape) {
  if (escape.size() > 1 && char_bytes(escape, 0) != escape.size())
    return error(errc::invalid_argument, "invalid escape string");
  std::string re = "^(?:";
  // The same with quantifiers that take as little as they can: so is the part before the first
  // separator matched.
  std::string shortest = re;
  size_t separators = 0;
  bool bracket = false;
  auto put = [&](std::string_view text, bool quantifier = false) {
    re += text;
    shortest += text;
    if (quantifier) shortest += '?';
  };
  for (size_t i = 0; i < pattern.size();) {
    auto ch = pattern.substr(i, char_bytes(pattern, i));
    i += ch.size();
    if (!escape.empty() && ch == escape) {
      if (i >= pattern.size()) break;
      ch = pattern.substr(i, char_bytes(pattern, i));
      i += ch.size();
      if (ch != "\"" || bracket) {
        put("\\");
        put(ch);
        continue;
      }
      if (++separators > 2)
        return error(errc::invalid_argument,
                     "SQL regular expression may not contain more than two escape-double-quote "
                     "separators");
      if (separators == 1) re = shortest;
      put(separators == 1 ? ")(" : ")(?:");
    } else if (bracket) {
      if (ch == "]") bracket = false;
      if (ch == "\\") put("\\");
      put(ch);
    } else if (ch == "[") {
      bracket = true;
      put(ch);
    } else if (ch == "%") {
      put(".*", true);
    } else if (ch == "_") {
      put(".");
    } else if (ch == "(") {
      put("(?:");
    } else if (ch == "." || ch == "^" || ch == "$" || ch == "\\") {
      put("\\");
      put(ch);
    } else {
      put(ch, ch == "*" || ch == "+" || ch == "?" || ch == "}");
    }
  }
  return re + ")$";
}

}  // namespace weir::expr
