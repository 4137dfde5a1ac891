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
size_t behind(text s, const re2::StringPiece& found) {
  return behind_match(s, static_cast<size_t>(found.data() - s.data()), found.size());
}
// Replaces match `n` (0: all) of those that begin at byte `from` or behind it.
void replace_matches(text_out& o, text s, const re2::RE2& regex, text to, size_t from, int32_t n) {
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  size_t copied = 0;
  int32_t seen = 0;
  for (size_t at = from;
       at <= s.size() && regex.Match(piece(s), at, s.size(), re2::RE2::UNANCHORED, groups.data(),
                                     static_cast<int>(groups.size()));
       at = behind(s, groups[0])) {
    if (++seen < n) continue;
    const auto begin = static_cast<size_t>(groups[0].data() - s.data());
    o.append(s.substr(copied, begin - copied));
    append_replacement(o, to, groups);
    copied = begin + groups[0].size();
    if (n > 0) break;
  }
  if (copied < s.size()) o.append(s.substr(copied));
}
void regexp_replace(row_scope& r, text_out& o, text s, text pattern, text to, text flags) {
  if (const auto* st = compiled(r, pattern, flags))
    replace_matches(o, s, *st->regex, to, 0, st->global ? 0 : 1);
}
bool in_range(row_scope& r, const char* name, int32_t v, int32_t least, int32_t most = INT32_MAX) {
  if (v >= least && v <= most) return true;
  r.fail(errc::invalid_argument,
         "invalid value for parameter \"" + std::string(name) + "\": " + std::to_string(v));
  return false;
}
void regexp_replace_from(row_scope& r, text_out& o, text s, text pattern, text to, int32_t start,
                         int32_t n, text flags) {
  if (!in_range(r, "start", start, 1) || !in_range(r, "n", n, 0)) return;
  const auto* st = compiled(r, pattern, flags);
  if (!st) return;
  // A start behind the end: nothing is replaced.
  const auto skipped = static_cast<size_t>(start - 1);
  const auto from = skipped > count_chars(s) ? s.size() + 1 : offset_of_char(s, skipped);
  replace_matches(o, s, *st->regex, to, from, n);
}
int32_t regexp_instr(row_scope& r, text s, text pattern, int32_t start, int32_t n, int32_t end,
                     text flags, int32_t group) {
  if (!in_range(r, "start", start, 1) || !in_range(r, "n", n, 1) ||
      !in_range(r, "endoption", end, 0, 1) || !in_range(r, "subexpr", group, 0))
    return 0;
  const auto* st = compiled(r, pattern, flags);
  if (!st) return 0;
  if (st->global) {
    r.fail(errc::invalid_argument, "regexp_instr() does not support the \"global\" option");
    return 0;
  }
  const auto skipped = static_cast<size_t>(start - 1);
  if (skipped > count_chars(s) || group > st->regex->NumberOfCapturingGroups()) return 0;
  std::vector<re2::StringPiece> groups(static_cast<size_t>(group) + 1);
  for (size_t at = offset_of_char(s, skipped);
       at <= s.size() &&
       st->regex->Match(piece(s), at, s.size(), re2::RE2::UNANCHORED, groups.data(), group + 1);
       at = behind(s, groups[0])) {
    if (--n > 0) continue;
    const auto& found = groups[static_cast<size_t>(group)];
    if (!found.data()) return 0;
    const char* place = end == 1 ? found.data() + found.size() : found.data();
    return static_cast<int32_t>(count_chars(s.substr(0, static_cast<size_t>(place - s.data())))) +
           1;
  }
  return 0;
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
/// Where matching begins that leaves characters out; nothing where the text has no so many.
std::optional<size_t> begin_at(text s, int32_t start) {
  const auto skipped = static_cast<size_t>(start - 1);
  if (skipped > count_chars(s)) return {};
  return offset_of_char(s, skipped);
}
/// The compiled pattern of a function that takes a start, and not the flag g.
const regex_state* compiled_from(row_scope& r, const char* function, text pattern, text flags,
                                 int32_t start) {
  if (!in_range(r, "start", start, 1)) return nullptr;
  const auto* st = compiled(r, pattern, flags);
  if (!st || !st->global) return st;
  r.fail(errc::invalid_argument,
         std::string(function) + "() does not support the \"global\" option");
  return nullptr;
}
void substring_from(row_scope& r, text_out& o, text s, text pattern, int32_t start, int32_t n,
                    text flags, int32_t group) {
  if (!in_range(r, "start", start, 1) || !in_range(r, "n", n, 1) ||
      !in_range(r, "subexpr", group, 0))
    return;
  const auto* st = compiled_from(r, "regexp_substr", pattern, flags, start);
  if (!st) return;
  const auto from = begin_at(s, start);
  if (!from || group > st->regex->NumberOfCapturingGroups()) return r.set_null();
  std::vector<re2::StringPiece> groups(static_cast<size_t>(group) + 1);
  for (size_t at = *from;
       at <= s.size() &&
       st->regex->Match(piece(s), at, s.size(), re2::RE2::UNANCHORED, groups.data(), group + 1);
       at = behind(s, groups[0])) {
    if (--n > 0) continue;
    const auto& found = groups[static_cast<size_t>(group)];
    if (!found.data()) return r.set_null();
    return o.append({found.data(), found.size()});
  }
  r.set_null();
}
int32_t count(row_scope& r, text s, text pattern, int32_t start, text flags) {
  const auto* st = compiled_from(r, "regexp_count", pattern, flags, start);
  const auto from = st ? begin_at(s, start) : std::nullopt;
  if (!from) return 0;
  int32_t n = 0;
  re2::StringPiece found;
  for (size_t at = *from; at <= s.size() && st->regex->Match(piece(s), at, s.size(),
                                                             re2::RE2::UNANCHORED, &found, 1);) {
    ++n;
    at = behind(s, found);
  }
  return n;
}

void similar_escape(row_scope& r, text_out& o, text pattern, text escape) {
  auto regex = similar_to_regex(pattern, escape);
  if (!regex) return r.fail(regex.err().code, regex.err().message);
  o.append(*regex);
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
  constexpr auto i4 = type_id::int32;
  c.row("regexp_count", {s, s}, i4,
        [](row_scope& r, text a, text p) { return count(r, a, p, 1, ""); });
  c.row("regexp_count", {s, s, i4}, i4,
        [](row_scope& r, text a, text p, int32_t from) { return count(r, a, p, from, ""); });
  c.row("regexp_count", {s, s, i4, s}, i4, wrap<count>{});
  c.row("regexp_replace", {s, s, s}, s, [](row_scope& r, text_out& o, text a, text p, text to) {
    regexp_replace(r, o, a, p, to, "");
  });
  c.row("regexp_replace", {s, s, s, s}, s, wrap<regexp_replace>{});
  c.row("regexp_replace", {s, s, s, i4}, s,
        [](row_scope& r, text_out& o, text a, text p, text to, int32_t from) {
          regexp_replace_from(r, o, a, p, to, from, 1, "");
        });
  c.row("regexp_replace", {s, s, s, i4, i4}, s,
        [](row_scope& r, text_out& o, text a, text p, text to, int32_t from, int32_t n) {
          regexp_replace_from(r, o, a, p, to, from, n, "");
        });
  c.row("regexp_replace", {s, s, s, i4, i4, s}, s, wrap<regexp_replace_from>{});
  c.row("regexp_instr", {s, s}, i4,
        [](row_scope& r, text a, text p) { return regexp_instr(r, a, p, 1, 1, 0, "", 0); });
  c.row("regexp_instr", {s, s, i4}, i4, [](row_scope& r, text a, text p, int32_t from) {
    return regexp_instr(r, a, p, from, 1, 0, "", 0);
  });
  c.row("regexp_instr", {s, s, i4, i4}, i4,
        [](row_scope& r, text a, text p, int32_t from, int32_t n) {
          return regexp_instr(r, a, p, from, n, 0, "", 0);
        });
  c.row("regexp_instr", {s, s, i4, i4, i4}, i4,
        [](row_scope& r, text a, text p, int32_t from, int32_t n, int32_t end) {
          return regexp_instr(r, a, p, from, n, end, "", 0);
        });
  c.row("regexp_instr", {s, s, i4, i4, i4, s}, i4,
        [](row_scope& r, text a, text p, int32_t from, int32_t n, int32_t end, text f) {
          return regexp_instr(r, a, p, from, n, end, f, 0);
        });
  c.row("regexp_instr", {s, s, i4, i4, i4, s, i4}, i4, wrap<regexp_instr>{});
  c.row("regexp_substr", {s, s}, s,
        [](row_scope& r, text_out& o, text a, text p) { substring(r, o, a, p, false); });
  c.row("regexp_substr", {s, s, i4}, s,
        [](row_scope& r, text_out& o, text a, text p, int32_t from) {
          substring_from(r, o, a, p, from, 1, "", 0);
        });
  c.row("regexp_substr", {s, s, i4, i4}, s,
        [](row_scope& r, text_out& o, text a, text p, int32_t from, int32_t n) {
          substring_from(r, o, a, p, from, n, "", 0);
        });
  c.row("regexp_substr", {s, s, i4, i4, s}, s,
        [](row_scope& r, text_out& o, text a, text p, int32_t from, int32_t n, text f) {
          substring_from(r, o, a, p, from, n, f, 0);
        });
  c.row("regexp_substr", {s, s, i4, i4, s, i4}, s, wrap<substring_from>{});
  for (auto name : {"substring", "substr"})
    c.row(name, {s, s}, s,
          [](row_scope& r, text_out& o, text a, text p) { substring(r, o, a, p, true); });
  c.row("substring", {s, s, s}, s, [](row_scope& r, text_out& o, text a, text p, text e) {
    auto regex = similar_to_regex(p, e);
    if (!regex) return r.fail(regex.err().code, regex.err().message);
    substring(r, o, a, *regex, true);
  });
  c.row("similar_to_escape", {s}, s,
        [](row_scope& r, text_out& o, text p) { similar_escape(r, o, p, "\\"); });
  c.row("similar_to_escape", {s, s}, s, wrap<similar_escape>{});
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
