// Text functions that build: padding, replacing, joining, encoding.
#include "runtime/base/hex.hpp"
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/digest.hpp"
#include "runtime/expr/format_text.hpp"
#include "runtime/expr/functions.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

// Longest text that one call may build: far above real rows, far below what memory holds.
constexpr uint64_t result_bytes_max = 64u << 20;

bool fits(row_scope& r, const text_out& o, uint64_t bytes) {
  if (bytes <= result_bytes_max && o.size() + bytes < (uint64_t{1} << 31)) return true;
  r.fail(errc::overflow, "requested length too large");
  return false;
}

void pad(row_scope& r, text_out& o, text s, int32_t length, text fill, bool at_left) {
  auto have = static_cast<int64_t>(count_chars(s));
  int64_t want = std::max(length, 0);
  if (!fits(r, o, static_cast<uint64_t>(want) * 4)) return;
  if (have >= want) return o.append(s.substr(0, offset_of_char(s, static_cast<size_t>(want))));
  if (!at_left || fill.empty()) o.append(s);
  if (fill.empty()) return;
  size_t at = 0;
  for (int64_t n = want - have; n > 0; --n) {
    size_t bytes = char_bytes(fill, at);
    o.append(fill.substr(at, bytes));
    at += bytes;
    if (at == fill.size()) at = 0;
  }
  if (at_left) o.append(s);
}

void replace(row_scope& r, text_out& o, text s, text from, text to) {
  if (from.empty()) return o.append(s);
  for (size_t at; (at = s.find(from)) != text::npos; s.remove_prefix(at + from.size())) {
    if (!fits(r, o, at + to.size())) return;
    o.append(s.substr(0, at));
    o.append(to);
  }
  o.append(s);
}

void translate(row_scope&, text_out& o, text s, text from, text to) {
  for (size_t i = 0; i < s.size();) {
    size_t n = char_bytes(s, i);
    text ch = s.substr(i, n);
    i += n;
    size_t index = 0, at = 0;
    for (; at < from.size(); ++index) {
      size_t m = char_bytes(from, at);
      if (from.substr(at, m) == ch) break;
      at += m;
    }
    if (at >= from.size()) {
      o.append(ch);
      continue;
    }
    size_t target = offset_of_char(to, index);
    if (target < to.size()) o.append(to.substr(target, char_bytes(to, target)));
  }
}

void split_part(row_scope& r, text_out& o, text s, text by, int32_t n) {
  if (n == 0) return r.fail(errc::invalid_argument, "field position must not be zero");
  if (by.empty()) {
    if (n == 1 || n == -1) o.append(s);
    return;
  }
  if (n < 0) {
    int64_t fields = 1;
    for (size_t at = 0; (at = s.find(by, at)) != text::npos; at += by.size()) ++fields;
    int64_t from_start = fields + n + 1;
    if (from_start < 1) return;
    n = static_cast<int32_t>(from_start);
  }
  for (;; --n) {
    size_t at = s.find(by);
    if (n == 1) return o.append(s.substr(0, at));
    if (at == text::npos) return;
    s.remove_prefix(at + by.size());
  }
}

template <class T>
void to_hex(row_scope&, text_out& o, T v) {
  auto u = static_cast<std::make_unsigned_t<T>>(v);
  char digits[16];
  int n = 0;
  do {
    digits[n++] = "0123456789abcdef"[u & 15];
    u = static_cast<std::make_unsigned_t<T>>(u >> 4);
  } while (u != 0);
  while (n > 0) o.push(digits[--n]);
}

// concat, concat_ws and format see nulls and take any number of arguments, all text.
template <class F>
void joining(run& r, const instruction& in, F f) {
  reg& t = r.at(in.target);
  uint32_t* offsets = r.offsets(t);
  std::vector<operand<text>> args;
  for (auto a : in.args) args.emplace_back(r, a);
  text_out out(r, t);
  row_scope scope(r, in);
  std::vector<uint32_t> nulls;
  uint32_t next = 0;
  r.for_each_row(in, [&](uint32_t i) {
    while (next <= i) offsets[next++] = static_cast<uint32_t>(out.size());
    scope.index = i;
    scope.null = false;
    f(scope, out, args, i);
    if (scope.null) nulls.push_back(i);
  });
  while (next <= r.rows) offsets[next++] = static_cast<uint32_t>(out.size());
  out.finish();
  r.no_nulls(t);
  if (!nulls.empty()) {
    uint64_t* valid = r.validity(t);
    set_all(valid, r.rows);
    for (auto i : nulls) valid[i >> 6] &= ~(uint64_t{1} << (i & 63));
  }
  r.publish(t);
}

void concat(run& r, const instruction& in) {
  joining(r, in, [&](row_scope&, text_out& o, const auto& args, uint32_t i) {
    for (size_t k = 0; k < args.size(); ++k)
      if (r.is_valid(in.args[k], i)) o.append(args[k][i]);
  });
}
void concat_ws(run& r, const instruction& in) {
  joining(r, in, [&](row_scope& scope, text_out& o, const auto& args, uint32_t i) {
    if (!r.is_valid(in.args[0], i)) return scope.set_null();
    bool first = true;
    for (size_t k = 1; k < args.size(); ++k) {
      if (!r.is_valid(in.args[k], i)) continue;
      if (!first) o.append(args[0][i]);
      first = false;
      o.append(args[k][i]);
    }
  });
}

void quote(std::string& o, text s) {
  // A literal with backslashes is an escape string, whose backslashes are doubled.
  if (s.find('\\') != text::npos) o += 'E';
  o += '\'';
  for (char c : s) {
    if (c == '\'' || c == '\\') o += c;
    o += c;
  }
  o += '\'';
}
// Blanks around a value of format() up to its width, which is below zero for one at the left.
void padded(row_scope& r, text_out& o, text s, int64_t width, bool left) {
  if (width < 0) {
    left = true;
    width = -width;
  }
  const auto have = static_cast<int64_t>(count_chars(s));
  const int64_t blanks = std::max<int64_t>(0, width - have);
  if (!fits(r, o, s.size() + static_cast<uint64_t>(blanks))) return;
  if (left) o.append(s);
  for (int64_t n = 0; n < blanks; ++n) o.push(' ');
  if (!left) o.append(s);
}
// The text of one value as its specifier writes it; false after failing the row.
bool formatted(row_scope& r, char kind, std::optional<text> value, std::string& out) {
  out.clear();
  if (!value && kind == 'I') {
    r.fail(errc::invalid_argument, "null values cannot be formatted as an SQL identifier");
    return false;
  }
  if (kind == 'L' && !value) out = "NULL";
  if (!value) return true;
  if (kind == 's')
    out = *value;
  else if (kind == 'I')
    append_identifier(out, *value);
  else
    quote(out, *value);
  return true;
}
void format(run& r, const instruction& in) {
  std::string value;
  joining(r, in, [&](row_scope& scope, text_out& o, const auto& args, uint32_t i) {
    if (!r.is_valid(in.args[0], i)) return scope.set_null();
    auto given = [&](size_t k) -> std::optional<text> {
      if (!r.is_valid(in.args[k], i)) return {};
      return args[k][i];
    };
    format_reader reader(args[0][i], args.size());
    for (o.append(reader.literal()); !reader.at_end(); o.append(reader.literal())) {
      auto s = reader.specifier();
      if (!s) return scope.fail(s.err().code, s.err().message);
      if (s->kind == '%') {
        o.push('%');
        continue;
      }
      if (auto width = s->width_argument ? given(*s->width_argument) : std::nullopt) {
        auto v = text_to_integer(*width, type_id::int32);
        if (!v) return scope.fail(v.err().code, v.err().message);
        s->width = *v;
      }
      if (!formatted(scope, s->kind, given(s->value), value)) return;
      padded(scope, o, value, s->width, s->left);
    }
  });
}

}  // namespace

void register_string_build(catalog& c) {
  constexpr auto s = type_id::string, i4 = type_id::int32, i8 = type_id::int64,
                 bytes = type_id::bytes;
  c.row("lpad", {s, i4}, s,
        [](row_scope& r, text_out& o, text a, int32_t n) { pad(r, o, a, n, " ", true); });
  c.row("rpad", {s, i4}, s,
        [](row_scope& r, text_out& o, text a, int32_t n) { pad(r, o, a, n, " ", false); });
  c.row("lpad", {s, i4, s}, s,
        [](row_scope& r, text_out& o, text a, int32_t n, text f) { pad(r, o, a, n, f, true); });
  c.row("rpad", {s, i4, s}, s,
        [](row_scope& r, text_out& o, text a, int32_t n, text f) { pad(r, o, a, n, f, false); });
  c.row("repeat", {s, i4}, s, [](row_scope& r, text_out& o, text a, int32_t n) {
    if (n <= 0 || !fits(r, o, a.size() * static_cast<uint64_t>(n))) return;
    for (int32_t k = 0; k < n; ++k) o.append(a);
  });
  c.row("replace", {s, s, s}, s, wrap<replace>{});
  c.row("translate", {s, s, s}, s, wrap<translate>{});
  c.row("split_part", {s, s, i4}, s, wrap<split_part>{});
  c.row("to_hex", {i4}, s, wrap<to_hex<int32_t>>{});
  c.row("to_hex", {i8}, s, wrap<to_hex<int64_t>>{});
  auto md5 = [](row_scope&, text_out& o, text a) {
    char made[digest_bytes(digest_kind::md5)];
    digest(digest_kind::md5, a, made);
    write_hex(o.room(2 * sizeof made), {made, sizeof made});
    o.added(2 * sizeof made);
  };
  c.row("md5", {s}, s, md5);
  c.row("md5", {bytes}, s, md5);
  c.row("quote_literal", {s}, s, [](row_scope&, text_out& o, text a) {
    thread_local std::string quoted;
    quoted.clear();
    quote(quoted, a);
    o.append(quoted);
  });
  constexpr auto any = flag_variadic | flag_non_strict | flag_any;
  c.add("concat", {s}, s, concat, any);
  c.add("concat_ws", {s, s}, s, concat_ws, any);
  c.add("format", {s}, s, format, any);
}

}  // namespace weir::expr
