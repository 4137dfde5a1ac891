// LIKE, ILIKE and regular expressions. Patterns are compiled once per instruction while they stay
// the same, which constants always do.
#include <re2/re2.h>

#include "runtime/expr/catalog.hpp"
#include "runtime/expr/pattern.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

re2::StringPiece piece(text s) {
  return {s.data(), s.size()};
}

struct like_state {
  std::string source;
  bool ready = false;
  like_pattern pattern;
};
template <bool fold_case>
bool like(row_scope& r, text s, text pattern) {
  auto& st = r.state<like_state>();
  if (!st.ready || st.source != pattern) {
    st.source = pattern;
    st.ready = true;
    st.pattern = like_pattern(pattern, fold_case);
  }
  if (!st.pattern.valid()) {
    r.fail(errc::invalid_argument, "LIKE pattern must not end with escape character");
    return false;
  }
  return st.pattern.matches(s);
}

struct regex_state {
  std::string source, flags;
  std::unique_ptr<re2::RE2> regex;
  std::string error;
  bool global = false;
  bool ready = false;
};
// The compiled pattern, or nullptr after failing the row.
const regex_state* compiled(row_scope& r, text pattern, text flags) {
  auto& st = r.state<regex_state>();
  if (!st.ready || st.source != pattern || st.flags != flags) {
    st.source = pattern;
    st.flags = flags;
    st.ready = true;
    st.error.clear();
    st.global = false;
    st.regex = compile_regex(pattern, flags, st.global, st.error);
  }
  if (st.regex) return &st;
  r.fail(errc::invalid_argument, st.error);
  return nullptr;
}
bool search(row_scope& r, text s, text pattern, text flags) {
  const auto* st = compiled(r, pattern, flags);
  return st && re2::RE2::PartialMatch(piece(s), *st->regex);
}

// "\1" in the replacement is a group, "\&" the match, "\\" a backslash.
void append_replacement(text_out& o, text to, const std::vector<re2::StringPiece>& groups) {
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] != '\\' || i + 1 == to.size()) {
      o.push(to[i]);
      continue;
    }
    char c = to[++i];
    size_t g = c == '&' ? 0 : c >= '1' && c <= '9' ? static_cast<size_t>(c - '0') : 100;
    if (g < groups.size()) {
      if (groups[g].data()) o.append({groups[g].data(), groups[g].size()});
    } else if (g == 100) {
      if (c != '\\') o.push('\\');
      o.push(c);
    }
  }
}
void regexp_replace(row_scope& r, text_out& o, text s, text pattern, text to, text flags) {
  const auto* st = compiled(r, pattern, flags);
  if (!st) return;
  std::vector<re2::StringPiece> groups(static_cast<size_t>(st->regex->NumberOfCapturingGroups()) +
                                       1);
  size_t at = 0;
  while (at <= s.size() && st->regex->Match(piece(s), at, s.size(), re2::RE2::UNANCHORED,
                                            groups.data(), static_cast<int>(groups.size()))) {
    auto begin = static_cast<size_t>(groups[0].data() - s.data());
    o.append(s.substr(at, begin - at));
    append_replacement(o, to, groups);
    at = begin + groups[0].size();
    if (groups[0].empty()) {
      // An empty match: go on behind the next character.
      if (at < s.size()) {
        size_t n = char_bytes(s, at);
        o.append(s.substr(at, n));
        at += n;
      } else {
        at = s.size() + 1;
      }
    }
    if (!st->global) break;
  }
  if (at < s.size()) o.append(s.substr(at));
}

// SUBSTRING(s FROM pattern): the first group when there is one, else the match.
void substring(row_scope& r, text_out& o, text s, text pattern, bool first_group) {
  const auto* st = compiled(r, pattern, "");
  if (!st) return;
  re2::StringPiece groups[2];
  bool group = first_group && st->regex->NumberOfCapturingGroups() > 0;
  if (!st->regex->Match(piece(s), 0, s.size(), re2::RE2::UNANCHORED, groups, group ? 2 : 1))
    return r.set_null();
  const auto& found = groups[group ? 1 : 0];
  if (!found.data()) return r.set_null();
  o.append({found.data(), found.size()});
}
int32_t count(row_scope& r, text s, text pattern) {
  const auto* st = compiled(r, pattern, "");
  if (!st) return 0;
  int32_t n = 0;
  re2::StringPiece found;
  for (size_t at = 0; at <= s.size() &&
                      st->regex->Match(piece(s), at, s.size(), re2::RE2::UNANCHORED, &found, 1);) {
    ++n;
    at = static_cast<size_t>(found.data() - s.data()) + found.size();
    if (found.empty()) at += at < s.size() ? char_bytes(s, at) : 1;
  }
  return n;
}

void register_regex(catalog& c) {
  constexpr auto s = type_id::string, b = type_id::boolean;
  c.row("~", {s, s}, b, [](row_scope& r, text a, text p) { return search(r, a, p, ""); });
  c.row("~*", {s, s}, b, [](row_scope& r, text a, text p) { return search(r, a, p, "i"); });
  c.row("!~", {s, s}, b, [](row_scope& r, text a, text p) { return !search(r, a, p, ""); });
  c.row("!~*", {s, s}, b, [](row_scope& r, text a, text p) { return !search(r, a, p, "i"); });
  c.row("regexp_like", {s, s}, b, [](row_scope& r, text a, text p) { return search(r, a, p, ""); });
  c.row("regexp_like", {s, s, s}, b,
        [](row_scope& r, text a, text p, text f) { return search(r, a, p, f); });
  c.row("regexp_count", {s, s}, type_id::int32, wrap<count>{});
  c.row("regexp_replace", {s, s, s}, s, [](row_scope& r, text_out& o, text a, text p, text to) {
    regexp_replace(r, o, a, p, to, "");
  });
  c.row("regexp_replace", {s, s, s, s}, s, wrap<regexp_replace>{});
  c.row("regexp_substr", {s, s}, s,
        [](row_scope& r, text_out& o, text a, text p) { substring(r, o, a, p, false); });
  for (auto name : {"substring", "substr"})
    c.row(name, {s, s}, s,
          [](row_scope& r, text_out& o, text a, text p) { substring(r, o, a, p, true); });
  c.row("similar_to_escape", {s}, s,
        [](row_scope&, text_out& o, text p) { o.append(similar_to_regex(p)); });
}

}  // namespace

void register_pattern(catalog& c) {
  constexpr auto s = type_id::string, b = type_id::boolean;
  c.row("~~", {s, s}, b, wrap<like<false>>{});
  c.row("~~*", {s, s}, b, wrap<like<true>>{});
  c.row("!~~", {s, s}, b, [](row_scope& r, text a, text p) { return !like<false>(r, a, p); });
  c.row("!~~*", {s, s}, b, [](row_scope& r, text a, text p) { return !like<true>(r, a, p); });
  c.row("like_escape", {s, s}, s, [](row_scope& r, text_out& o, text p, text e) {
    if (e.size() > 1 && char_bytes(e, 0) != e.size())
      return r.fail(errc::invalid_argument, "invalid escape string");
    // The same pattern with the backslash as escape character.
    for (size_t i = 0; i < p.size();) {
      size_t n = char_bytes(p, i);
      text ch = p.substr(i, n);
      i += n;
      if (!e.empty() && ch == e) {
        o.push('\\');
        if (i >= p.size()) return;
        n = char_bytes(p, i);
        o.append(p.substr(i, n));
        i += n;
      } else {
        if (ch == "\\") o.push('\\');
        o.append(ch);
      }
    }
  });
  register_regex(c);
}

}  // namespace weir::expr
