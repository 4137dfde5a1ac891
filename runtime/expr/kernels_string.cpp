// Text functions: case, length, parts, search.
#include <wctype.h>

#include <clocale>

#include "runtime/expr/catalog.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

// Letters beyond ASCII fold by Unicode's simple mappings, whatever the process's locale is.
locale_t unicode() {
  static const locale_t l = newlocale(LC_CTYPE_MASK, "C.UTF-8", static_cast<locale_t>(nullptr));
  return l;
}
uint32_t lower_of(uint32_t c) {
  return unicode() ? static_cast<uint32_t>(towlower_l(c, unicode())) : c;
}
uint32_t upper_of(uint32_t c) {
  return unicode() ? static_cast<uint32_t>(towupper_l(c, unicode())) : c;
}
bool alnum(uint32_t c) {
  if (c < 0x80) return isalnum(static_cast<int>(c)) != 0;
  return unicode() && iswalnum_l(c, unicode());
}

template <class F>
void map_chars(text_out& out, text s, F f) {
  for (size_t i = 0; i < s.size();) {
    size_t n = char_bytes(s, i);
    uint32_t c = code_point(s, i, n), m = f(c);
    if (m == c) {
      out.append(s.substr(i, n));
    } else {
      out.added(put_code_point(out.room(4), m));
    }
    i += n;
  }
}
void lower(row_scope&, text_out& out, text s) {
  if (!is_ascii(s)) return map_chars(out, s, lower_of);
  char* p = out.room(s.size());
  for (size_t i = 0; i < s.size(); ++i)
    p[i] = static_cast<char>(s[i] | ((s[i] >= 'A' && s[i] <= 'Z') ? 0x20 : 0));
  out.added(s.size());
}
void upper(row_scope&, text_out& out, text s) {
  if (!is_ascii(s)) return map_chars(out, s, upper_of);
  char* p = out.room(s.size());
  for (size_t i = 0; i < s.size(); ++i)
    p[i] = static_cast<char>(s[i] & ((s[i] >= 'a' && s[i] <= 'z') ? ~0x20 : ~0));
  out.added(s.size());
}

// Characters [first, first + count) in 64 bits; PostgreSQL counts from 1 and lets `first` lie
// before the text.
void part(text_out& out, text s, int64_t first, int64_t count) {
  int64_t end = first + count;
  if (first < 1) first = 1;
  if (end <= first) return;
  if (is_ascii(s)) {
    if (static_cast<uint64_t>(first) > s.size()) return;
    return out.append(s.substr(static_cast<size_t>(first - 1), static_cast<size_t>(end - first)));
  }
  size_t a = offset_of_char(s, static_cast<size_t>(first - 1));
  size_t b = a + offset_of_char(s.substr(a), static_cast<size_t>(end - first));
  out.append(s.substr(a, b - a));
}
constexpr int64_t to_the_end = INT64_C(1) << 40;

void left(row_scope&, text_out& out, text s, int32_t n) {
  int64_t count = n;
  if (n < 0) count = static_cast<int64_t>(count_chars(s)) + n;
  if (count > 0) part(out, s, 1, count);
}
void right(row_scope&, text_out& out, text s, int32_t n) {
  auto all = static_cast<int64_t>(count_chars(s));
  int64_t skip = n < 0 ? -static_cast<int64_t>(n) : std::max<int64_t>(0, all - n);
  part(out, s, skip + 1, to_the_end);
}

bool has_char(text set, text c) {
  for (size_t i = 0; i < set.size();) {
    size_t n = char_bytes(set, i);
    if (set.substr(i, n) == c) return true;
    i += n;
  }
  return false;
}
text trim_left(text s, text set) {
  while (!s.empty()) {
    size_t n = char_bytes(s, 0);
    if (!has_char(set, s.substr(0, n))) break;
    s.remove_prefix(n);
  }
  return s;
}
text trim_right(text s, text set) {
  while (!s.empty()) {
    size_t start = s.size() - 1;
    while (start > 0 && is_continuation(s[start]) && s.size() - start < 4) --start;
    if (!has_char(set, s.substr(start))) break;
    s = s.substr(0, start);
  }
  return s;
}

int32_t position(text s, text part_of) {
  size_t at = s.find(part_of);
  return at == text::npos ? 0 : static_cast<int32_t>(count_chars(s.substr(0, at)) + 1);
}

void register_trims(catalog& c) {
  constexpr auto s = type_id::string;
  c.row("btrim", {s}, s,
        [](row_scope&, text_out& o, text a) { o.append(trim_right(trim_left(a, " "), " ")); });
  c.row("ltrim", {s}, s, [](row_scope&, text_out& o, text a) { o.append(trim_left(a, " ")); });
  c.row("rtrim", {s}, s, [](row_scope&, text_out& o, text a) { o.append(trim_right(a, " ")); });
  c.row("btrim", {s, s}, s, [](row_scope&, text_out& o, text a, text set) {
    o.append(trim_right(trim_left(a, set), set));
  });
  c.row("ltrim", {s, s}, s,
        [](row_scope&, text_out& o, text a, text set) { o.append(trim_left(a, set)); });
  c.row("rtrim", {s, s}, s,
        [](row_scope&, text_out& o, text a, text set) { o.append(trim_right(a, set)); });
}

void place(row_scope& r, text_out& o, text a, text b, int32_t from, int64_t n) {
  if (from <= 0) return r.fail(errc::invalid_argument, "negative substring length not allowed");
  part(o, a, 1, from - 1);
  o.append(b);
  part(o, a, std::max<int64_t>(1, from + n), to_the_end);
}

void register_parts(catalog& c) {
  constexpr auto s = type_id::string, i4 = type_id::int32;
  for (auto name : {"substr", "substring"}) {
    c.row(name, {s, i4}, s,
          [](row_scope&, text_out& o, text a, int32_t from) { part(o, a, from, to_the_end); });
    c.row(name, {s, i4, i4}, s, [](row_scope& r, text_out& o, text a, int32_t from, int32_t n) {
      if (n < 0) return r.fail(errc::invalid_argument, "negative substring length not allowed");
      part(o, a, from, n);
    });
  }
  c.row("left", {s, i4}, s, wrap<left>{});
  c.row("right", {s, i4}, s, wrap<right>{});
  c.row("overlay", {s, s, i4}, s, [](row_scope& r, text_out& o, text a, text b, int32_t from) {
    place(r, o, a, b, from, static_cast<int64_t>(count_chars(b)));
  });
  c.row("overlay", {s, s, i4, i4}, s,
        [](row_scope& r, text_out& o, text a, text b, int32_t from, int32_t n) {
          place(r, o, a, b, from, n);
        });
}

}  // namespace

void register_string(catalog& c) {
  constexpr auto s = type_id::string, i4 = type_id::int32, b = type_id::boolean,
                 bytes = type_id::bytes;
  c.row("lower", {s}, s, wrap<lower>{});
  c.row("upper", {s}, s, wrap<upper>{});
  c.row("initcap", {s}, s, [](row_scope&, text_out& o, text a) {
    bool inside = false;
    map_chars(o, a, [&](uint32_t ch) {
      uint32_t m = inside ? lower_of(ch) : upper_of(ch);
      inside = alnum(ch);
      return m;
    });
  });
  for (auto name : {"length", "char_length", "character_length"})
    c.row(name, {s}, i4, [](row_scope&, text a) { return static_cast<int32_t>(count_chars(a)); });
  auto size = [](row_scope&, text a) { return static_cast<int32_t>(a.size()); };
  c.row("octet_length", {s}, i4, size);
  c.row("octet_length", {bytes}, i4, size);
  c.row("length", {bytes}, i4, size);
  c.row("bit_length", {s}, i4,
        [](row_scope&, text a) { return static_cast<int32_t>(a.size() * 8); });
  c.row("strpos", {s, s}, i4, [](row_scope&, text a, text x) { return position(a, x); });
  for (auto name : {"starts_with", "^@"})
    c.row(name, {s, s}, b, [](row_scope&, text a, text x) { return a.starts_with(x); });
  c.row("||", {s, s}, s, [](row_scope&, text_out& o, text x, text y) {
    o.append(x);
    o.append(y);
  });
  c.row("||", {bytes, bytes}, bytes, [](row_scope&, text_out& o, text x, text y) {
    o.append(x);
    o.append(y);
  });
  c.row("reverse", {s}, s, [](row_scope&, text_out& o, text a) {
    char* p = o.room(a.size());
    size_t end = a.size();
    for (size_t i = 0; i < a.size();) {
      size_t n = char_bytes(a, i);
      end -= n;
      std::memcpy(p + end, a.data() + i, n);
      i += n;
    }
    o.added(a.size());
  });
  c.row("ascii", {s}, i4, [](row_scope&, text a) -> int32_t {
    return a.empty() ? 0 : static_cast<int32_t>(code_point(a, 0, char_bytes(a, 0)));
  });
  c.row("chr", {i4}, s, [](row_scope& r, text_out& o, int32_t v) {
    if (v <= 0 || v > 0x10FFFF || (v >= 0xD800 && v < 0xE000))
      return r.fail(errc::invalid_argument, v == 0
                                                ? "null character not permitted"
                                                : "requested character is not valid for encoding");
    o.added(put_code_point(o.room(4), static_cast<uint32_t>(v)));
  });
  register_trims(c);
  register_parts(c);
}

}  // namespace weir::expr
