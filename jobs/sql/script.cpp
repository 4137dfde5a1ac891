#include "jobs/sql/script.hpp"

#include <simdjson.h>

#include <algorithm>

#include "runtime/expr/syntax.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::sql {

/// Follows PostgreSQL's tokens as far as to know whether a byte stands in a comment or a literal.
class script::lexer {
 public:
  explicit lexer(std::string_view s) : s_(s) {}

  enum class place : uint8_t { plain, text, escaped_text, identifier, dollar, line, block };
  place at() const { return place_; }
  /// Steps over the token or byte at `i`; returns where it ends.
  size_t step(size_t i) {
    switch (place_) {
      case place::plain:
        return plain(i);
      case place::text:
      case place::identifier:
        if (s_[i] == (place_ == place::text ? '\'' : '"')) place_ = place::plain;
        return i + 1;  // a doubled quote ends one literal and begins the next: no harm
      case place::escaped_text:
        if (s_[i] == '\\') return std::min(i + 2, s_.size());
        if (s_[i] == '\'') place_ = place::plain;
        return i + 1;
      case place::dollar:
        if (s_.substr(i, tag_.size()) != tag_) return i + 1;
        place_ = place::plain;
        return i + tag_.size();
      case place::line:
        if (s_[i] == '\n') place_ = place::plain;
        return i + 1;
      case place::block:
        if (s_.substr(i, 2) == "/*") return ++depth_, i + 2;
        if (s_.substr(i, 2) != "*/") return i + 1;
        if (--depth_ == 0) place_ = place::plain;
        return i + 2;
    }
    return i + 1;
  }

 private:
  static bool is_word(char c) {
    return isalnum(static_cast<unsigned char>(c)) || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  }
  size_t plain(size_t i) {
    const char c = s_[i];
    if (s_.substr(i, 2) == "--") return place_ = place::line, i + 2;
    if (s_.substr(i, 2) == "/*") return place_ = place::block, depth_ = 1, i + 2;
    if (c == '\'') {
      const bool escapes =
          i > 0 && (s_[i - 1] == 'e' || s_[i - 1] == 'E') && (i < 2 || !is_word(s_[i - 2]));
      return place_ = escapes ? place::escaped_text : place::text, i + 1;
    }
    if (c == '"') return place_ = place::identifier, i + 1;
    if (c == '$' && (i == 0 || !is_word(s_[i - 1]))) {
      size_t end = i + 1;
      while (end < s_.size() && is_word(s_[end])) ++end;
      const bool digit = end > i + 1 && isdigit(static_cast<unsigned char>(s_[i + 1]));
      if (end < s_.size() && s_[end] == '$' && !digit) {
        tag_ = s_.substr(i, end + 1 - i);
        return place_ = place::dollar, end + 1;
      }
    }
    return i + 1;
  }

  std::string_view s_, tag_;
  place place_ = place::plain;
  int depth_ = 0;
};

namespace {

std::string doubled(const std::string& value, std::string_view what) {
  std::string out;
  for (char c : value) {
    if (what.find(c) != std::string_view::npos) out += c;
    out += c;
  }
  return out;
}

/// Editors put a byte order mark in front of UTF-8, which nobody sees.
std::string without_mark(const std::string& text) {
  const bool marked =
      text.size() >= 3 && text[0] == '\xEF' && text[1] == '\xBB' && text[2] == '\xBF';
  return text.substr(marked ? 3 : 0);
}

bool is_utf8(std::string_view s) {
  return simdjson::validate_utf8(s.data(), s.size());
}
/// The first byte that is part of no character of UTF-8.
size_t first_bad_byte(std::string_view s) {
  size_t i = 0;
  for (size_t n; i < s.size(); i += n) {
    n = expr::char_bytes(s, i);
    if (!is_utf8(s.substr(i, n))) break;
  }
  return i;
}

}  // namespace

script::script(std::string text, std::string file, const std::map<std::string, std::string>& set)
    : file_(without_mark(text), std::move(file)), settings_(set) {
  using place = lexer::place;
  const std::string& s = file_.text();
  lexer lex(s);
  segments_.push_back({0, 0, true});
  for (size_t i = 0; i < s.size();) {
    const bool comment = lex.at() == place::line || lex.at() == place::block;
    auto piece = comment ? std::nullopt : settings_.at(s, i);
    if (!piece) {
      const size_t end = lex.step(i);
      text_.append(s, i, end - i);
      i = end;
      continue;
    }
    if (!piece->ok()) {
      file_.error(i, piece->err().message);
      text_ += s[i++];
      continue;
    }
    // A value is part of the literal that it stands in, whatever quotes are in it.
    std::string_view quotes = lex.at() == place::text           ? "'"
                              : lex.at() == place::escaped_text ? "'\\"
                              : lex.at() == place::identifier   ? "\""
                                                                : "";
    segments_.push_back({text_.size(), i, false});
    text_ += doubled((*piece)->value, quotes);
    i = (*piece)->end;
    segments_.push_back({text_.size(), i, true});
  }
  if (text_.find('\0') != std::string::npos) file_.error("the file contains a zero byte");
  if (!is_utf8(s))
    file_.error(first_bad_byte(s), "the file is not UTF-8: a byte here is part of no character");
  else if (!is_utf8(text_))
    file_.error("a value that is set is not UTF-8");
}

std::vector<std::pair<size_t, size_t>> script::statements_of(std::string_view text, bool* open) {
  std::vector<std::pair<size_t, size_t>> out;
  lexer lex(text);
  size_t begin = std::string::npos;  // of the statement, once a byte of it was seen
  auto end_at = [&](size_t end) {
    if (begin != std::string::npos) out.emplace_back(begin, end);
    begin = std::string::npos;
  };
  for (size_t i = 0; i < text.size();) {
    const bool plain = lex.at() == lexer::place::plain;
    const auto next = lex.step(i);
    const bool comment = lex.at() == lexer::place::line || lex.at() == lexer::place::block;
    if (plain && text[i] == ';')
      end_at(i);
    else if (plain && !comment && !isspace(static_cast<unsigned char>(text[i])) &&
             begin == std::string::npos)
      begin = i;
    i = next;
  }
  if (open) *open = begin != std::string::npos || lex.at() == lexer::place::block;
  end_at(text.size());
  return out;
}

bool script::substituted_at(size_t offset) const {
  return std::any_of(segments_.begin(), segments_.end(),
                     [offset](const segment& s) { return !s.copied && s.begin == offset; });
}

size_t script::original(size_t offset) const {
  auto after = std::upper_bound(segments_.begin(), segments_.end(), offset,
                                [](size_t o, const segment& s) { return o < s.begin; });
  const auto& s = *std::prev(after);
  return s.copied ? s.file_begin + (offset - s.begin) : s.file_begin;
}

void script::report(const error& e, size_t fallback) {
  if (auto p = expr::position_of(e, text_))
    file_.error(original(p->first), p->second);
  else
    file_.error(original(fallback), e.message);
}

void script::check_unused_settings() {
  for (const auto& message : settings_.unused()) file_.error(message);
}

}  // namespace weir::sql
