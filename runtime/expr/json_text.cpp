#include "runtime/expr/json_text.hpp"

#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
size_t skip_blanks(std::string_view s, size_t i) {
  while (i < s.size() && blank(s[i])) ++i;
  return i;
}
// Behind the closing quote of the string that starts at i.
size_t string_end(std::string_view s, size_t i) {
  for (++i; i < s.size(); ++i) {
    if (s[i] == '\\') {
      ++i;
    } else if (s[i] == '"') {
      return i + 1;
    }
  }
  return s.size();
}
// Behind the value that starts at i.
size_t value_end(std::string_view s, size_t i) {
  if (i >= s.size()) return s.size();
  if (s[i] == '"') return string_end(s, i);
  if (s[i] != '{' && s[i] != '[') {
    while (i < s.size() && s[i] != ',' && s[i] != ']' && s[i] != '}' && !blank(s[i])) ++i;
    return i;
  }
  size_t depth = 0;
  while (i < s.size()) {
    char c = s[i];
    if (c == '"') {
      i = string_end(s, i);
      continue;
    }
    ++i;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return i;
  }
  return s.size();
}
int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}
uint32_t code_unit(std::string_view s, size_t i) {
  uint32_t v = 0;
  for (size_t k = 0; k < 4 && i + k < s.size(); ++k)
    v = v << 4 | static_cast<uint32_t>(hex(s[i + k]));
  return v;
}

// Calls f(value) for each item until it returns false.
template <class F>
void each_item(std::string_view s, F f) {
  s = json_value(s);
  if (s.empty() || s[0] != '[') return;
  size_t i = skip_blanks(s, 1);
  while (i < s.size() && s[i] != ']') {
    size_t end = value_end(s, i);
    if (!f(s.substr(i, end - i))) return;
    i = skip_blanks(s, end);
    if (i < s.size() && s[i] == ',')
      i = skip_blanks(s, i + 1);
    else if (i < s.size() && s[i] != ']')
      return;
  }
}

// Calls f(name with its quotes, value) for each member.
template <class F>
void each_member(std::string_view s, F f) {
  s = json_value(s);
  if (s.empty() || s[0] != '{') return;
  size_t i = skip_blanks(s, 1);
  while (i < s.size() && s[i] == '"') {
    const size_t end = string_end(s, i);
    const auto name = s.substr(i, end - i);
    i = skip_blanks(s, end);
    if (i >= s.size() || s[i] != ':') break;
    i = skip_blanks(s, i + 1);
    const size_t last = value_end(s, i);
    f(name, s.substr(i, last - i));
    i = skip_blanks(s, last);
    if (i >= s.size() || s[i] != ',') break;
    i = skip_blanks(s, i + 1);
  }
}

}  // namespace

std::string_view json_value(std::string_view s) {
  size_t i = skip_blanks(s, 0);
  return s.substr(i, value_end(s, i) - i);
}

void json_unescape(std::string_view q, std::string& out) {
  if (q.size() < 2) return;
  q = q.substr(1, q.size() - 2);
  for (size_t i = 0; i < q.size(); ++i) {
    if (q[i] != '\\' || i + 1 == q.size()) {
      out += q[i];
      continue;
    }
    char c = q[++i];
    if (c == 'u') {
      uint32_t u = code_unit(q, i + 1);
      i += 4;
      if (u >= 0xD800 && u < 0xDC00 && i + 2 < q.size() && q[i + 1] == '\\' && q[i + 2] == 'u') {
        u = 0x10000 + ((u - 0xD800) << 10) + (code_unit(q, i + 3) - 0xDC00);
        i += 6;
      }
      char bytes[4];
      out.append(bytes, put_code_point(bytes, u & 0x1FFFFF));
      continue;
    }
    out += c == 'n'   ? '\n'
           : c == 't' ? '\t'
           : c == 'r' ? '\r'
           : c == 'b' ? '\b'
           : c == 'f' ? '\f'
                      : c;
  }
}

std::optional<std::string_view> json_member(std::string_view s, std::string_view key) {
  std::optional<std::string_view> found;
  std::string unescaped;
  each_member(s, [&](std::string_view name, std::string_view value) {
    bool same;
    if (name.find('\\') == std::string_view::npos) {
      same = name.size() == key.size() + 2 && name.substr(1, key.size()) == key;
    } else {
      unescaped.clear();
      json_unescape(name, unescaped);
      same = unescaped == key;
    }
    if (same) found = value;
  });
  return found;
}

std::vector<json_pair> json_members(std::string_view s) {
  std::vector<json_pair> all;
  each_member(s, [&](std::string_view name, std::string_view value) {
    auto& member = all.emplace_back();
    member.name = name;
    member.value = value;
    json_unescape(name, member.key);
  });
  return all;
}

std::vector<std::string_view> json_items(std::string_view s) {
  std::vector<std::string_view> all;
  each_item(s, [&](std::string_view v) {
    all.push_back(v);
    return true;
  });
  return all;
}

int64_t json_length(std::string_view s) {
  int64_t n = 0;
  each_item(s, [&](std::string_view) {
    ++n;
    return true;
  });
  return n;
}

std::optional<std::string_view> json_item(std::string_view s, int64_t index) {
  if (index < 0) index += json_length(s);
  std::optional<std::string_view> found;
  if (index < 0) return found;
  each_item(s, [&](std::string_view v) {
    if (index-- > 0) return true;
    found = v;
    return false;
  });
  return found;
}

}  // namespace weir::expr
