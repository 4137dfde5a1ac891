// TOML for settings. CLI11 has a reader, but it gives no lines, takes a line without '=' for a key
// that is true, cuts strings at '#' and splits quoted keys at their dots (2.1): a mistyped file
// would start a node with other settings.
#include "cluster/cli/config/config_file.hpp"

namespace weir::cli {
namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

class toml_reader {
 public:
  toml_reader(const std::string& text, const std::string& name) : text_(text), name_(name) {}

  result<std::vector<config_entry>> read() {
    std::vector<config_entry> entries;
    std::vector<std::string> table;
    for (skip_empty(); at_ < text_.size(); skip_empty()) {
      const int line = line_;
      if (text_[at_] == '[') {
        ++at_;
        if (peek() == '[') return wrong("arrays of tables are no settings");
        WEIR_ASSIGN(table, key());
        if (!take(']')) return wrong("expected ']' after the table's name");
        if (table.size() > 1) return wrong("a table of a table is no setting");
      } else {
        WEIR_ASSIGN(auto names, key());
        if (!take('=')) return wrong("expected KEY = VALUE");
        names.insert(names.begin(), table.begin(), table.end());
        config_entry e;
        e.line = line;
        e.key = names[0];
        for (size_t i = 1; i < names.size(); ++i) e.map_key += (i > 1 ? "." : "") + names[i];
        WEIR_TRY(value(e));
        for (const auto& other : entries)
          if (other.key == e.key && other.map_key == e.map_key)
            return error{errc::parse, name_ + ":" + std::to_string(line) + ": " +
                                          (e.map_key.empty() ? e.key : e.map_key) +
                                          " is already set in line " + std::to_string(other.line)};
        entries.push_back(std::move(e));
      }
      skip_blanks();
      if (peek() == '#') skip_comment();
      if (at_ < text_.size() && peek() != '\n' && peek() != '\r')
        return wrong("something stands behind the value");
    }
    return entries;
  }

 private:
  error wrong(const std::string& what) const {
    return {errc::parse, name_ + ":" + std::to_string(line_) + ": " + what};
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  void skip_comment() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }
  void skip_empty() {
    for (;; ++at_) {
      skip_blanks();
      if (peek() == '#') skip_comment();
      if (peek() == '\n') ++line_;
      if (peek() != '\n' && peek() != '\r') return;
    }
  }
  bool take(char c) {
    skip_blanks();
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  result<std::vector<std::string>> key() {
    std::vector<std::string> names;
    do {
      skip_blanks();
      if (peek() == '"' || peek() == '\'') {
        WEIR_ASSIGN(auto name, quoted());
        names.push_back(std::move(name));
        continue;
      }
      const auto begin = at_;
      while (is_bare(peek())) ++at_;
      if (at_ == begin) return wrong("expected a key");
      names.push_back(text_.substr(begin, at_ - begin));
    } while (take('.'));
    return names;
  }

  result<std::string> quoted() {
    const char quote = text_[at_];
    if (text_.compare(at_, 3, std::string(3, quote)) == 0)
      return wrong("strings of several lines are not supported");
    std::string out;
    for (++at_; peek() != quote; ++at_) {
      if (at_ >= text_.size() || peek() == '\n') return wrong("the string has no end");
      if (quote == '\'' || peek() != '\\') {
        out += text_[at_];
        continue;
      }
      ++at_;
      switch (peek()) {
        case 'n':
          out += '\n';
          break;
        case 't':
          out += '\t';
          break;
        case '"':
        case '\\':
          out += peek();
          break;
        default:
          return wrong(std::string("\\") + peek() + " is not supported in a string");
      }
    }
    ++at_;
    return out;
  }

  result<std::string> scalar() {
    if (peek() == '"' || peek() == '\'') return quoted();
    const auto begin = at_;
    while (is_bare(peek()) || peek() == '.' || peek() == '+') ++at_;
    auto word = text_.substr(begin, at_ - begin);
    if (word == "true" || word == "false") return word;
    const auto digits = word.find_first_not_of("+-");
    if (word.empty() || word.find_first_not_of("0123456789_.+-") != std::string::npos ||
        digits == std::string::npos)
      return wrong("expected a string in quotes, a number, true or false");
    std::erase(word, '_');
    return word;
  }

  status value(config_entry& e) {
    skip_blanks();
    if (peek() == '{') return wrong("inline tables are not supported: write [" + e.key + "]");
    if (peek() != '[') {
      WEIR_ASSIGN(auto text, scalar());
      e.values.push_back(std::move(text));
      return {};
    }
    ++at_;
    e.list = true;
    for (skip_empty(); peek() != ']'; skip_empty()) {
      if (at_ >= text_.size())
        return wrong("the list that begins in line " + std::to_string(e.line) + " has no end");
      WEIR_ASSIGN(auto text, scalar());
      e.values.push_back(std::move(text));
      skip_empty();
      if (peek() == ',')
        ++at_;
      else if (peek() != ']')
        return wrong("expected ',' or ']' in the list");
    }
    ++at_;
    return {};
  }

  const std::string& text_;
  const std::string& name_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

result<std::vector<config_entry>> parse_config_toml(const std::string& text,
                                                    const std::string& name) {
  return toml_reader(text, name).read();
}

}  // namespace weir::cli
